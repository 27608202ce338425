"""The end of a run: once, with its answer in its place, and the next run admitted with it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from chatrouting.agents import runs
from chatrouting.agents.models import Run, ToolCall
from chatrouting.agents.statuses import Outcome
from chatrouting.threads.models import ThreadMessage
from tests.agents.accepted import a_claimed_run, a_thread, ask, claimed, expire, now_of, place_of
from tests.agents.at_once import in_threads

DONE = runs.Ending(Outcome.SUCCESS, "answer")


def test_the_end_keeps_the_answer_directly_after_its_question():
    run = a_claimed_run()

    ended = runs.end(run, DONE)

    assert ended is not None
    answer = ThreadMessage.objects.get(pk=run.answer_message_id)
    assert (answer.content, answer.position) == ("answer", run.question.position + 1)
    assert (ended.run.status, ended.run.outcome, ended.run.answer) == (
        "completed",
        "success",
        answer,
    )


def test_the_end_raises_the_fence():
    run = a_claimed_run()
    runs.end(run, DONE)

    assert now_of(run).fence == run.fence + 1


def test_a_run_ends_once():
    run = a_claimed_run()
    runs.end(run, DONE)

    assert runs.end(run, runs.Ending(Outcome.FAILED)) is None
    assert now_of(run).outcome == "success"


def test_a_run_that_has_ended_is_not_ended_again_by_who_read_it_after():
    run = a_claimed_run()
    runs.end(run, DONE)

    assert runs.end(now_of(run), runs.Ending(Outcome.CANCELLED)) is None
    assert now_of(run).outcome == "success"


def test_a_worker_that_lost_the_run_cannot_end_it():
    run = a_claimed_run()
    expire(run)
    taken = claimed(run)

    before = now_of(run).thread.updated_at
    assert runs.end(run, DONE) is None
    assert now_of(run).thread.updated_at == before
    assert runs.end(taken, DONE) is not None


def test_eight_ends_at_once_end_it_once():
    run = a_claimed_run()

    found = in_threads(lambda _: runs.end(now_of(run), DONE), range(8))

    assert sum(ended is not None for ended in found) == 1
    assert ThreadMessage.objects.filter(thread=run.thread, role="agent").count() == 1


def test_the_end_admits_the_next_in_the_order_of_arrival():
    thread = a_thread()
    first, second, third = ask(thread), ask(thread), ask(thread)

    ended = runs.end(first, DONE)

    assert ended is not None and ended.admitted == (second,)
    assert [now_of(run).status for run in (second, third)] == ["running", "queued"]
    assert now_of(second).admitted_at is not None


def test_the_end_and_the_admission_are_one_transaction():
    thread = a_thread()
    first, second = ask(thread), ask(thread)

    class Broken(Exception):
        pass

    with pytest.raises(Broken), transaction.atomic():
        runs.end(first, DONE)
        assert now_of(second).status == "running"
        raise Broken

    assert [now_of(run).status for run in (first, second)] == ["running", "queued"]


def test_the_end_tells_who_moved_up():
    thread = a_thread()
    first, second, third, fourth = (ask(thread) for _ in range(4))

    ended = runs.end(first, DONE)

    assert ended is not None
    assert ended.moved == ((1, third), (2, fourth))
    assert second not in [run for _, run in ended.moved]


def test_a_run_stopped_in_the_queue_moves_up_only_those_behind_it():
    thread = a_thread()
    _first, second, third, fourth = (ask(thread) for _ in range(4))

    ended = runs.end(third, runs.Ending(Outcome.CANCELLED))

    assert ended is not None
    assert (ended.admitted, ended.moved) == ((), ((2, fourth),))
    assert now_of(second).status == "queued"


def test_the_place_in_the_queue_counts_from_one():
    thread = a_thread()
    _first, second, third = (ask(thread) for _ in range(3))

    assert [place_of(run) for run in (second, third)] == [1, 2]


def test_a_run_that_waits_no_more_has_no_place():
    thread = a_thread()
    first, second = ask(thread), ask(thread)
    runs.end(first, DONE)

    assert place_of(second) == 0


def test_calls_that_were_open_are_interrupted_by_the_end():
    run = a_claimed_run()
    for call_id, status in (("a", ToolCall.Status.STARTED), ("b", ToolCall.Status.OK)):
        ToolCall.objects.create(
            run=run, call_id=call_id, attempt=1, tool="t", arguments={}, status=status,
            started_at=timezone.now(),
        )  # fmt: skip

    runs.end(run, DONE)

    assert dict(run.tool_calls.values_list("call_id", "status")) == {"a": "interrupted", "b": "ok"}


def test_the_end_keeps_why_and_what_it_cost():
    run = a_claimed_run()
    failure = runs.Failure("c" * 200, "t" * 900, "trace")
    ending = runs.Ending(Outcome.FAILED, "", failure, ("a", "b"), runs.Usage(3, 4))

    runs.end(run, ending)

    row = now_of(run)
    assert (row.error_code, row.error_text, row.trace_id) == ("c" * 64, "t" * 500, "trace")
    assert (row.tools_used, row.input_tokens, row.output_tokens) == (["a", "b"], 3, 4)


def test_the_sweep_finds_ends_that_were_not_published():
    told, untold, fresh = a_claimed_run(), a_claimed_run(), a_claimed_run()
    for run in (told, untold, fresh):
        runs.end(run, DONE)
    runs.mark_published([told.pk])
    earlier = timezone.now() - timedelta(seconds=4)
    Run.objects.filter(pk__in=[told.pk, untold.pk]).update(finished_at=earlier)

    found = runs.unpublished(timezone.now(), 10_000)

    assert untold in found
    assert not {told.pk, fresh.pk} & {run.pk for run in found}
