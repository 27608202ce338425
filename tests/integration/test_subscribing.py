"""Which events a socket is sent, and how its client still knows that nothing is missing."""

import pytest


async def a_run(client, content="/stream 3 1"):
    """Have a run done, seen through another socket."""
    return (await client.ask("user_message", content=content))["payload"]["run_id"]


async def test_only_events_of_the_chosen_types_are_sent(web, worker, alice):
    """Row 77: subscribe filters per socket; the other socket of the same user gets everything."""
    async with await web.connect(alice) as chosen, await web.connect(alice) as other:
        answer = await chosen.ask("subscribe", types=["agent_completed"])
        run_id = await a_run(other)
        await other.whole_run(run_id)
        await chosen.whole_run(run_id)

        assert answer["type"] == "subscribed"
        assert [event["type"] for event in chosen.events] == ["agent_completed"]
        assert len(other.of_run(run_id)) > 3


async def test_the_next_event_says_up_to_where_events_were_left_out(web, worker, alice):
    """Row 77: the position stays checkable: `skipped_to` is always `seq` - 1."""
    async with await web.connect(alice) as a:
        await a.ask("subscribe", types=["agent_completed"])
        (end,) = await a.whole_run(await a_run(a))

        assert end["skipped_to"] == end["seq"] - 1
        assert end["seq"] > 1


async def test_a_pong_says_that_the_tail_was_left_out(web, worker, alice):
    """Row 77: a client finds a lost tail, and does not take a filtered one for lost."""
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        await a.ask("subscribe", types=[])
        await other.whole_run(await a_run(other))
        pong = (await a.ping())["payload"]

        assert a.events == []
        assert pong["skipped_to"] == pong["seq"] == other.seq


async def test_null_brings_everything_back(web, worker, alice):
    async with await web.connect(alice) as a:
        await a.ask("subscribe", types=[])
        await a.ask("subscribe", types=None)
        await a.whole_run(await a_run(a))

        a.check_order()
        assert "skipped_to" not in (await a.ping())["payload"]


async def test_a_new_socket_has_no_filter_and_a_replay_is_whole(web, worker, alice):
    async with await web.connect(alice) as a:
        await a.ask("subscribe", types=[])
        since = (a.welcome["epoch"], 0)
        run_id = await a_run(a)
        async with await web.connect(alice, since=since) as back:
            await back.whole_run(run_id)

            back.check_order()
            assert back.events[0]["seq"] == 1


@pytest.mark.parametrize("types", [["nothing"], "agent_delta", [1], [None]])
async def test_an_unknown_event_type_is_refused(web, alice, types):
    async with await web.connect(alice) as a:
        answer = await a.ask("subscribe", types=types)

        assert answer["payload"]["code"] == "invalid_payload"
        assert answer["payload"]["field"].startswith("payload.types")


async def test_a_socket_that_is_old_enough_is_told_to_come_back(system, alice):
    """Row 62: maximum age: 4204, and the client resumes."""
    web = system.web(CHATROUTING_CONNECTION_SECONDS="0.5")
    async with await web.connect(alice) as a:
        bye = await a.expect_close(4204)
        assert bye["reconnect"] == "resume"
        async with await web.connect(alice, since=(a.welcome["epoch"], a.seq)) as back:
            assert back.welcome["recovered"] is True
