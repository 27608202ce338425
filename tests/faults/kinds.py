"""The faults: each brings the site into trouble and leaves it whole again."""

import asyncio
import contextlib
import random
import signal
import subprocess
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from chatrouting.serving.exiting import CUT, EXIT_CODE
from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.system import Running
from tests.faults.crowd import Crowd, User
from tests.faults.mute import Mute
from tests.faults.site import Site

PAUSE_SECONDS = 5.0
CUTS = 15
CUT_SECONDS = 0.1
HOLD_MILLISECONDS = 2_000
DEATH_SECONDS = 20.0
REAPED_SECONDS = 1.0
MUTE_SECONDS = 6.0

Kind: TypeAlias = Callable[[Site, Crowd, random.Random], Awaitable[None]]


async def cut_subscribers(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """Every connection that listens is killed, again and again."""
    with site.client() as client:
        for _ in range(CUTS):
            await asyncio.to_thread(client.client_kill_filter, _type="pubsub")
            await asyncio.sleep(CUT_SECONDS)


async def pause_valkey(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """Valkey says nothing for five seconds."""
    await site.pause_valkey(PAUSE_SECONDS)


async def flush_valkey(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """Valkey forgets everything."""
    with site.client() as client:
        await asyncio.to_thread(client.flushall)


async def roll_back_a_stream(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """A user's counter stands again where it stood before."""
    key = f"{{u:{chance.choice(crowd.users).person.user_id}}}:meta"
    with site.client() as client:
        seq = int(client.hget(key, "seq") or 0)
        await asyncio.sleep(1)
        if client.exists(key):
            client.hset(key, "seq", max(0, seq - 3))


async def kill_valkey(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """kill -9, and a restart."""
    await site.kill_valkey()


async def kill_web(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """kill -9, and another in its place."""
    place = chance.randrange(len(site.webs))
    site.webs[place].kill()
    await site.replace_web(place)


async def stop_web(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """SIGTERM under load."""
    place = chance.randrange(len(site.webs))
    await _ended_in_order(site.webs[place])
    await site.replace_web(place)


async def kill_worker(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """kill -9, and another in its place."""
    place = chance.randrange(len(site.workers))
    site.workers[place].kill()
    await site.replace_worker(place)


async def stop_worker(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """SIGTERM under load."""
    place = chance.randrange(len(site.workers))
    await _ended_in_order(site.workers[place])
    await site.replace_worker(place)


async def _ended_in_order(running: Running) -> None:
    """By itself; or cut in its time, which it says, where a thread of it waits for the database's lock."""
    running.process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(running.process.wait, DEATH_SECONDS)
    was_cut = code == EXIT_CODE and CUT in running.output
    assert code == 0 or was_cut, f"a process ended with {code}:\n{running.output[-3000:]}"


async def hold_the_database(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """An ORM call takes two seconds, and nobody else may write meanwhile."""
    place = chance.randrange(len(site.webs))
    async with await _somebody(site, chance.choice(crowd.users), place) as client:
        answer = await client.ask("test.hold", milliseconds=HOLD_MILLISECONDS)
    assert answer["type"] in ("test.done", "error"), answer


async def die_before_telling(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """A web process dies after a commit, before it publishes; what was said must come to light."""
    place, user = chance.randrange(len(site.webs)), chance.choice(crowd.users)
    async with asyncio.timeout(DEATH_SECONDS):
        while site.webs[place].process.poll() is None:
            await _last_word(site, user, place)
    await site.replace_web(place)


async def _last_word(site: Site, user: User, place: int) -> None:
    """Say what a process dies of, unless it is refused or goes with its socket: after another fault it may."""
    id = f"last-{uuid.uuid4().hex}"
    content = f"{user.ledger.canary} says its last word"
    async with await _somebody(site, user, place) as client:
        with contextlib.suppress(AssertionError):  # closed, by its death or otherwise
            await client.ask("test.die_before_telling", message=id)
            await client.ask("user_message", id, content=content)
    with contextlib.suppress(subprocess.TimeoutExpired):
        await asyncio.to_thread(site.webs[place].process.wait, REAPED_SECONDS)
        user.said[id] = ""


async def read_nothing(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """A device with a window of 4 KiB stops reading."""
    await _mute(site, crowd, chance, beating=True)


async def half_open(site: Site, crowd: Crowd, chance: random.Random) -> None:
    """A device neither sends nor reads, and its network does not say so."""
    await _mute(site, crowd, chance, beating=False)


async def _mute(site: Site, crowd: Crowd, chance: random.Random, *, beating: bool) -> None:
    person, web = chance.choice(crowd.users).person, chance.choice(site.webs)
    async with Mute(web, person) as mute:
        if beating:
            await mute.beat(MUTE_SECONDS)
        else:
            await asyncio.sleep(MUTE_SECONDS)


async def _somebody(site: Site, user: User, place: int) -> ProtocolClient:
    """A socket on a process, also where that takes some tries."""
    async with asyncio.timeout(DEATH_SECONDS):
        while True:
            client = await site.webs[place].open(user.person, seconds=15)
            try:
                return await client.ready()
            except AssertionError:  # closed again: the site is in trouble still
                await client.close()


KINDS: Mapping[str, Kind] = {
    kind.__name__: kind
    for kind in (
        cut_subscribers, pause_valkey, flush_valkey, roll_back_a_stream, kill_valkey, kill_web,
        stop_web, kill_worker, stop_worker, hold_the_database, die_before_telling, read_nothing,
        half_open,
    )
}  # fmt: skip
