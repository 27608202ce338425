"""Runs of one thread do not interleave in the streams, whatever kept an end from being told."""

from chatrouting.agents import runs
from chatrouting.agents.models import DeadLetter
from chatrouting.agents.statuses import Outcome
from chatrouting.database import in_database
from chatrouting.stream.publishing import event_log
from chatrouting.testing.frames import read_frame
from routing_core.envelope import event_frame
from tests.agents.accepted import a_thread, ask, claimed
from tests.agents.hosted import a_host, attend, row_of, types_of
from tests.agents.scripted import ScriptedAgent


async def an_end_and_a_question():
    """A run whose end nobody was told of, and one that was asked for after it."""

    def make():
        thread = a_thread()
        before = claimed(ask(thread))
        runs.end(before, runs.Ending(Outcome.SUCCESS, "answer"))
        return before, ask(thread)

    return await in_database(make)


async def told(run):
    """What its owner was told, in order: which run, and what of it."""
    log, user_id = event_log(), str(run.user_id)
    page = await log.read(user_id, (await log.top(user_id)).epoch, 0)
    frames = [read_frame(event_frame(each.body, each.seq).decode()) for each in page.records]
    return [(frame["run_id"], frame["type"]) for frame in frames]


async def test_the_end_of_the_run_before_is_told_first(install):
    install(ScriptedAgent())
    before, after = await an_end_and_a_question()

    async with a_host() as host:
        await attend(host, after.pk)

    assert await told(after) == [
        (str(before.pk), "agent_completed"),
        (str(after.pk), "agent_started"),
        (str(after.pk), "agent_completed"),
    ]
    assert (await row_of(before)).end_published_at is not None


async def test_an_end_that_was_given_up_is_not_waited_for(install):
    install(ScriptedAgent())
    before, after = await an_end_and_a_question()
    letter = {"kind": DeadLetter.Kind.END, "state": DeadLetter.State.DEAD}
    await in_database(lambda: DeadLetter.objects.create(run=before, **letter))

    async with a_host() as host:
        await attend(host, after.pk)

    assert await types_of(before) == []
    assert await types_of(after) == ["agent_started", "agent_completed"]
