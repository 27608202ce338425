"""What makes a repeated message do its work once, and what many are told."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models


class Receipt(models.Model):
    """The answer given to a message, kept 24 h under the `id` the client gave it.

    `digest` is of the message's type and payload: the same `id` with another one is refused.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="receipts"
    )
    request_id = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    reply = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "request_id"], name="chatrouting_receipt_once")
        ]

    def __str__(self) -> str:
        return self.request_id


class Broadcast(models.Model):
    """Something many users are told, and how far it has come.

    Users are told in the order of their keys: everybody up to `after` has been. `total` is how many it was
    for when it was accepted. `held_until` is until when the process that tells them has it for itself.
    """

    class Level(models.TextChoices):
        INFO = "info"
        WARNING = "warning"
        CRITICAL = "critical"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="broadcasts"
    )
    content = models.TextField()
    level = models.CharField(max_length=10, choices=Level.choices)
    audience = models.JSONField()
    total = models.PositiveIntegerField()
    reached = models.PositiveIntegerField(default=0)
    after = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    completed_at = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)

    class Meta:
        permissions: ClassVar = [("broadcast", "Can broadcast")]
        indexes: ClassVar = [
            models.Index(
                fields=["created_at"],
                condition=models.Q(completed_at=None),
                name="chatrouting_broadcast_open",
            )
        ]

    def __str__(self) -> str:
        return self.content[:60]


class Undelivered(models.Model):
    """A user whose stream refused a broadcast. It is tried again at `due_at`; null: no more by itself."""

    broadcast = models.ForeignKey(Broadcast, on_delete=models.CASCADE, related_name="undelivered")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=200)
    tries = models.PositiveIntegerField(default=1)
    due_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        verbose_name_plural = "undelivered"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["broadcast", "user"], name="chatrouting_undelivered_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.broadcast_id} to {self.user_id}"


class Presence(models.Model):
    """Somebody who is taken for online. `left_at`: since when they have no socket, where they have none."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="presence",
    )
    left_at = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return str(self.user)
