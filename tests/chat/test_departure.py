"""An account is deleted, by whatever code: whoever shared a thread with it is told, and goes on."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.utils import timezone

from chatrouting.agents import journal, runs
from chatrouting.agents.ending import publish_late
from chatrouting.agents.messages import AgentDelta
from chatrouting.chat.turnover import tell_turnover
from chatrouting.database import in_database
from chatrouting.stream.log import RunMark, TextChange
from chatrouting.stream.publishing import Event, publish
from chatrouting.threads.models import ThreadMessage
from tests.agents.accepted import ask, claimed, now_of
from tests.away import valkey_away
from tests.chat.circle import a_thread_of, someone
from tests.chat.deleting import ends_told, is_there, types_told
from tests.chat.told import told
from tests.proxies import a_proxy


async def depart(*people):
    ids = [person.id for person in people]
    await in_database(lambda: get_user_model().objects.filter(pk__in=ids).delete())


async def shown_so_far(run, *people):
    """A worker has the run, and these people have seen a piece of its answer."""
    await in_database(claimed, run)
    mark = RunMark(str(run.pk), 1, 1, TextChange.SET, "so far")
    delta = AgentDelta(text="so far", position=0)
    user_ids = [person.id for person in people]
    await publish(user_ids, Event(delta, run.thread_id, run.pk, mark=mark))


def answer_of(run):
    return ThreadMessage.objects.get(thread=run.thread_id, role="agent")


async def test_the_members_of_its_threads_lose_them():
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)

    await depart(owner)

    (event,) = await told(member.id)
    assert (event["type"], event["thread_id"]) == ("thread_removed", str(thread.pk))
    assert await told(owner.id) == []
    assert not await is_there(thread)


async def test_a_project_may_delete_it_by_a_proxy_of_the_user_model():
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)

    def by_proxy():
        with a_proxy() as model:
            model.objects.filter(pk=owner.id).delete()

    await in_database(by_proxy)

    assert [event["type"] for event in await told(member.id)] == ["thread_removed"]
    assert not await is_there(thread)


async def test_its_runs_and_those_of_its_threads_end_before():
    """At work, in the queue, and a member's: each has its one end."""
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)
    asked = [await in_database(ask, thread, by=by) for by in (owner, member, owner)]
    await in_database(claimed, asked[0])

    await depart(owner)

    assert await types_told(member) == ["agent_completed"] * 3 + ["thread_removed"]
    ends = sorted((str(run.pk), "cancelled", run is asked[0]) for run in asked)
    assert sorted(await ends_told(member)) == ends


async def test_the_calls_of_a_run_end_before_it():
    """Row 90: also where the rows of both are gone by then."""
    owner, member = await someone(), await someone()
    run = await in_database(ask, await a_thread_of(owner, member))
    held = await in_database(claimed, run)
    await in_database(journal.begin, held, "call", "clock", {})

    await depart(owner)

    expected = ["tool_executing", "tool_completed", "agent_completed", "thread_removed"]
    assert await types_told(member) == expected


async def test_the_members_of_anothers_thread_see_it_leave():
    owner, leaving, member = await someone(), await someone(), await someone()
    thread = await a_thread_of(owner, leaving, member)
    await in_database(ask, thread, by=leaving)

    await depart(leaving)

    for person in (owner, member):
        end, changed = await told(person.id)
        assert end["type"] == "agent_completed"
        left = [each["name"] for each in changed["payload"]["members"]]
        assert left == [owner.name, member.name]
    said = await in_database(ThreadMessage.objects.get, thread=thread, role="user")
    assert (said.author_id, said.author_name) == (None, leaving.name)


async def test_what_was_seen_of_an_answer_is_kept():
    owner, leaving = await someone(), await someone()
    run = await in_database(ask, await a_thread_of(owner, leaving), by=leaving)
    await shown_so_far(run, owner, leaving)

    await depart(leaving)

    *_, end, _changed = await told(owner.id)
    assert (end["type"], end["payload"]["content"]) == ("agent_completed", "so far")
    assert (await in_database(answer_of, run)).content == "so far"


async def test_who_waits_behind_its_runs_goes_on():
    """None of its own that wait is begun; the next of another is, and who is behind moves up."""
    owner, leaving = await someone(), await someone()
    thread = await a_thread_of(owner, leaving)
    people = (leaving, leaving, owner, owner)
    first, second, third, fourth = [await in_database(ask, thread, by=by) for by in people]

    await depart(leaving)

    now = [await in_database(now_of, run) for run in (first, second, third, fourth)]
    assert [run.status for run in now] == ["completed", "completed", "running", "queued"]
    (place,) = [event for event in await told(owner.id) if event["type"] == "run_queued"]
    assert (place["run_id"], place["payload"]["position"]) == (str(fourth.pk), 1)


async def test_a_run_in_a_thread_that_it_has_left_ends_too():
    owner, leaving = await someone(), await someone()
    thread = await a_thread_of(owner, leaving)
    run = await in_database(ask, thread, by=leaving)
    await in_database(thread.members.filter(user_id=leaving.id).delete)

    await depart(leaving)

    assert await types_told(owner) == ["agent_completed"]
    left = await in_database(now_of, run)
    assert (left.user_id, left.outcome, left.end_published_at is None) == (None, "cancelled", False)


async def test_the_end_of_a_run_that_cannot_be_told_at_once_is_told_later(tmp_path):
    """Rows 53, 98: with what the members have seen of its answer."""
    owner, leaving = await someone(), await someone()
    run = await in_database(ask, await a_thread_of(owner, leaving), by=leaving)
    await shown_so_far(run, owner, leaving)
    with valkey_away(tmp_path):
        await depart(leaving)

    for late in await in_database(runs.unpublished, timezone.now() + timedelta(seconds=4), 10_000):
        if late.pk == run.pk:
            await publish_late(late)

    *_, end = await told(owner.id)
    assert (end["type"], end["payload"]["content"]) == ("agent_completed", "so far")
    assert (await in_database(answer_of, run)).content == "so far"


async def test_what_cannot_be_told_at_once_is_told_later(tmp_path):
    """Row 53: the deletion holds; that a thread is gone outlives Valkey."""
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)
    with valkey_away(tmp_path):
        await depart(owner)
    assert await told(member.id) == []

    await tell_turnover(thread.pk)

    assert await types_told(member) == ["thread_removed"]


async def test_people_who_share_threads_go_at_once():
    """One statement deletes both: nothing of the one names the other."""
    owner, other, member = await someone(), await someone(), await someone()
    threads = [await a_thread_of(owner, other, member), await a_thread_of(other, owner, member)]

    await depart(owner, other)

    assert sorted(await types_told(member)) == ["members_changed"] + ["thread_removed"] * 2
    assert not any([await is_there(thread) for thread in threads])
