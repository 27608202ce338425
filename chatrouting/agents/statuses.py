"""Where a run stands, how it ended, and which of those that wait begins first."""

from django.db import models


class RunStatus(models.TextChoices):
    """Where a run stands. The first three are unfinished; `waiting` is for a person's decision."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"


class Outcome(models.TextChoices):
    """How a run ended."""

    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    LOST = "lost"


class Priority(models.IntegerChoices):
    """Which of the runs that wait begins first: the lowest. Each has a queue of its name in lower case."""

    START = 0
    MESSAGE = 1
    BACKGROUND = 2

    @property
    def queue(self) -> str:
        """The name of its queue."""
        return self.name.lower()


ACTIVE = (RunStatus.RUNNING, RunStatus.WAITING)
UNFINISHED = (RunStatus.QUEUED, *ACTIVE)
