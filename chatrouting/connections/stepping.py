"""A coroutine driven by hand up to its first wait: most never wait, and need no task and no timer."""

import types
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Waits(Generic[T]):
    """A coroutine that waits for something. It is to be awaited, once, by the task that began it."""

    __slots__ = ("_blocker", "_work")

    def __init__(self, work: Coroutine[Any, Any, T], blocker: Any) -> None:
        self._work = work
        self._blocker = blocker

    async def done(self) -> T:
        """Go on to its end: what it returns or raises."""
        return await _resumed(self._work, self._blocker)


def begin(work: Coroutine[Any, Any, T]) -> T | Waits[T]:
    """Go as far as that needs no waiting: what came of it, or the rest. Raises what it raises until then."""
    try:
        blocker = work.send(None)
    except StopIteration as done:
        found: T = done.value
        return found
    return Waits(work, blocker)


@types.coroutine
def _resumed(work: Coroutine[Any, Any, T], blocker: Any) -> Generator[Any, Any, T]:
    """What a task sends or throws goes to the coroutine, as if the task had begun it."""
    try:
        while True:
            try:
                sent = yield blocker
            except BaseException as error:  # noqa: BLE001 - reason: not handled but passed on
                blocker = work.throw(error)
            else:
                blocker = work.send(sent)
    except StopIteration as done:
        found: T = done.value
        return found
    finally:
        work.close()
