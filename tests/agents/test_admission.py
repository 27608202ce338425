"""Who may begin: so many runs of a user at a time, the rest in line; and nobody waits for another's line."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from chatrouting.agents import admission, runs
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome, Priority, RunStatus
from chatrouting.conf import chat_settings
from routing_core.errors import Busy
from tests.agents.accepted import (
    DONE,
    a_claimed_run,
    a_person,
    a_thread,
    ask,
    now_of,
    owner_of,
    place_of,
)
from tests.agents.at_once import in_threads

LIMIT = chat_settings().runs_per_user


def asked(person, count, **more):
    """So many runs of one person, each in a thread of its own."""
    return [ask(a_thread(person), **more) for _ in range(count)]


def states(found):
    return [now_of(run).status for run in found]


def test_as_many_runs_of_a_user_run_as_are_announced_and_the_rest_wait():
    found = asked(a_person(), LIMIT + 2)

    assert states(found) == ["running"] * LIMIT + ["queued"] * 2


def test_the_runs_of_one_user_keep_no_run_of_another_waiting():
    """Row 114: a user with a hundred runs waiting does not delay another's first."""
    asked(a_person(), LIMIT + 50)

    assert ask(a_thread()).status == "running"


def test_the_end_of_a_run_admits_the_next_of_its_user():
    first, *rest = asked(a_person(), LIMIT + 2)

    ended = runs.end(first, DONE)

    assert ended is not None and ended.admitted == (rest[-2],)
    assert states(rest[-2:]) == ["running", "queued"]


def test_a_stop_in_the_line_admits_nobody_and_moves_up_those_behind():
    *_, second, third, fourth = asked(a_person(), LIMIT + 3)

    ended = runs.end(second, runs.Ending(Outcome.CANCELLED))

    assert ended is not None
    assert (ended.admitted, ended.moved) == ((), ((1, third), (2, fourth)))


def test_the_line_goes_by_priority_and_then_by_age():
    """Row 47: start before message before background; equal priority first in, first out."""
    person = a_person()
    (first, *_) = asked(person, LIMIT)
    order = (Priority.BACKGROUND, Priority.MESSAGE, Priority.START, Priority.MESSAGE)
    background, message, start, later = (
        ask(a_thread(person), priority=priority) for priority in order
    )

    line = [start, message, later, background]
    assert [place_of(run) for run in line] == [1, 2, 3, 4]
    ended = runs.end(first, DONE)
    assert ended is not None and ended.admitted == (start,)


def test_a_run_behind_others_of_its_thread_is_not_in_the_line():
    person = a_person()
    asked(person, LIMIT)
    thread = a_thread(person)
    first, second = ask(thread), ask(thread)
    third = ask(a_thread(person))

    assert [place_of(run) for run in (first, second, third)] == [1, 2, 2]


def test_a_run_of_another_member_goes_on_where_the_one_before_it_was_over_a_limit():
    crowded, thread = a_person(), a_thread()
    asked(crowded, LIMIT)
    first = ask(thread, by=crowded)
    second = ask(thread, by=owner_of(thread))
    assert states([first, second]) == ["queued", "queued"]

    ended = runs.end(first, runs.Ending(Outcome.CANCELLED))

    assert ended is not None and ended.admitted == (second,)


def test_the_end_of_a_run_admits_the_next_of_its_thread_only_within_its_users_limit():
    crowded, thread = a_person(), a_thread()
    active = ask(thread)
    busy = asked(crowded, LIMIT)
    waiting = ask(thread, by=crowded)

    ended = runs.end(active, DONE)
    assert ended is not None
    assert (ended.admitted, ended.moved) == ((), ((1, waiting),))

    ended = runs.end(busy[0], DONE)
    assert ended is not None and ended.admitted == (waiting,)


def test_the_next_of_a_thread_comes_into_its_users_line_before_what_is_younger():
    """They are told: `run_queued` is sent again when the position changes."""
    crowded, thread = a_person(), a_thread()
    active = ask(thread)
    asked(crowded, LIMIT)
    older, younger = ask(thread, by=crowded), ask(a_thread(crowded))
    assert [place_of(run) for run in (older, younger)] == [1, 1]

    ended = runs.end(active, DONE)

    assert ended is not None and ended.moved == ((1, older), (2, younger))


def test_a_run_that_comes_tells_its_place_and_those_of_whom_it_came_before():
    person = a_person()
    asked(person, LIMIT)
    message = ask(a_thread(person))
    start = ask(a_thread(person), priority=Priority.START)
    later = ask(a_thread(person))

    assert admission.moved_by(start) == ((1, start), (2, message), (3, later))
    assert admission.moved_by(later) == ((3, later),)
    assert admission.moved_by(a_claimed_run()) == ()


def test_a_run_that_waits_for_a_decision_is_not_counted():
    person = a_person()
    first, *_ = asked(person, LIMIT)
    Run.objects.filter(pk=first.pk).update(status=RunStatus.WAITING)

    assert ask(a_thread(person)).status == "running"


def test_a_line_that_is_full_is_busy():
    person = a_person()
    asked(person, LIMIT + chat_settings().queue_per_user)

    with pytest.raises(Busy):
        ask(a_thread(person))


def test_the_sweep_admits_what_was_missed():
    person = a_person()
    *running, waiting = asked(person, LIMIT + 1)
    earlier = timezone.now() - timedelta(seconds=10)
    Run.objects.filter(pk=waiting.pk).update(created_at=earlier)
    Run.objects.filter(pk=running[0].pk).update(status=RunStatus.COMPLETED)

    assert waiting in admission.admit_missed(10_000)
    assert states([waiting]) == ["running"]
    assert waiting not in admission.admit_missed(10_000)


def test_what_waits_rightly_is_not_swept_up():
    *_, waiting = asked(a_person(), LIMIT + 1)
    Run.objects.filter(pk=waiting.pk).update(created_at=timezone.now() - timedelta(seconds=10))

    assert waiting not in admission.admit_missed(10_000)


def test_runs_asked_for_at_once_keep_within_the_limit():
    person = a_person()
    threads = [a_thread(person) for _ in range(LIMIT + 4)]

    found = in_threads(ask, threads)

    assert sorted(states(found)) == ["queued"] * 4 + ["running"] * LIMIT


def test_ends_and_questions_at_once_leave_no_place_empty_and_none_taken_twice():
    """Row 47: whoever comes second sees what the first did."""
    person, shared = a_person(), a_thread()
    running = [*asked(person, LIMIT), ask(shared)]
    waiting = [*asked(person, 4), ask(shared, by=person)]
    acts = [*(lambda run=run: runs.end(now_of(run), DONE) for run in running[1:]),
            *(lambda: ask(a_thread(person)) for _ in range(4))]  # fmt: skip
    random.shuffle(acts)

    in_threads(lambda act: act(), acts)

    mine = Run.objects.filter(user_id=person.id).exclude(status=RunStatus.COMPLETED)
    assert sorted(run.status for run in mine) == ["queued"] * 6 + ["running"] * LIMIT
    assert now_of(waiting[0]).status == "running"


def test_a_claimed_run_is_no_place_in_a_queue():
    assert place_of(a_claimed_run()) == 0
