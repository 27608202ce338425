"""What was said in a thread, as its agents are told."""

from collections.abc import Iterator

from chatrouting.agents.contract import Spoken
from chatrouting.agents.models import Run
from chatrouting.conf import chat_settings
from chatrouting.database import patiently
from chatrouting.threads.models import ThreadMessage

AT_ONCE = 50  # messages: few threads have more, and an answer may be long


async def history_of(run: Run) -> tuple[Spoken, ...]:
    """The newest of the thread up to the run's own question, which is there in any case.

    All together it has `history_characters` at most.
    """
    if run.question.is_first:
        return (_spoken(run.question),)
    return await patiently(_said_by_then, run)


def _said_by_then(run: Run) -> tuple[Spoken, ...]:
    newest = [_spoken(run.question)]
    left = chat_settings().history_characters - len(run.question.content)
    for spoken in _before(run.question):
        left -= len(spoken.content)
        if left < 0:
            break
        newest.append(spoken)
    return tuple(reversed(newest))


def _before(question: ThreadMessage) -> Iterator[Spoken]:
    """What was said in its thread before, the newest first, read as far as it is asked for."""
    said = ThreadMessage.objects.filter(thread_id=question.thread_id).order_by("-position")
    columns = said.values_list("position", "role", "author_name", "content")
    position = question.position
    while read := list(columns.filter(position__lt=position)[:AT_ONCE]):
        yield from (Spoken(*spoken) for _, *spoken in read)
        position = read[-1][0]


def _spoken(message: ThreadMessage) -> Spoken:
    return Spoken(message.role, message.author_name, message.content)
