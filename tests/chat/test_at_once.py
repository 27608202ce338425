"""Everything that changes threads and runs, by many at the same time, on the database that is in use."""

import os
from datetime import timedelta
from functools import partial

import pytest
from django.db.models import Count
from django.utils import timezone

from chatrouting.agents import admission
from chatrouting.agents.models import OPEN, ToolCall
from chatrouting.agents.statuses import ACTIVE, RunStatus
from chatrouting.conf import chat_settings
from tests.agents.at_once import in_threads
from tests.chat.crowd import Crowd

AT_ONCE = 8
TIMES = 300 if os.environ.get("TEST_LONG") else 15


@pytest.fixture(scope="module")
def crowd(services):
    """People who have done all they do; no act failed, as it would where two waited for each other."""
    people = Crowd()
    in_threads(partial(people.act, times=TIMES), range(AT_ONCE))
    return people


def test_a_thread_has_one_run_at_work(crowd):
    active = crowd.runs.filter(status__in=ACTIVE).values("thread").annotate(count=Count("pk"))

    assert crowd.runs.exists()
    assert not active.filter(count__gt=1).exists()


def test_nobody_has_more_runs_at_work_than_are_allowed(crowd):
    """Row 47: whoever comes second sees what the first did."""
    running = crowd.runs.filter(status=RunStatus.RUNNING)

    counted = running.values("user").annotate(count=Count("pk"))
    assert not counted.filter(count__gt=chat_settings().runs_per_user).exists()


def test_no_run_waits_that_may_begin(crowd):
    """Row 47: no admission is missed."""
    crowd.unfinished.update(created_at=timezone.now() - timedelta(minutes=1))
    ours = set(crowd.unfinished.values_list("pk", flat=True))

    assert not [run for run in admission.admit_missed(10_000) if run.pk in ours]


def test_no_call_is_open_in_a_run_that_has_ended(crowd):
    """Row 90: each call has its end."""
    ended = crowd.runs.filter(status=RunStatus.COMPLETED)

    assert ToolCall.objects.filter(run__in=crowd.runs).exists()
    assert not ToolCall.objects.filter(run__in=ended, status__in=OPEN).exists()


def test_every_question_and_answer_has_its_place(crowd):
    for thread in crowd.threads.filter(deleted_at=None):
        places = list(thread.messages.filter(role="user").values_list("position", flat=True))

        assert sorted(places) == list(range(1, thread.last_position, 2))
