"""Users at work: each has some devices, and says something now and then on one of them."""

import asyncio
import itertools
import random
import uuid
from collections.abc import Sequence

from chatrouting.testing.people import Person
from tests.faults.device import Device
from tests.faults.ledger import Ledger
from tests.faults.site import Site

SPEAK_SECONDS = (1.0, 4.0)
ASK_AGAIN_SECONDS = 0.3


class User:
    """One person. `said` maps the id of each accepted message to the run that answers it."""

    def __init__(self, person: Person, canary: str, canaries: frozenset[str], devices: int) -> None:
        self.person = person
        self.ledger = Ledger(person.user_id, canary)
        self.devices = [Device(person, self.ledger, canaries) for _ in range(devices)]
        self.said: dict[str, str] = {}
        self._thread_id = ""

    async def speak(self, chance: random.Random, quiet: asyncio.Event) -> None:
        """Say things until it is to be quiet; what was begun to be said is said."""
        for number in itertools.count(1):
            if quiet.is_set():
                return
            await self._say(number, chance)
            try:
                async with asyncio.timeout(chance.uniform(*SPEAK_SECONDS)):
                    await quiet.wait()
            except TimeoutError:
                continue

    async def _say(self, number: int, chance: random.Random) -> None:
        """Until it is accepted: under the same id, on whatever device is connected."""
        id = f"say-{uuid.uuid4().hex}"
        payload = {"content": f"{self.ledger.canary} says word {number}"}
        if self._thread_id and chance.random() < 0.5:
            payload["thread_id"] = self._thread_id
        while True:
            answer = await chance.choice(self.devices).ask("user_message", id, **payload)
            if answer is None:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
                continue
            told = answer["payload"]
            if answer["type"] == "message_accepted":
                self.said[id], self._thread_id = told["run_id"], told["thread_id"]
                return
            if not told["retryable"]:
                self.ledger.blame("refused", told)
                return
            await asyncio.sleep(ASK_AGAIN_SECONDS)


class Crowd:
    """All users, at work while the block lasts."""

    def __init__(self, people: Sequence[Person], devices: int) -> None:
        words = [f"canary{uuid.uuid4().hex[:12]}" for _ in people]
        canaries = frozenset(words)
        self.users = [
            User(person, word, canaries, devices)
            for person, word in zip(people, words, strict=True)
        ]
        self._quiet = asyncio.Event()
        self._living: list[asyncio.Task[None]] = []
        self._speaking: list[asyncio.Task[None]] = []

    @property
    def devices(self) -> list[Device]:
        """Everybody's."""
        return [device for user in self.users for device in user.devices]

    def begin(self, site: Site, seed: int) -> None:
        """Connect, and begin to speak."""
        chances = (random.Random(f"{seed}-{number}") for number in itertools.count())
        for user in self.users:
            for device in user.devices:
                life = device.live(lambda: site.webs, next(chances))
                self._living.append(asyncio.create_task(life))
            self._speaking.append(asyncio.create_task(user.speak(next(chances), self._quiet)))

    async def fall_silent(self, seconds: float) -> None:
        """Nobody says anything more. Raises `TimeoutError` where something cannot be said."""
        self._quiet.set()
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._speaking)

    async def leave(self) -> None:
        """Everybody goes. Raises what ended a device that should have gone on."""
        for task in (*self._speaking, *self._living):
            task.cancel()
        for found in await asyncio.gather(*self._living, return_exceptions=True):
            if not isinstance(found, asyncio.CancelledError):
                raise AssertionError("a device ended by itself") from found
