"""The log: what an append gives, and what a read may give back."""

import asyncio

import msgspec
from django.conf import settings

from chatrouting.conf import chat_settings
from chatrouting.stream.log import Append
from chatrouting.stream.valkey import Valkey, valkey
from tests.stream.streams import body, fill, log_of, meta_key, new_id, seqs, stream_key


async def test_the_first_event_has_seq_one():
    (record,) = await log_of().append([Append(new_id(), body())])

    assert record.seq == 1


async def test_seqs_have_no_gap_under_concurrent_appends_from_two_clients():
    user_id = new_id()
    other = Valkey(settings.REDIS_URL)
    logs = [log_of(), log_of(other)]

    found = await asyncio.gather(
        *(logs[n % 2].append([Append(user_id, body(str(n)))]) for n in range(200))
    )
    await other.close()

    assert sorted(record.seq for (record,) in found) == list(range(1, 201))


async def test_the_log_has_concurrent_appends_in_the_order_of_their_seqs():
    user_id, log = new_id(), log_of()
    found = await asyncio.gather(*(log.append([Append(user_id, body(str(n)))]) for n in range(50)))

    page = await log.read(user_id, found[0][0].epoch, 0)

    assert list(page.records) == sorted((one for (one,) in found), key=lambda one: one.seq)


async def test_one_append_reaches_the_streams_of_all_users():
    users, log = [new_id(), new_id(), new_id()], log_of()
    await fill(log, users[1], 4)

    records = await log.append([Append(user_id, body("hello")) for user_id in users])

    assert [record.owner for record in records] == users
    assert seqs(records) == [1, 5, 1]


async def test_the_body_comes_back_byte_for_byte():
    user_id, log = new_id(), log_of()
    odd = '{"type":"t","payload":{"a":[],"b":{},"c":1e300,"d":0.1,"e":"é😀\\u0001"}}'.encode()
    (record,) = await log.append([Append(user_id, odd)])

    page = await log.read(user_id, record.epoch, 0)

    assert page.records[0].body == odd


async def test_a_key_counts_once():
    user_id, log = new_id(), log_of()

    first = await log.append([Append(user_id, body(), key="k")])
    again = await log.append([Append(user_id, body(), key="k")])

    assert again == first
    assert (await log.read(user_id, "", 0)).top == 1


async def test_concurrent_appends_under_one_key_count_once():
    user_id, log = new_id(), log_of()

    found = await asyncio.gather(
        *(log.append([Append(user_id, body(), key="k")]) for _ in range(20))
    )

    assert {record.seq for (record,) in found} == {1}
    assert (await log.read(user_id, "", 0)).top == 1


async def test_a_key_is_of_one_user_only():
    log = log_of()
    first, second = Append(new_id(), body(), key="k"), Append(new_id(), body(), key="k")

    assert seqs(await log.append([first, second])) == [1, 1]


async def test_a_read_after_a_position_has_exactly_what_follows():
    user_id, log = new_id(), log_of()
    records = await fill(log, user_id, 5)

    page = await log.read(user_id, records[0].epoch, 2)

    assert (page.whole, page.top, list(page.records)) == (True, 5, records[2:])


async def test_a_read_at_the_top_is_whole_and_empty():
    user_id, log = new_id(), log_of()
    records = await fill(log, user_id, 3)

    page = await log.read(user_id, records[0].epoch, 3)

    assert (page.whole, page.records) == (True, ())


async def test_a_read_without_a_position_tells_the_top_alone():
    user_id, log = new_id(), log_of()
    records = await fill(log, user_id, 3)

    page = await log.read(user_id, "", 0)

    assert (page.epoch, page.top, page.whole, page.records) == (records[0].epoch, 3, False, ())


async def test_a_read_ahead_of_the_top_is_not_whole():
    """Row 46: a position that the stream never gave is not served."""
    user_id, log = new_id(), log_of()
    records = await fill(log, user_id, 3)

    page = await log.read(user_id, records[0].epoch, 4)

    assert (page.whole, page.records) == (False, ())


async def test_a_read_in_another_epoch_is_not_whole():
    user_id, log = new_id(), log_of()
    await fill(log, user_id, 3)

    page = await log.read(user_id, new_id(), 1)

    assert (page.whole, page.records) == (False, ())


async def test_an_empty_stream_has_an_epoch_that_the_first_append_keeps():
    user_id, log = new_id(), log_of()

    before = await log.read(user_id, "", 0)
    (record,) = await log.append([Append(user_id, body())])

    assert (record.epoch, record.seq) == (before.epoch, 1)


async def test_a_long_range_comes_in_pages():
    user_id, log = new_id(), log_of()
    records = await fill(log, user_id, 7)

    first = await log.read(user_id, records[0].epoch, 0, limit=3)
    second = await log.read(user_id, records[0].epoch, 3, limit=3)
    third = await log.read(user_id, records[0].epoch, 6, limit=3)

    assert [*first.records, *second.records, *third.records] == records


async def test_a_pruned_position_is_not_served_in_part():
    """Row 46: what is no longer kept is told, never skipped."""
    user_id = new_id()
    log = log_of(conf=msgspec.structs.replace(chat_settings(), stream_events=10))
    records = await fill(log, user_id, 300)
    kept = await valkey().call("XLEN", stream_key(user_id))
    assert kept < 300

    epoch = records[0].epoch
    pruned = await log.read(user_id, epoch, 300 - kept - 1)
    whole = await log.read(user_id, epoch, 300 - kept, limit=300)

    assert (pruned.whole, pruned.records) == (False, ())
    assert (whole.whole, list(whole.records)) == (True, records[-kept:])


async def test_a_stream_whose_events_are_gone_goes_on_counting():
    user_id, log = new_id(), log_of()
    records = await fill(log, user_id, 3)
    await valkey().call("DEL", stream_key(user_id))

    lost = await log.read(user_id, records[0].epoch, 2)
    (fourth,) = await log.append([Append(user_id, body())])

    assert (lost.whole, lost.top) == (False, 3)
    assert (fourth.epoch, fourth.seq) == (records[0].epoch, 4)


async def test_events_are_kept_for_minutes_and_positions_for_weeks():
    user_id, conf = new_id(), chat_settings()
    await fill(log_of(), user_id, 1)

    assert 0 < await valkey().call("TTL", stream_key(user_id)) <= conf.stream_seconds
    assert (
        conf.stream_seconds < await valkey().call("TTL", meta_key(user_id)) <= conf.position_seconds
    )


async def test_scripts_are_loaded_again_after_a_flush():
    user_id, log = new_id(), log_of()
    (first,) = await log.append([Append(user_id, body())])

    await valkey().call("SCRIPT", "FLUSH")
    (second,) = await log.append([Append(user_id, body())])
    await valkey().call("SCRIPT", "FLUSH")
    page = await log.read(user_id, first.epoch, 0)

    assert list(page.records) == [first, second]


async def test_many_appends_after_a_script_flush_each_count_once():
    users, log = [new_id() for _ in range(20)], log_of()
    await valkey().call("SCRIPT", "FLUSH")

    records = await log.append([Append(user_id, body()) for user_id in users])

    assert seqs(records) == [1] * 20
