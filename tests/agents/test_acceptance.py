"""What becomes of a message that is taken for an agent: it runs, it waits in its thread, or it is refused."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from chatrouting.agents.admission import alone_with
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import RunStatus
from chatrouting.conf import chat_settings
from routing_core.errors import Busy
from tests.agents.accepted import a_person, a_thread, ask, now_of
from tests.agents.at_once import in_threads


def test_a_run_of_a_free_thread_runs_from_its_acceptance():
    run = ask(a_thread())

    assert (run.status, run.attempt, run.fence, run.lease_until) == ("running", 0, 0, None)
    assert run.admitted_at is not None


def test_a_users_row_is_read_only_where_it_can_be_locked():
    person = a_person()
    with transaction.atomic(), CaptureQueriesContext(connection) as made:
        locked = alone_with([person.id])

    assert [str(each) for each in locked] == [person.id]
    assert len(made) == connection.features.has_select_for_update


def test_a_run_of_a_busy_thread_is_queued():
    thread = a_thread()
    ask(thread)

    run = ask(thread)

    assert (run.status, run.admitted_at) == ("queued", None)


def test_a_run_is_queued_behind_queued_ones_also_where_none_is_active():
    thread = a_thread()
    first, second = ask(thread), ask(thread)
    Run.objects.filter(pk=first.pk).update(status=RunStatus.COMPLETED)
    assert now_of(second).status == "queued"

    assert ask(thread).status == "queued"


def test_a_full_queue_is_busy():
    thread = a_thread()
    for _ in range(1 + chat_settings().queue_per_thread):
        ask(thread)

    with pytest.raises(Busy) as refused:
        ask(thread)

    assert refused.value.retry_after_ms is not None


def test_a_busy_thread_keeps_nothing_of_what_was_refused():
    thread = a_thread()
    for _ in range(1 + chat_settings().queue_per_thread):
        ask(thread)
    before = thread.messages.count()

    with pytest.raises(Busy):
        ask(thread)

    assert thread.messages.count() == before


def test_eight_messages_at_once_give_one_active_run():
    thread = a_thread()

    found = in_threads(lambda n: ask(type(thread).objects.get(pk=thread.pk), str(n)), range(8))

    assert sorted(run.status for run in found) == ["queued"] * 7 + ["running"]


def test_two_active_runs_of_one_thread_are_impossible():
    thread = a_thread()
    ask(thread)
    second = ask(thread)

    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.filter(pk=second.pk).update(status=RunStatus.RUNNING)


def test_a_run_without_a_user_that_has_not_ended_is_impossible():
    run = ask(a_thread())

    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(user=None)


def test_runs_of_two_threads_run_side_by_side():
    """Row 85: two runs of one user at once, each its own."""
    owner = a_person()

    assert [ask(a_thread(owner)).status, ask(a_thread(owner)).status] == ["running", "running"]
