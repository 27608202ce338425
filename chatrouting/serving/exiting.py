"""The end of a process that was told to end and does not: what it waits for may take for ever."""

import logging
import os
import threading

logger = logging.getLogger(__name__)

EXIT_CODE = 1
CUT = "the process did not end in time, and is cut"


def exit_after(seconds: float) -> None:
    """End this process in so many seconds, unless it has ended by then, whatever it is at.

    A thread cannot be stopped, and Python waits for those that are in the database. What they do there is
    undone; what a worker held is taken over by others.
    """
    last_resort = threading.Timer(seconds, _exit)
    last_resort.daemon = True
    last_resort.start()


def _exit() -> None:
    logger.error(CUT)
    os._exit(EXIT_CODE)
