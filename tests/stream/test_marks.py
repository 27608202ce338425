"""Events of runs: the fence refuses a stale worker, the ordinal makes a repeat count once."""

import pytest

from chatrouting.stream.log import Append, EventLog, Fenced, RunMark, RunText, TextChange, TextLost
from chatrouting.stream.valkey import valkey
from tests.stream.streams import body, fill, log_of, new_id, seqs

DAY = 86_400


async def say(log: EventLog, user_id: str, mark: RunMark):
    (record,) = await log.append([Append(user_id, body(), mark=mark)])
    return record


async def top(log: EventLog, user_id: str) -> int:
    return (await log.read(user_id, "", 0)).top


@pytest.fixture
async def log():
    return log_of()


async def test_a_repeated_ordinal_returns_the_same_seq(log):
    user_id = new_id()
    first = await say(log, user_id, RunMark("r", 1, 1))

    again = await say(log, user_id, RunMark("r", 1, 1))

    assert again == first
    assert await top(log, user_id) == 1


async def test_an_ordinal_before_the_last_is_not_appended_and_has_no_seq(log):
    user_id = new_id()
    for ordinal in (1, 2, 3):
        await say(log, user_id, RunMark("r", 1, ordinal))

    late = await say(log, user_id, RunMark("r", 1, 2))

    assert late.seq == 0
    assert await top(log, user_id) == 3


async def test_a_lower_fence_is_refused(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 2, 1))

    with pytest.raises(Fenced):
        await say(log, user_id, RunMark("r", 1, 9))

    assert await top(log, user_id) == 1


async def test_a_higher_fence_begins_its_ordinals_anew(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 5))

    found = [await say(log, user_id, RunMark("r", 2, ordinal)) for ordinal in (1, 2)]

    assert seqs(found) == [2, 3]


async def test_a_higher_fence_without_an_ordinal_forgets_the_old_ordinals(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 5))
    await say(log, user_id, RunMark("r", 2))

    assert (await say(log, user_id, RunMark("r", 2, 1))).seq == 3


async def test_the_fence_is_of_one_run(log):
    user_id = new_id()
    await say(log, user_id, RunMark("one", 7, 1))

    assert (await say(log, user_id, RunMark("two", 1, 1))).seq == 2


async def test_the_fence_outlives_the_stream(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 2, 1))
    await valkey().call("DEL", f"{{u:{user_id}}}:meta", f"{{u:{user_id}}}:stream")

    with pytest.raises(Fenced):
        await say(log, user_id, RunMark("r", 1, 9))


async def test_a_refused_event_leaves_the_others_of_its_call_whole(log):
    stale, free = new_id(), new_id()
    await say(log, stale, RunMark("r", 2, 1))
    mark = RunMark("r", 1, 1)

    with pytest.raises(Fenced):
        await log.append([Append(stale, body(), mark=mark), Append(free, body(), mark=mark)])

    assert (await top(log, stale), await top(log, free)) == (1, 1)


async def test_a_text_is_set_and_added_to(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 1, TextChange.SET))
    await say(log, user_id, RunMark("r", 1, 2, TextChange.ADD, "né", 0))
    await say(log, user_id, RunMark("r", 1, 3, TextChange.ADD, "e😀", 3))

    assert await log.run_text(user_id, "r") == RunText("née😀", 3)


async def test_a_repeated_piece_is_added_once(log):
    user_id, piece = new_id(), RunMark("r", 1, 2, TextChange.ADD, "a", 0)
    await say(log, user_id, RunMark("r", 1, 1, TextChange.SET))

    await say(log, user_id, piece)
    await say(log, user_id, piece)

    assert await log.run_text(user_id, "r") == RunText("a", 2)


async def test_a_piece_for_a_text_that_was_lost_is_refused_whole(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 1, TextChange.SET, "abc"))
    await valkey().call("DEL", f"{{u:{user_id}}}:text:r")

    with pytest.raises(TextLost):
        await say(log, user_id, RunMark("r", 1, 2, TextChange.ADD, "d", 3))

    assert await top(log, user_id) == 1


async def test_a_new_attempt_voids_the_text(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 1, TextChange.SET, "old"))

    await say(log, user_id, RunMark("r", 2, 1, TextChange.SET))

    assert await log.run_text(user_id, "r") == RunText("", 2)


async def test_the_end_drops_the_text(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 1, TextChange.SET, "old"))

    await say(log, user_id, RunMark("r", 2, 1, TextChange.DROP))

    assert (await log.run_text(user_id, "r")).text == ""


async def kept_seconds(user_id: str) -> int:
    return await valkey().call("TTL", f"{{u:{user_id}}}:run:r")


async def test_the_fence_of_a_run_that_ended_is_kept_for_a_day_more(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 1, TextChange.SET, "old"))
    assert await kept_seconds(user_id) > DAY

    await say(log, user_id, RunMark("r", 2, 1, TextChange.DROP))

    assert DAY - 60 < await kept_seconds(user_id) <= DAY
    with pytest.raises(Fenced):
        await say(log, user_id, RunMark("r", 1, 2))


async def test_the_text_is_true_at_the_last_event_of_its_run(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 1, TextChange.SET, "a"))
    await say(log, user_id, RunMark("r", 1, 2))
    await fill(log, user_id, 3)

    assert await log.run_text(user_id, "r") == RunText("a", 2)


async def test_a_position_of_another_epoch_is_not_told_with_the_text(log):
    user_id = new_id()
    await say(log, user_id, RunMark("r", 1, 1, TextChange.SET, "a"))
    await valkey().call("DEL", f"{{u:{user_id}}}:meta")
    await fill(log, user_id, 4)

    assert await log.run_text(user_id, "r") == RunText("a", 0)


async def test_an_unknown_run_has_no_text(log):
    assert await log.run_text(new_id(), "r") == RunText("", 0)


@pytest.mark.parametrize(
    ("append", "repeatable"),
    [
        (Append("u", b"{}"), False),
        (Append("u", b"{}", mark=RunMark("r", 1)), False),
        (Append("u", b"{}", key="k"), True),
        (Append("u", b"{}", mark=RunMark("r", 1, 1)), True),
    ],
)
def test_what_has_a_key_or_an_ordinal_may_be_repeated(append, repeatable):
    assert append.repeatable is repeatable
