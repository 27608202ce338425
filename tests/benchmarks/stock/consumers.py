"""The ordinary way to bring a user's events to their sockets with Channels."""

import json

from channels.generic.websocket import AsyncWebsocketConsumer


def user_group(user_id):
    """The group of all sockets of one user."""
    return f"user.{user_id}"


class ChatConsumer(AsyncWebsocketConsumer):
    """Joins the group of its user and sends on what comes to it."""

    group = None

    async def connect(self):
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close()
            return
        self.group = user_group(user.pk)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=json.dumps({"type": "received", **json.loads(text_data)}))

    async def chat_event(self, message):
        await self.send(text_data=json.dumps(message["event"]))
