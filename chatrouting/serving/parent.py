"""A child that does not outlive its parent, however the parent ends.

The parent holds the write end of a pipe for as long as it lives and tells its children the read end in
`PARENT_PIPE`. The kernel closes the write end with the parent, and each child reads the end of the pipe.
"""

import os
import signal
import threading
import time

VARIABLE = "PARENT_PIPE"
GRACE_SECONDS = 4.0  # beside what a process gets to drain or to let its runs end


class Lifeline:
    """The parent's side: keep it while children are to live."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe()

    @property
    def environment(self) -> dict[str, str]:
        """What a child must be given beside the descriptor `read_end`."""
        return {VARIABLE: str(self.read_end)}

    def close(self) -> None:
        """Let go: children that still run end now."""
        os.close(self.read_end)
        os.close(self._write_end)


def end_with_parent(seconds: float = 0) -> None:
    """The child's side: ask this process to end when its parent is gone. Nothing without a parent.

    `seconds` is what it gets to end in order, beside a few; then it is ended.
    """
    descriptor = os.environ.get(VARIABLE, "")
    if descriptor.isdigit():
        watch = threading.Thread(
            target=_wait, args=(int(descriptor), seconds), name="parent", daemon=True
        )
        watch.start()


def _wait(descriptor: int, seconds: float) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds + GRACE_SECONDS)
    os._exit(1)
