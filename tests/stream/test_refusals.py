"""What Valkey refuses of one stream, and what it refuses to everybody."""

import pytest
from redis.exceptions import ResponseError

from chatrouting.stream.log import Append
from chatrouting.stream.valkey import valkey
from tests.stream.servers import client_of
from tests.stream.streams import body, fill, log_of, meta_key, new_id


async def test_a_damaged_stream_says_so_in_its_place():
    whole, damaged = new_id(), new_id()
    await valkey().call("SET", meta_key(damaged), "no hash")

    refused, record = await log_of().append([Append(each, body()) for each in (damaged, whole)])

    assert isinstance(refused, ResponseError)
    assert record.seq == 1


async def test_a_counter_that_is_no_number_is_a_damage():
    damaged = new_id()
    await fill(log_of(), damaged, 1)
    await valkey().call("HSET", meta_key(damaged), "seq", "no number")

    (refused,) = await log_of().append([Append(damaged, body())])

    assert isinstance(refused, ResponseError)


async def test_the_tops_of_the_others_are_told():
    whole, damaged = new_id(), new_id()
    await fill(log_of(), whole, 3)
    await valkey().call("SET", meta_key(damaged), "no hash")

    nothing, top = await log_of().tops([damaged, whole])

    assert (nothing, top.seq) == (None, 3)


async def test_a_damaged_text_is_an_error():
    user_id = new_id()
    await valkey().call("HSET", f"{{u:{user_id}}}:text:r", "no", "text")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await log_of().run_text(user_id, "r")


async def test_what_the_server_refuses_to_all_is_no_damage_of_a_stream(server, tmp_path):
    """A Valkey without memory: the event is kept and tried again, as where it is away."""
    async with client_of(tmp_path / "one") as client:
        user_id = new_id()
        await fill(log_of(client), user_id, 1)
        await client.call("CONFIG", "SET", "maxmemory", 1)

        with pytest.raises(ResponseError, match=r"^OOM"):
            await log_of(client).append([Append(user_id, body())])
