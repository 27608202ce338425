"""What was said in a thread, as its agents are told."""

from chatrouting.agents.contract import Spoken
from chatrouting.agents.models import Run
from chatrouting.database import patiently
from chatrouting.threads.models import ThreadMessage


async def history_of(run: Run) -> tuple[Spoken, ...]:
    """The thread up to the run's own question: that alone, where it is the first."""
    if run.question.is_first:
        return (_spoken(run.question),)
    return await patiently(_said_by_then, run)


def _said_by_then(run: Run) -> tuple[Spoken, ...]:
    said = ThreadMessage.objects.filter(
        thread_id=run.thread_id, position__lte=run.question.position
    ).order_by("position")
    return tuple(map(_spoken, said))


def _spoken(message: ThreadMessage) -> Spoken:
    return Spoken(message.role, message.author_name, message.content)
