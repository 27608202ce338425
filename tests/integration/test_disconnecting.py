"""An operator's hand, where a process does not hear it at once."""

import asyncio
import contextlib
import os
import signal
import time

import pytest
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from chatrouting.connections.models import Connection
from chatrouting.console.disconnecting import Disconnected, disconnect
from chatrouting.database import in_database
from chatrouting.testing.people import make_person
from tests.agents.waiting import until


@pytest.fixture
def deaf(own_system):
    """A process that stands still and hears nobody any more, and what lets it go on."""
    web = own_system.web()

    @contextlib.contextmanager
    def standing_still():
        os.kill(web.process.pid, signal.SIGSTOP)
        try:
            with redis.Redis.from_url(settings.REDIS_URL) as client:
                client.client_kill_filter(_type="pubsub")
            yield
        finally:
            os.kill(web.process.pid, signal.SIGCONT)

    return web, standing_still


def disconnected(person):
    return disconnect(Connection.objects.filter(user_id=person.user_id), "a test")


async def test_a_process_that_is_subscribing_again_is_told_again(deaf, alice, caplog):
    """Row 61: nobody hears the first ring; the operator is told what came of it."""
    web, standing_still = deaf
    caplog.set_level("INFO")
    async with await web.connect(alice) as a:
        with standing_still():
            act = asyncio.create_task(in_database(disconnected, alice))
            await until(lambda: asyncio.sleep(0, "a test disconnects" in caplog.text))
        assert (await a.expect_close(4004))["reconnect"] == "stop"
        assert await act == Disconnected(closed=1, open=0)


async def test_who_is_not_disconnected_yet_is_not_said_to_be(deaf, alice):
    web, standing_still = deaf
    async with await web.connect(alice):
        with standing_still():
            began = time.monotonic()
            assert await in_database(disconnected, alice) == Disconnected(closed=0, open=1)
            assert time.monotonic() - began < 2.5
            with pytest.raises(CommandError, match="1 not yet: the process has not answered"):
                await in_database(call_command, "disconnect", "--user", alice.name)
            assert "1 not yet: the process has not answered" in await in_database(acted, alice)


def acted(person):
    """What an operator is shown who disconnects this person in the admin."""
    root = make_person("root", is_staff=True, is_superuser=True)
    client = Client(headers={"host": "localhost"})
    client.force_login(get_user_model().objects.get(pk=root.user_id))
    chosen = Connection.objects.filter(user_id=person.user_id).values_list("pk", flat=True)
    data = {"action": "disconnect_these", "_selected_action": [str(pk) for pk in chosen]}
    address = reverse("admin:chatrouting_connections_connection_changelist")
    return client.post(address, data, follow=True).content.decode()
