"""A run's life, step by step: each transition happens once, to who holds the run."""

import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from chatrouting.agents import claims, runs
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome
from chatrouting.conf import chat_settings
from chatrouting.threads.models import ThreadMember
from routing_core.errors import NotFound
from tests.agents.accepted import a_claimed_run, a_person, a_thread, ask, claimed, expire, now_of
from tests.agents.at_once import in_threads

DONE = runs.Ending(Outcome.SUCCESS, "answer")


def test_a_claim_raises_fence_and_attempt_and_sets_lease_and_deadline():
    run, conf, before = ask(a_thread()), chat_settings(), timezone.now()

    taken = claims.claim(run.pk, "w")

    assert taken is not None and not taken.recovered
    assert (taken.run.fence, taken.run.attempt, taken.run.worker) == (1, 1, "w")
    assert taken.run.lease_until >= before + timedelta(seconds=conf.lease_seconds)
    assert taken.run.deadline >= before + timedelta(seconds=conf.run_seconds)


def test_a_run_that_is_held_cannot_be_claimed():
    run = a_claimed_run()

    assert claims.claim(run.pk, "other") is None


def test_a_queued_an_ended_and_a_missing_run_cannot_be_claimed():
    thread = a_thread()
    first, queued = claimed(ask(thread)), ask(thread)
    assert claims.claim(queued.pk, "w") is None
    runs.end(first, DONE)

    assert claims.claim(first.pk, "w") is None
    assert claims.claim(uuid.uuid4(), "w") is None


def test_a_run_whose_lease_ran_out_is_taken_over():
    run = a_claimed_run()
    expire(run)

    taken = claims.claim(run.pk, "other")

    assert taken is not None and taken.recovered
    assert (taken.run.fence, taken.run.attempt, taken.run.worker) == (2, 2, "other")


def test_a_takeover_keeps_the_start_and_the_deadline():
    run = a_claimed_run()
    expire(run)

    taken = claimed(run)

    assert (taken.started_at, taken.deadline) == (run.started_at, run.deadline)


def test_eight_workers_that_claim_at_once_have_one_winner():
    """Row 51: one worker takes over, not two."""
    run = ask(a_thread())

    found = in_threads(lambda n: claims.claim(run.pk, str(n)), range(8))

    assert sum(taken is not None for taken in found) == 1
    assert now_of(run).fence == 1


def test_a_claim_between_anothers_look_and_its_write_gets_nothing():
    """Row 51: what was looked at is locked until it is written."""
    run, late = ask(a_thread()), []

    def overtaken(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not late:
            late.append(
                begun.submit(in_threads, lambda worker: claims.claim(run.pk, worker), ["late"])
            )
            wait(late, timeout=0.2)  # where it must wait, it does
        return execute(sql, params, many, context)

    with ThreadPoolExecutor() as begun, connection.execute_wrapper(overtaken):
        first = claims.claim(run.pk, "first")

    assert first is not None and late[0].result() == [None]
    assert (now_of(run).worker, now_of(run).attempt) == ("first", 1)


def test_many_runs_are_claimed_at_once_each_by_its_own_rules():
    """One that is new, one that was lost, one that waited for a decision; none that is held or has ended."""
    new, lost, held, queued = ask(a_thread()), a_claimed_run(), a_claimed_run(), a_claimed_run()
    expire(lost)
    runs.end(queued, DONE)

    taken = claims.claim_all([each.pk for each in (new, lost, held, queued)], "w")

    assert {run_id: (each.recovered, each.run.attempt) for run_id, each in taken.items()} == {
        new.pk: (False, 1),
        lost.pk: (True, 2),
    }
    assert all(each.run.fence == now_of(each.run).fence for each in taken.values())
    assert taken[new.pk].members == [str(new.user_id)]


def test_renewing_holds_a_workers_runs_and_no_others():
    mine, other = claimed(ask(a_thread()), "mine"), a_claimed_run()
    for run in (mine, other):
        expire(run)

    held = claims.renew_leases("mine", [mine.pk, other.pk])

    assert held == {mine.pk: False}
    assert now_of(mine).lease_until > timezone.now() > now_of(other).lease_until


def test_a_run_that_its_worker_does_not_know_of_is_not_renewed():
    """Row 51: the claim was written, but its answer came too late; nobody would ever end the run."""
    known, unknown = (claimed(ask(a_thread()), "mine") for _ in range(2))
    for run in (known, unknown):
        expire(run)

    claims.renew_leases("mine", [known.pk])

    left = runs.left_behind(timezone.now(), 1_000)
    assert now_of(unknown) in left
    assert now_of(known) not in left


def test_renewing_tells_of_a_stop():
    worker = uuid.uuid4().hex
    run = claimed(ask(a_thread()), worker)
    runs.request_stop(run)

    assert claims.renew_leases(worker, [run.pk]) == {run.pk: True}


def test_a_run_that_was_taken_over_is_not_renewed_by_the_worker_before():
    worker = uuid.uuid4().hex
    run = claimed(ask(a_thread()), worker)
    expire(run)
    claimed(run)

    assert claims.renew_leases(worker, [run.pk]) == {}


def test_a_run_handed_over_can_be_claimed_at_once():
    run = a_claimed_run()

    assert claims.hand_over(run)
    assert claimed(run).attempt == 2


def test_a_run_that_was_taken_over_cannot_be_handed_over():
    run = a_claimed_run()
    expire(run)
    taken = claimed(run, "other")

    assert not claims.hand_over(run)
    assert now_of(run).worker == taken.worker


def test_a_stop_is_noted_once():
    run = a_claimed_run()

    assert runs.request_stop(run)
    first = now_of(run).cancel_requested_at
    assert runs.request_stop(run)

    assert now_of(run).cancel_requested_at == first


def test_a_stop_of_an_ended_run_is_told():
    run = a_claimed_run()
    runs.end(run, DONE)

    assert not runs.request_stop(run)


def test_a_member_finds_the_run():
    thread, other = a_thread(), a_person()
    run = ask(thread)
    ThreadMember.objects.create(thread=thread, user_id=other.id)

    assert runs.run_of(other.id, run.pk) == run


def test_anothers_run_and_a_missing_one_look_the_same():
    """Row 80: another user's run → not_found, as for a missing one."""
    run, other = ask(a_thread()), a_person()

    with pytest.raises(NotFound) as anothers:
        runs.run_of(other.id, run.pk)
    with pytest.raises(NotFound) as missing:
        runs.run_of(other.id, uuid.uuid4())

    assert str(anothers.value) == str(missing.value)


def test_a_run_is_left_behind_once_its_lease_is_over():
    held, lost, fresh = a_claimed_run(), a_claimed_run(), ask(a_thread())
    expire(lost)

    found = runs.left_behind(timezone.now(), 10_000)

    assert lost in found
    assert not {held, fresh} & set(found)


def test_the_sweep_finds_what_no_worker_came_for():
    held, late, fresh = a_claimed_run(), ask(a_thread()), ask(a_thread())
    Run.objects.filter(pk=late.pk).update(admitted_at=timezone.now() - timedelta(seconds=4))

    found = runs.unclaimed(timezone.now(), 10_000)

    assert late in found
    assert not {held, fresh} & set(found)
