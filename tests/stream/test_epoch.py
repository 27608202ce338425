"""An epoch ends with whatever may have lost a part of the stream."""

import shutil

from chatrouting.datafolder import valkey_folder
from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.stream.log import Append, RunMark, TextChange
from chatrouting.stream.valkey import valkey
from tests.stream.servers import client_of
from tests.stream.streams import body, fill, log_of, meta_key, new_id, stream_key


async def test_a_restart_begins_another_epoch(server, tmp_path):
    """Row 53: what a restart may have lost is never served as whole."""
    user_id = new_id()
    async with client_of(tmp_path / "one") as client:
        (before,) = await fill(log_of(client), user_id, 1)
    server.restart()

    async with client_of(tmp_path / "one") as client:
        page = await log_of(client).read(user_id, before.epoch, before.seq)

    assert (page.whole, page.top) == (False, 0)
    assert page.epoch != before.epoch


async def test_an_append_after_a_restart_begins_at_one(server, tmp_path):
    user_id = new_id()
    async with client_of(tmp_path / "one") as client:
        before = await fill(log_of(client), user_id, 3)
    server.restart()

    async with client_of(tmp_path / "one") as client:
        (after,) = await log_of(client).append([Append(user_id, body())])

    assert after.seq == 1
    assert after.epoch != before[0].epoch


async def test_a_copy_of_the_data_on_another_server_is_another_epoch(server, tmp_path):
    user_id = new_id()
    async with client_of(tmp_path / "one") as client:
        (before,) = await fill(log_of(client), user_id, 1)
        await client.call("BGREWRITEAOF")
    server.stop()
    shutil.copytree(valkey_folder(tmp_path / "one"), valkey_folder(tmp_path / "two"),
                    ignore=shutil.ignore_patterns("*.sock", "*lock*"))  # fmt: skip

    with EmbeddedValkey(tmp_path / "two"):
        async with client_of(tmp_path / "two") as client:
            kept = await client.call("HGET", meta_key(user_id), "epoch")
            page = await log_of(client).read(user_id, before.epoch, 0)

    assert kept == before.epoch.encode()
    assert not page.whole


async def test_a_key_of_the_epoch_before_does_not_hold_back_the_event(server, tmp_path):
    user_id = new_id()
    async with client_of(tmp_path / "one") as client:
        await log_of(client).append([Append(user_id, body(), key="k")])
    server.restart()

    async with client_of(tmp_path / "one") as client:
        log = log_of(client)
        (after,) = await log.append([Append(user_id, body(), key="k")])
        page = await log.read(user_id, after.epoch, 0)

    assert list(page.records) == [after]


async def test_a_runs_event_is_told_again_in_the_new_epoch(server, tmp_path):
    user_id, mark = new_id(), RunMark("r", fence=1, ordinal=1, change=TextChange.SET, text="a")
    async with client_of(tmp_path / "one") as client:
        await log_of(client).append([Append(user_id, body(), mark=mark)])
    server.restart()

    async with client_of(tmp_path / "one") as client:
        log = log_of(client)
        (after,) = await log.append([Append(user_id, body(), mark=mark)])
        page = await log.read(user_id, after.epoch, 0)

    assert list(page.records) == [after]


async def test_lost_meta_begins_another_epoch():
    user_id, log = new_id(), log_of()
    before = await fill(log, user_id, 3)
    await valkey().call("DEL", meta_key(user_id))

    (after,) = await log.append([Append(user_id, body())])

    assert after.seq == 1
    assert after.epoch != before[0].epoch


async def test_lost_meta_leaves_nothing_of_the_stream_before():
    user_id, log = new_id(), log_of()
    await fill(log, user_id, 3)
    await valkey().call("DEL", meta_key(user_id))

    (after,) = await log.append([Append(user_id, body())])
    page = await log.read(user_id, after.epoch, 0)

    assert list(page.records) == [after]


async def test_a_counter_that_was_rolled_back_begins_another_epoch():
    user_id, log = new_id(), log_of()
    before = await fill(log, user_id, 5)
    await valkey().call("HSET", meta_key(user_id), "seq", 2)

    (after,) = await log.append([Append(user_id, body())])
    page = await log.read(user_id, after.epoch, 0)

    assert after.epoch != before[0].epoch
    assert list(page.records) == [after]


async def test_a_read_never_goes_beyond_the_top():
    user_id, log = new_id(), log_of()
    before = await fill(log, user_id, 5)
    await valkey().call("HSET", meta_key(user_id), "seq", 2)

    page = await log.read(user_id, before[0].epoch, 1)

    assert page.top == 2
    assert list(page.records) == before[1:2]


async def test_losing_all_memory_begins_another_epoch():
    """Row 53: losing Valkey's memory is a new epoch."""
    user_id, log = new_id(), log_of()
    (before,) = await fill(log, user_id, 1)
    await valkey().call("DEL", meta_key(user_id), stream_key(user_id))

    page = await log.read(user_id, before.epoch, 1)

    assert not page.whole
    assert page.epoch != before.epoch
