"""Who may begin: one run of a thread at a time, and only so many of a user's.

A run that may not begin yet waits in the database as `queued`: behind the runs of its thread, in the order of
their turns, which is that of their questions but for one that interrupts; and, once it is the first of its
thread, in its user's line, by priority and then by age, while `runs_per_user` of that user's runs are running
(one that waits for a decision is not counted). Every change of what a user's runs wait for is made in a
transaction that then locks that user's row: whoever comes second sees what the first did, so no admission is
missed and none is made twice. Locks are taken in one order, or two would wait for each other: the thread, then
users by id, then runs.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from chatrouting.agents.models import Run
from chatrouting.agents.statuses import ACTIVE, RunStatus
from chatrouting.conf import chat_settings
from chatrouting.threads.models import ThreadMessage
from routing_core.errors import Busy

UserId: TypeAlias = str | int

LATE = timedelta(seconds=3)


def place_for(user_id: str, question: ThreadMessage) -> RunStatus:
    """Whether a new run for this question may begin, or has to wait. The caller holds the thread's row.

    Raises `Busy` where the thread's queue, or its user's line, is full.
    """
    conf = chat_settings()
    if _stands_behind(question):
        if _queue(question.thread_id).count() >= conf.queue_per_thread:
            raise Busy("The queue of this thread is full.", retry_after_ms=5_000)
        return RunStatus.QUEUED
    alone_with([user_id])
    if _running(user_id).count() < conf.runs_per_user:
        return RunStatus.RUNNING
    if _line(user_id).count() >= conf.queue_per_user:
        raise Busy("Too many of your runs are waiting.", retry_after_ms=5_000)
    return RunStatus.QUEUED


def _stands_behind(question: ThreadMessage) -> bool:
    """Whether a run of its thread has not ended: there is none before the first question."""
    if question.is_first:
        return False
    runs = Run.objects.filter(thread_id=question.thread_id)
    return runs.exclude(status=RunStatus.COMPLETED).exists()


def alone_with(user_ids: Iterable[UserId]) -> list[UserId]:
    """Be alone with these users' admissions until the transaction ends. New rows may still name them.

    Where one writes at a time whoever writes is alone.
    """
    if not connection.features.has_select_for_update:
        return list(user_ids)
    found = get_user_model().objects.filter(pk__in=list(user_ids)).order_by("pk")
    return list(found.select_for_update(no_key=True).values_list("pk", flat=True))


def alone_after(run: Run) -> list[UserId]:
    """Lock the users whose runs may begin when this one leaves off: its own, and that of the next in its thread.

    Call it before the run is changed, in a transaction that holds the thread's row.
    """
    others = _queue(run.thread_id).exclude(pk=run.pk)
    after = others.values_list("user_id", flat=True)[:1]
    return alone_with({each for each in (run.user_id, *after) if each is not None})


def alone_without(user_id: UserId, ending: QuerySet[Run]) -> list[UserId]:
    """Lock the users whose runs may begin when all of these have ended, with which all of this user's end.

    As `alone_after`, in a transaction that holds the rows of all their threads.
    """
    users = {user_id, *ending.values_list("user_id", flat=True)}
    for thread_id in ending.values_list("thread_id", flat=True).distinct():
        others = _queue(thread_id).exclude(user_id=user_id)
        users |= set(others.values_list("user_id", flat=True)[:1])
    return alone_with(users)


def something_waits(run: Run, locked: Iterable[UserId]) -> bool:
    """Whether there is anything that this run could have kept waiting: most runs keep nothing."""
    near = Q(thread_id=run.thread_id) | Q(user_id__in=locked)
    return Run.objects.filter(near, status=RunStatus.QUEUED).exists()


def admit(locked: Iterable[UserId]) -> list[Run]:
    """Let begin what waits although it need not, of users who are locked."""
    admitted: list[Run] = []
    for user_id in locked:
        free = chat_settings().runs_per_user - _running(user_id).count()
        for run in _line(user_id).select_related("question")[: max(free, 0)]:
            run.status, run.admitted_at = RunStatus.RUNNING, timezone.now()
            waiting = Run.objects.filter(pk=run.pk, status=RunStatus.QUEUED)
            if waiting.update(status=run.status, admitted_at=run.admitted_at):
                admitted.append(run)
    return admitted


@transaction.atomic
def admit_missed(limit: int) -> list[Run]:
    """Let begin what waits although it need not: after a change of the limit, or a crash elsewhere."""
    of_user = Run.objects.filter(user=OuterRef("user"), status=RunStatus.RUNNING).order_by()
    counted = of_user.values("user").annotate(count=Count("pk")).values("count")
    running = Coalesce(Subquery(counted, output_field=IntegerField()), 0)
    free = _ready(Run.objects.filter(created_at__lt=timezone.now() - LATE))
    users = free.annotate(running=running).filter(running__lt=chat_settings().runs_per_user)
    return admit(alone_with(users.order_by().values_list("user_id", flat=True).distinct()[:limit]))


def waits_for_its_user(run: Run) -> bool:
    """Whether nothing but its user's limit keeps this run waiting."""
    return _ready(Run.objects.filter(pk=run.pk)).exists()


