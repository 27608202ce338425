"""The whole result of a tool, for the members of the thread."""

import uuid

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from chatrouting.agents.models import ToolCall
from chatrouting.database import in_database
from chatrouting.testing.people import make_person
from chatrouting.threads.models import Thread
from tests.agents.accepted import a_claimed_run
from tests.agents.bench import a_bench

HUGE = ["x" * 1_000] * 90


@pytest.fixture
async def told(services):
    """A run, and what was told of the end of its call."""
    async with a_bench() as bench:
        await bench.box.call("huge", {})
        _, (_, completed) = await bench.told()
        yield bench.run, completed


async def fetched(url, user_id):
    return await in_database(fetch, url, user_id)


def fetch(url, user_id):
    client = Client(SERVER_NAME="127.0.0.1")
    if user_id:
        client.force_login(get_user_model().objects.get(pk=user_id))
    return client.get(url)


async def test_a_member_gets_the_whole_result(told):
    run, completed = told

    answer = await fetched(completed["result_url"], run.user_id)

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert "no-store" in answer["Cache-Control"]
    assert len(answer.content) == completed["result_bytes"]
    assert msgspec.json.decode(answer.content) == HUGE


async def test_a_stranger_and_who_is_not_signed_in_find_nothing(told):
    """Row 80: another's and a missing one look the same."""
    _, completed = told
    stranger = await in_database(make_person)

    for user_id in (stranger.user_id, None):
        answer = await fetched(completed["result_url"], user_id)
        missing = await fetched(f"/runs/{uuid.uuid4()}/calls/1/result", user_id)
        assert answer.status_code == missing.status_code == 404


async def test_nobody_finds_a_result_of_a_thread_that_is_deleted(told):
    """Row 80: from the deletion on, also while its rows are still there."""
    run, completed = told
    thread = Thread.objects.filter(pk=run.thread_id)
    await in_database(lambda: thread.update(deleted_at=timezone.now()))

    answer = await fetched(completed["result_url"], run.user_id)

    assert answer.status_code == 404


async def test_a_result_that_was_sent_has_no_address(services):
    async with a_bench() as bench:
        await bench.box.call("double", {"number": 1})
        call = await in_database(ToolCall.objects.get, run=bench.run)

    answer = await fetched(f"/runs/{bench.run.pk}/calls/{call.pk}/result", bench.run.user_id)

    assert answer.status_code == 404


async def test_the_call_of_another_run_is_not_found(told):
    run, completed = told
    other = await in_database(a_claimed_run)

    answer = await fetched(completed["result_url"].replace(str(run.pk), str(other.pk)), run.user_id)

    assert answer.status_code == 404
