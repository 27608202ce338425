"""An account that is deleted ends its runs. In the threads of others they stay, as what was said does."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import Q, QuerySet

from chatrouting.agents import runs
from chatrouting.agents.admission import alone_with, alone_without, placed
from chatrouting.agents.ending import News, news_of, publish_news
from chatrouting.agents.models import Run
from chatrouting.agents.recovery import tools_used
from chatrouting.agents.statuses import Outcome, RunStatus
from chatrouting.agents.stopping import unheld_end
from chatrouting.stream.publishing import note_refusals
from chatrouting.threads import membership
from chatrouting.threads.models import Thread
from chatrouting.writes import update_in_order


@dataclass(frozen=True, slots=True)
class Ends:
    """What is to be told of them after the commit, and the runs that moved up, each with its position."""

    news: tuple[News, ...]
    moved: tuple[tuple[int, Run], ...]


def hold(user_ids: Collection[str]) -> list[Thread]:
    """Be alone with every thread these users are in, and with those that they have left and have runs in."""
    return membership.hold(user_ids, _threads_of_runs(user_ids))


def hold_all(user_ids: Collection[str]) -> None:
    """Take every lock that these accounts need which go together: threads, users, runs, each by id.

    What each of them then takes for itself is held by then. One after another they would come to a thread
    with the rows of users and runs in hand, and could wait for somebody who waits for those.
    """
    hold(user_ids)
    theirs = Q(user_id__in=user_ids) | Q(thread__in=_threads_of_runs(user_ids))
    near = _unfinished(theirs | membership.shared_with(user_ids, "thread__"))
    alone_with({*user_ids, *near.values_list("user_id", flat=True)})
    ending = _unfinished(Q(user_id__in=user_ids) | Q(thread__owner_id__in=user_ids))
    list(ending.order_by("pk").select_for_update(no_key=True, of=("self",)).values("pk"))


def _threads_of_runs(user_ids: Collection[str]) -> list[UUID]:
    return list(_unfinished(Q(user_id__in=user_ids)).values_list("thread_id", flat=True))


def _unfinished(which: Q) -> QuerySet[Run]:
    return Run.objects.filter(which).exclude(status=RunStatus.COMPLETED)


def end_runs(user_id: str, held: Iterable[Thread]) -> Ends:
    """End this user's runs and all in the threads of their own, and admit what those kept waiting.

    The caller holds all these threads; its own are deleted, with what was asked there. Runs that wait end
    first, so that none of them is admitted. What is done here and not left to the deletion of the account
    finds also what was said since that began.
    """
    ending = Q(user_id=user_id) | Q(thread__owner_id=user_id)
    theirs = Run.objects.filter(ending, thread__in=list(held))
    unfinished = theirs.exclude(status=RunStatus.COMPLETED)
    locked = alone_without(user_id, unfinished)
    rows = unfinished.order_by("pk").select_for_update(no_key=True, of=("self",))
    waiting_first = sorted(
        rows.select_related("question"),
        key=lambda run: (run.status != RunStatus.QUEUED, -run.turn),
    )
    ended = [runs.end(run, _ending(run), locked) for run in waiting_first]
    moved = placed(run for each in ended if each for _, run in each.moved)
    untold = theirs.filter(status=RunStatus.COMPLETED, end_published_at=None)
    news = tuple(_news(run, user_id) for run in untold.select_related("answer"))
    update_in_order(Run.objects.filter(user_id=user_id), user=None)
    return Ends(news, moved)


def _ending(run: Run) -> runs.Ending:
    return unheld_end(run) or runs.Ending(Outcome.CANCELLED, tools_used=tools_used(run))


def _news(run: Run, user_id: str) -> News:
    """For the others: nobody reads the stream of an account that is gone."""
    news = news_of(run)
    return replace(news, members=[each for each in news.members if each != user_id])


async def tell_ends(news: Iterable[News]) -> None:
    """Tell the others of these ends. Raises redis-py's errors where Valkey is away: then the sweep tells
    those whose rows are still there, which leaves out threads that nobody sees any more.
    """
    for each in news:
        note_refusals(await publish_news(each), f"the end of run {each.run.pk}")