def come_first(run: Run) -> Run | None:
    """Let a queued run be the next of its thread; returns the one that was. The caller holds the thread's row."""
    first = _queue(run.thread_id).exclude(pk=run.pk).first()
    if first is not None:
        run.turn = first.turn - 1
        run.save(update_fields=["turn"])
    return first


def positions(
    thread_ids: Iterable[UUID], user_ids: Iterable[UserId | None]
) -> tuple[tuple[int, Run], ...]:
    """Every run that waits in one of these threads, or in the line of one of these users, with its position."""
    waiting: list[Run] = []
    for thread_id in set(thread_ids):
        waiting += _with_overtaken(_queue(thread_id))
    for user_id in set(user_ids):
        waiting += _line(user_id)
    return placed(waiting)


def positions_near(runs: Collection[Run]) -> tuple[tuple[int, Run], ...]:
    """As `positions`, of the threads and the users of these runs: what any of them could have kept waiting."""
    return positions((run.thread_id for run in runs), (run.user_id for run in runs))


def moved_by(run: Run) -> tuple[tuple[int, Run], ...]:
    """Runs whose position is another since this one has come, and itself where it waits, each with its own."""
    return placed([run, *_behind_in_line(run)])


def moved_after(run: Run, admitted: Iterable[Run]) -> tuple[tuple[int, Run], ...]:
    """Runs whose position is another since this one left off and those were admitted, each with its own."""
    waiting = _queue(run.thread_id)
    behind = _with_overtaken(waiting if run.status in ACTIVE else waiting.filter(turn__gt=run.turn))
    lines = {each.user_id for each in admitted} | ({run.user_id} if _was_in_line(run) else set())
    for thread_id in {each.thread_id for each in admitted} - {run.thread_id}:
        behind += _queue(thread_id)
    for user_id in lines:
        behind += _line(user_id)
    return placed(behind)


def moved_since(told: Sequence[tuple[int, Run]]) -> tuple[tuple[int, Run], ...]:
    """Those that still wait and whose position is another than was told, each with the one it has now."""
    places = dict(_places([run for _, run in told]))
    return tuple((places[run.pk], run) for place, run in told if places.get(run.pk, place) != place)


def placed(runs: Iterable[Run]) -> tuple[tuple[int, Run], ...]:
    """Those of them that wait, each with its position: how many come first, and itself, so that 1 is next.

    Of a run that is not the first of its thread's queue, that queue is meant; else its user's line, where
    a run of the thread is not at work.
    """
    waiting = {each.pk: each for each in runs}
    places = _places(waiting.values())
    return tuple((place, waiting[run_id]) for run_id, place in places)


def _with_overtaken(queue: Iterable[Run]) -> list[Run]:
    """These, and those before which the first of them comes into its user's line when its thread lets it."""
    waiting = list(queue)
    return [*waiting, *(after for first in waiting[:1] for after in _behind_in_line(first))]


def _behind_in_line(run: Run) -> list[Run]:
    """What stands behind it in its user's line; nothing where it is not in there."""
    line = list(_line(run.user_id))
    return line[line.index(run) + 1 :] if run in line else []


def _was_in_line(run: Run) -> bool:
    ahead = Q(status__in=ACTIVE) | Q(status=RunStatus.QUEUED, turn__lt=run.turn)
    others = Run.objects.filter(ahead, thread_id=run.thread_id).exclude(pk=run.pk)
    return run.status == RunStatus.QUEUED and not others.exists()


def _places(waiting: Iterable[Run]) -> list[tuple[UUID, int]]:
    lines: dict[object, list[UUID]] = {}

    def line(key: object, found: QuerySet[Run]) -> list[UUID]:
        if key not in lines:
            lines[key] = list(found.values_list("pk", flat=True))
        return lines[key]

    places = []
    for run in waiting:
        own = line(("user", run.user_id), _line(run.user_id))
        if run.pk not in own:
            own = line(("thread", run.thread_id), _queue(run.thread_id))
        if run.pk in own:
            places.append((run.pk, own.index(run.pk) + 1))
    return places


def _running(user_id: UserId) -> QuerySet[Run]:
    return Run.objects.filter(user_id=user_id, status=RunStatus.RUNNING)


def _queue(thread_id: UUID) -> QuerySet[Run]:
    """What waits in a thread, in order: nothing where it is deleted."""
    waiting = Run.objects.filter(thread_id=thread_id, status=RunStatus.QUEUED)
    return waiting.filter(thread__deleted_at=None).order_by("turn")


def _line(user_id: UserId | None) -> QuerySet[Run]:
    """What of a user's waits for the user's limit alone, in order."""
    return _ready(Run.objects.filter(Q(("user_id", user_id)))).order_by(
        "priority", "created_at", "pk"
    )


def _ready(runs: QuerySet[Run]) -> QuerySet[Run]:
    earlier = Q(status=RunStatus.QUEUED, turn__lt=OuterRef("turn"))
    of_thread = Run.objects.filter(thread=OuterRef("thread"))
    ahead = of_thread.filter(Q(status__in=ACTIVE) | earlier)
    return runs.filter(~Exists(ahead), status=RunStatus.QUEUED, thread__deleted_at=None)
