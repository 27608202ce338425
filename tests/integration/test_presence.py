"""Who is online, as those see it who share a thread; on real processes."""

import pytest

from chatrouting.chat.models import Presence
from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.testing.system import wait_until
from tests.integration.sharing import add, connected, shared_thread, sharing_people

BRISK = {
    "CHATROUTING_PRESENCE_GRACE_SECONDS": "0.3",
    "CHATROUTING_PROCESS_HEARTBEAT_SECONDS": "0.2",
}


@pytest.fixture(scope="module")
def quick(system, worker):
    """A web process where the grace is short."""
    return system.web(**BRISK)


@pytest.fixture
async def people(services):
    return await in_database(sharing_people, 3)


def shown(client, person):
    """What this socket was shown of this person so far."""
    signals = [each["payload"] for each in client.signals("presence")]
    return [each["online"] for each in signals if each["user_id"] == person.user_id]


async def test_who_comes_and_goes_is_shown_to_whom_they_share_a_thread_with(quick, people):
    """Row 59: online with the first socket, offline after the grace of the last; a stranger sees nothing."""
    alice, bob, carol = people
    async with connected(quick, alice, carol) as (a, stranger):
        await shared_thread(a, bob)
        async with await quick.connect(bob), await quick.connect(bob):
            await a.until(lambda: shown(a, bob) == [True], "bob online")
        await a.until(lambda: shown(a, bob) == [True, False], "bob offline")
        await stranger.ping()
        assert stranger.signals("presence") == []
        assert shown(a, alice) == []


async def test_a_new_socket_is_shown_who_is_online(quick, people):
    alice, bob, _ = people
    async with await quick.connect(alice) as a:
        await shared_thread(a, bob)
        async with await quick.connect(bob) as b:
            await b.until(lambda: shown(b, alice) == [True], "alice online")
            async with await quick.connect(bob) as tablet:
                await tablet.until(lambda: shown(tablet, alice) == [True], "alice online")
                await a.ping()
                assert shown(a, bob) == [True]


async def test_who_joins_a_thread_is_introduced(quick, people):
    alice, bob, _ = people
    async with connected(quick, alice, bob) as (a, b):
        thread_id = await shared_thread(a)
        await add(a, thread_id, bob)
        await a.until(lambda: shown(a, bob) == [True], "bob online")
        await b.until(lambda: shown(b, alice) == [True], "alice online")


async def test_a_reload_tells_nobody_anything(web, people):
    """Row 64: back within the grace, on whatever socket: no storm."""
    alice, bob, _ = people
    async with await web.connect(alice) as a:
        await shared_thread(a, bob)
        for _ in range(5):
            async with await web.connect(bob) as b:
                await b.until(lambda b=b: shown(b, alice) == [True], "alice online")
        await a.ping()
        assert shown(a, bob) == [True]


async def test_whoever_was_on_a_killed_process_is_found_offline(quick, system, people):
    """Row 59: a kill -9 of a web process: another sweeps it and tells."""
    alice, bob, _ = people
    doomed = system.web(**BRISK)
    async with await quick.connect(alice, seconds=20) as a:
        await shared_thread(a, bob)
        await doomed.connect(bob)
        await a.until(lambda: shown(a, bob) == [True], "bob online")
        doomed.kill()
        await a.until(lambda: shown(a, bob) == [True, False], "bob offline")


async def test_after_the_last_socket_nothing_is_left_of_a_user(quick, people):
    """Row 60: no row of a connection, and none of presence when the grace is over."""
    _, bob, _ = people
    async with await quick.connect(bob):
        pass

    def gone():
        rows = (Connection, Presence)
        return not any(each.objects.filter(user_id=bob.user_id).exists() for each in rows)

    await in_database(wait_until, gone, "nothing of bob")
