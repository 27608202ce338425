"""How a run stands, as its members may ask."""

import uuid

import pytest
from msgspec import UNSET

from chatrouting.agents import runs
from chatrouting.agents.statuses import Outcome
from chatrouting.chat.messages import RunStatusAsked
from chatrouting.chat.reading import run_status
from chatrouting.database import in_database
from chatrouting.stream.log import Append, RunMark, TextChange
from chatrouting.stream.publishing import event_log
from routing_core.envelope import encode_answer
from routing_core.errors import NotFound
from tests.agents.accepted import a_person, a_thread, ask, claimed, expire, now_of, owner_of
from tests.chat.asking import a_context

FRAME_BYTES = 512 * 1024


def frame_bytes(reply):
    return len(encode_answer(reply, "id").encode())


async def status_of(run, person=None):
    asking = person or await in_database(lambda: owner_of(run.thread))
    return await run_status(a_context(asking), RunStatusAsked(run_id=run.pk))


async def write(run, text, ordinal=1, change=TextChange.SET):
    mark = RunMark(str(run.pk), run.fence, ordinal, change, text, attempt=run.attempt)
    (record,) = await event_log().append([Append(str(run.user_id), b"{}", mark=mark)])
    return record.seq


async def test_a_running_run_tells_what_it_wrote_and_where_that_is_true():
    """Row 65: run_status text so far."""
    run = await in_database(lambda: claimed(ask(a_thread())))
    seq = await write(run, "so far")

    told = await status_of(run)

    assert (told.status, told.text, told.seq, told.attempt) == ("running", "so far", seq, 1)
    assert (told.agent, told.thread_id, told.outcome) == ("demo", str(run.thread_id), UNSET)


async def test_the_attempt_is_that_which_wrote_the_text():
    """A worker has the run again and has told nothing yet: the text is void from `agent_started` on."""
    run = await in_database(lambda: claimed(ask(a_thread())))
    await write(run, "so far")
    await in_database(expire, run)
    again = await in_database(claimed, run)
    told = await status_of(run)
    assert (again.attempt, told.attempt, told.text) == (2, 1, "so far")

    await write(again, "")

    told = await status_of(run)
    assert (told.attempt, told.text) == (2, "")


async def test_a_queued_run_has_written_nothing():
    def queued():
        thread = a_thread()
        ask(thread)
        return ask(thread)

    told = await status_of(await in_database(queued))

    assert (told.status, told.text, told.seq, told.attempt) == ("queued", "", 0, 0)


async def test_an_ended_run_tells_its_whole_answer_at_the_top_of_the_stream():
    run = await in_database(lambda: claimed(ask(a_thread())))
    top = await write(run, "so far")
    await in_database(runs.end, run, runs.Ending(Outcome.SUCCESS, "the answer"))

    told = await status_of(run)

    assert (told.status, told.outcome) == ("completed", "success")
    assert (told.text, told.seq) == ("the answer", top)


@pytest.mark.parametrize("letter", ["x", "\x01"])
async def test_a_long_text_so_far_fits_into_a_frame(letter):
    run = await in_database(lambda: claimed(ask(a_thread())))
    await write(run, letter * 400_000)

    assert frame_bytes(await status_of(run)) <= FRAME_BYTES


async def test_anothers_run_is_like_a_missing_one():
    """Row 80."""
    other = await in_database(a_person)
    run = await in_database(lambda: ask(a_thread()))

    with pytest.raises(NotFound) as anothers:
        await status_of(run, other)
    with pytest.raises(NotFound) as missing:
        await run_status(a_context(other), RunStatusAsked(run_id=uuid.uuid4()))

    assert str(anothers.value) == str(missing.value)
    assert (await in_database(now_of, run)).status == "running"
