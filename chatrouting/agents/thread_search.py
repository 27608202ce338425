"""The tool that looks through what was said in the threads of whoever it works for, and in no other."""

from typing import Annotated, TypedDict
from uuid import UUID

from msgspec import Meta

from chatrouting.agents.models import Run
from chatrouting.agents.tools import ToolContext, tool
from chatrouting.database import in_database
from chatrouting.threads.search import excerpt, find
from routing_core.envelope import timestamp

MOST = 20


class Found(TypedDict):
    """One message that was found: in which thread, when and by whom, and the words around the hit."""

    thread_id: str
    title: str
    when: str
    who: str
    excerpt: str


@tool(idempotent=True)
async def search_threads(
    query: Annotated[str, Meta(max_length=1_000)],
    mine: ToolContext,
    most: Annotated[int, Meta(ge=1, le=MOST)] = 5,
) -> list[Found]:
    """Find messages in the user's own threads that hold all words of the query, the newest first."""
    return await in_database(_search, mine.user.id, mine.run_id, query, most)


def _search(user_id: str, run_id: UUID, query: str, most: int) -> list[Found]:
    """The question that is being answered holds the words of its own search, so it is left out."""
    asking = Run.objects.filter(pk=run_id).values_list("question_id", flat=True).first()
    return [
        Found(
            thread_id=str(message.thread_id),
            title=message.thread.title,
            when=timestamp(message.created_at),
            who=message.author_name,
            excerpt=excerpt(message.content, query),
        )
        for message in find(user_id, query, most, but=asking)
    ]
