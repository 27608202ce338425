"""What a socket is sent in a turn of the loop leaves in one write."""

import asyncio
import re

import pytest

from chatrouting.serving import joining
from chatrouting.serving.joining import MOST_JOINED, PONG_ROOM_BYTES, JoiningWriter
from chatrouting.stream.frames import Frame
from chatrouting.stream.loops import PerLoop

HEADER = re.compile(rb"\x81[\x00-\x7d]")  # of a short text frame


class Writer(JoiningWriter):
    """Keeps the texts of what left; `left` bytes stay, as where the other side is slow."""

    def __init__(self, left=0, *, broken=False):
        super().__init__()
        self.puts, self.left, self.broken, self.aborted = [], left, broken, False
        self._wrote = asyncio.Event()

    def put(self, data):
        if self.broken:
            raise OSError("broken")
        self.puts.append(HEADER.sub(b"", data))
        self._wrote.set()
        return self.left

    async def wrote(self):
        """Wait for the next write."""
        self._wrote.clear()
        await self._wrote.wait()

    def waiting(self):
        return self.left

    def is_closing(self):
        return self.aborted

    def abort(self):
        self.aborted = True


async def test_frames_of_a_turn_leave_together_and_in_order():
    writer = Writer()
    for data in (b"a", b"b", b"c"):
        writer.write(Frame(data))
    assert writer.puts == []

    await asyncio.sleep(0)
    writer.write(Frame(b"d"))
    await asyncio.sleep(0)

    assert writer.puts == [b"abc", b"d"]


async def test_what_was_flushed_leaves_once():
    writer = Writer()
    writer.write(Frame(b"a"))
    writer.flush()
    assert writer.puts == [b"a"]

    await asyncio.sleep(0)

    assert writer.puts == [b"a"]


async def test_a_pong_leaves_at_once_and_is_told_where_it_is_held():
    told, writer = [], Writer(left=1)
    writer.held = told.append
    writer.write(Frame(b"a"))

    writer.pong(b"pong")

    assert (writer.puts, told) == ([b"pong"], [4])


async def test_there_is_no_pong_where_much_waits():
    writer = Writer(left=PONG_ROOM_BYTES)

    writer.pong(b"pong")

    assert writer.puts == []


@pytest.fixture(autouse=True)
def own_turns(monkeypatch):
    """What one test leaves waiting is no other's."""
    monkeypatch.setattr(joining, "_turns", PerLoop(joining._Turn))


@pytest.fixture
async def within_a_beat(own_turns, monkeypatch):
    """The beat of this test does not end."""
    far = asyncio.get_running_loop().time() + 1_000
    monkeypatch.setattr(Writer()._turn, "now", lambda: far)


async def patiently(writer, *frames):
    """Write each in a turn of its own."""
    for data in frames:
        writer.write(Frame(data, patient=True))
        await asyncio.sleep(0)


@pytest.mark.usefixtures("within_a_beat")
async def test_a_patient_frame_leaves_at_once_and_what_follows_it_waits():
    writer = Writer()

    await patiently(writer, b"a", b"b", b"c")

    assert writer.puts == [b"a"]


@pytest.mark.usefixtures("within_a_beat")
async def test_a_patient_frame_waits_for_nothing_behind_one_of_another_kind():
    """The first piece of an answer, behind the word that it begins."""
    writer = Writer()
    writer.write(Frame(b"a"))
    await asyncio.sleep(0)

    await patiently(writer, b"b", b"c")

    assert writer.puts == [b"a", b"b"]


async def test_what_waits_leaves_when_the_beat_ends():
    writer = Writer()
    await patiently(writer, b"a", b"b", b"c")

    async with asyncio.timeout(1):
        while b"".join(writer.puts) != b"abc":
            await writer.wrote()


@pytest.mark.usefixtures("within_a_beat")
async def test_any_other_frame_takes_along_what_waits_in_order():
    writer = Writer()
    await patiently(writer, b"a", b"b")

    writer.write(Frame(b"c"))
    await patiently(writer, b"d")

    assert writer.puts == [b"a", b"bcd"]


@pytest.mark.usefixtures("within_a_beat")
async def test_a_bounded_number_of_frames_waits():
    writer = Writer()

    await patiently(writer, b"a", *[b"b"] * (MOST_JOINED + 1))

    assert writer.puts == [b"a", b"b" * (MOST_JOINED + 1)]


@pytest.mark.usefixtures("within_a_beat")
async def test_a_socket_that_ends_takes_along_what_waits():
    writer = Writer()
    await patiently(writer, b"a", b"b")

    writer.flush()

    assert writer.puts == [b"a", b"b"]


async def test_what_is_held_is_told_with_its_size():
    told, writer = [], Writer(left=1)
    writer.held = told.append
    for data in (b"abc", b"de"):
        writer.write(Frame(data))

    await asyncio.sleep(0)

    assert told == [len(Frame(b"abc").wire + Frame(b"de").wire)]


async def test_what_is_written_on_being_told_leaves_too():
    """The farewell of a socket that is too slow."""
    writer = Writer(left=1)

    def farewell(written):
        writer.held = lambda written: None
        writer.write(Frame(b"bye"))

    writer.held = farewell
    writer.write(Frame(b"a"))
    for _ in range(2):
        await asyncio.sleep(0)

    assert writer.puts == [b"a", b"bye"]


async def test_one_that_cannot_be_written_to_keeps_no_other_back(caplog):
    broken, sound = Writer(broken=True), Writer()
    broken.write(Frame(b"a"))
    sound.write(Frame(b"b"))

    await asyncio.sleep(0)

    assert (broken.aborted, sound.puts) == (True, [b"b"])
    assert "could not be written to" in caplog.text
