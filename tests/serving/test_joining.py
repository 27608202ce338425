"""What a socket is sent in a turn of the loop leaves in one write."""

import asyncio

from chatrouting.serving.joining import JoiningWriter


class Writer(JoiningWriter):
    """Keeps what left; `left` bytes stay, as where the other side is slow."""

    def __init__(self, left=0, *, broken=False):
        super().__init__()
        self.puts, self.left, self.broken, self.aborted = [], left, broken, False

    def put(self, data):
        if self.broken:
            raise OSError("broken")
        self.puts.append(data)
        return self.left

    def waiting(self):
        return self.left

    def is_closing(self):
        return self.aborted

    def abort(self):
        self.aborted = True


async def test_frames_of_a_turn_leave_together_and_in_order():
    writer = Writer()
    for data in (b"a", b"b", b"c"):
        writer.write(data)
    assert writer.puts == []

    await asyncio.sleep(0)
    writer.write(b"d")
    await asyncio.sleep(0)

    assert writer.puts == [b"abc", b"d"]


async def test_what_was_flushed_leaves_once():
    writer = Writer()
    writer.write(b"a")
    writer.flush()
    assert writer.puts == [b"a"]

    await asyncio.sleep(0)

    assert writer.puts == [b"a"]


async def test_what_is_held_is_told_with_its_size():
    told, writer = [], Writer(left=1)
    writer.held = told.append
    for data in (b"abc", b"de"):
        writer.write(data)

    await asyncio.sleep(0)

    assert told == [5]


async def test_what_is_written_on_being_told_leaves_too():
    """The farewell of a socket that is too slow."""
    writer = Writer(left=1)

    def farewell(written):
        writer.held = lambda written: None
        writer.write(b"bye")

    writer.held = farewell
    writer.write(b"a")
    for _ in range(2):
        await asyncio.sleep(0)

    assert writer.puts == [b"a", b"bye"]


async def test_one_that_cannot_be_written_to_keeps_no_other_back(caplog):
    broken, sound = Writer(broken=True), Writer()
    broken.write(b"a")
    sound.write(b"b")

    await asyncio.sleep(0)

    assert (broken.aborted, sound.puts) == (True, [b"b"])
    assert "could not be written to" in caplog.text
