"""Calls that wait for a person, on real processes: several devices, workers that come and go."""

import asyncio
import json
import time

from chatrouting.agents.models import Approval, Run
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_people
from chatrouting.testing.system import wait_until
from chatrouting.threads.models import ThreadMember

SHOP = "docs.howto.shop.tools"


async def asked(client, content="/approve feed the cat"):
    """Say this and wait for the question: the run's id and the payload of `approval_required`."""
    accepted = await client.ask("user_message", content=content)
    run_id = accepted["payload"]["run_id"]
    event = await client.expect_event("approval_required", run_id=run_id)
    return run_id, event["payload"]


async def waits(run_id):
    """Wait until no worker holds the run."""
    found = Run.objects.filter(pk=run_id, status="waiting")
    await in_database(wait_until, found.exists, "the run to wait")


def only(events, kind):
    (found,) = [event["payload"] for event in events if event["type"] == kind]
    return found


async def ended(client, run_id):
    events = await client.whole_run(run_id)
    check_run(events)
    return events


async def test_an_approved_call_is_made(web, alice):
    """Rows 88, 90: asked, resolved, made, in the order of the protocol and in one attempt."""
    async with await web.connect(alice) as a:
        run_id, question = await asked(a)
        reply = await a.ask(
            "decide_tool", run_id=run_id, call_id=question["call_id"], decision="approve"
        )
        events = await ended(a, run_id)
        a.check_order()
    assert (question["tool"], question["arguments"]) == ("note", {"text": "feed the cat"})
    assert reply["type"] == "decision_recorded"
    assert reply["payload"] == {
        "call_id": question["call_id"], "decision": "approve", "duplicate": False,
    }  # fmt: skip
    resolved = only(events, "approval_resolved")
    assert resolved["by_connection"] == a.welcome["connection_id"]
    assert only(events, "tool_completed")["result"].endswith(": feed the cat")
    assert (only(events, "agent_completed")["outcome"], only(events, "agent_started")["attempt"]) == (
        "success", 1,
    )  # fmt: skip


async def test_of_two_devices_that_decide_at_once_one_wins(web, alice):
    """The first decision stands; the other device gets it back, and both see it once."""
    async with await web.connect(alice) as a, await web.connect(alice) as b:
        run_id, question = await asked(a)
        given = {"run_id": run_id, "call_id": question["call_id"]}
        replies = await asyncio.gather(
            a.ask("decide_tool", **given, decision="approve"),
            b.ask("decide_tool", **given, decision="deny"),
        )
        events, others = await asyncio.gather(ended(a, run_id), ended(b, run_id))
    payloads = [reply["payload"] for reply in replies]
    assert sorted(payload["duplicate"] for payload in payloads) == [False, True]
    assert len({payload["decision"] for payload in payloads}) == 1
    assert only(events, "approval_resolved")["decision"] == payloads[0]["decision"]
    assert events == others


async def test_a_decision_that_is_sent_again_is_made_once(web, alice):
    """Row 23: the second answer equals the first with `duplicate: true`."""
    async with await web.connect(alice) as a:
        run_id, question = await asked(a)
        given = {"run_id": run_id, "call_id": question["call_id"], "decision": "deny"}
        first = await a.ask("decide_tool", "once", **given)
        again = await a.ask("decide_tool", "once", **given)
        events = await ended(a, run_id)
    assert again["payload"] == {**first["payload"], "duplicate": True}
    assert only(events, "tool_completed")["error"]["code"] == "denied_by_user"


async def test_arguments_that_the_tool_does_not_take_decide_nothing(web, alice):
    """Row 107: the field is named; the call still waits, and takes what is right."""
    async with await web.connect(alice) as a:
        run_id, question = await asked(a)
        given = {"run_id": run_id, "call_id": question["call_id"], "decision": "approve"}
        refused = await a.ask("decide_tool", **given, arguments={"text": 1})
        unknown = await a.ask("decide_tool", **given, arguments={"text": "a", "user_id": "1"})
        await a.ask("decide_tool", **given, arguments={"text": "hug the cat"})
        events = await ended(a, run_id)
    assert (refused["payload"]["code"], refused["payload"]["field"]) == (
        "invalid_payload", "payload.arguments.text",
    )  # fmt: skip
    assert unknown["payload"]["field"] == "payload.arguments.user_id"
    assert only(events, "approval_resolved")["arguments"] == {"text": "hug the cat"}
    assert only(events, "tool_completed")["result"].endswith(": hug the cat")


async def test_only_who_started_the_run_decides(web):
    """Row 80: a member may not, and a stranger is told what one of a missing run is told."""
    alice, bob, carol = await in_database(make_people, 3)
    async with (
        await web.connect(alice) as a,
        await web.connect(bob) as b,
        await web.connect(carol) as c,
    ):
        run_id, question = await asked(a)
        thread_id = a.of_run(run_id)[0]["thread_id"]
        await in_database(ThreadMember.objects.create, thread_id=thread_id, user_id=bob.user_id)
        given = {"call_id": question["call_id"], "decision": "approve"}
        member = await b.ask("decide_tool", run_id=run_id, **given)
        stranger = await c.ask("decide_tool", run_id=run_id, **given)
        missing = await c.ask("decide_tool", run_id=alice_free_id(), **given)
        other_call = await a.ask("decide_tool", run_id=run_id, call_id="no", decision="deny")
        await a.ask("stop_agent", run_id=run_id)
        await ended(a, run_id)
    assert member["payload"]["code"] == "permission_denied"
    assert stranger["payload"]["code"] == "not_found" == other_call["payload"]["code"]
    shown = [{**answer["payload"], "trace_id": ""} for answer in (stranger, missing)]
    assert shown[0] == shown[1]


async def test_anothers_call_is_not_found_in_ones_own_run(web):
    """Row 80: with ids that are each right, the answer is that about a missing call; the other's still waits."""
    alice, bob = await in_database(make_people, 2)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        theirs, question = await asked(a)
        mine, _ = await asked(b)
        given = {"run_id": mine, "decision": "approve"}
        others = await b.ask("decide_tool", "same", call_id=question["call_id"], **given)
        missing = await b.ask("decide_tool", "same", call_id="no", **given)
        await waits(theirs)
        undecided = Approval.objects.filter(call__run=theirs, decision="")
        assert await in_database(undecided.exists)
        for client, run_id in ((a, theirs), (b, mine)):
            await client.ask("stop_agent", run_id=run_id)
            await ended(client, run_id)
    assert others["payload"]["code"] == "not_found"
    assert without_trace(others) == without_trace(missing)


def without_trace(frame):
    """The bytes of an error but for those that name this one in the log."""
    return json.dumps(frame).replace(frame["payload"]["trace_id"], "")


def alice_free_id():
    return "00000000-0000-4000-8000-000000000000"


async def test_a_run_that_waits_is_stopped_within_a_second(web, alice):
    """Row 97: `cancelled` within 1 s without a worker that holds it, nothing after it."""
    async with await web.connect(alice) as a:
        run_id, _ = await asked(a)
        await waits(run_id)
        began = time.monotonic()
        reply = await a.ask("stop_agent", run_id=run_id)
        events = await ended(a, run_id)
        assert time.monotonic() - began < 1
    assert reply["payload"]["status"] == "completed"
    assert only(events, "agent_completed")["outcome"] == "cancelled"
    assert only(events, "tool_completed")["status"] == "interrupted"


async def test_how_a_run_stands_that_waits(web, alice):
    """Row 65: `run_status` shows it with its text."""
    async with await web.connect(alice) as a:
        run_id, _ = await asked(a)
        await waits(run_id)
        status = (await a.ask("run_status", run_id=run_id))["payload"]
        await a.ask("stop_agent", run_id=run_id)
    assert (status["status"], status["attempt"]) == ("waiting", 1)
    assert status["text"] == "I would like to note something down. "


async def test_nothing_is_lost_when_the_worker_is_away(own_system, alice):
    """Rows 51, 67: killed while the run waits; decided while nobody works; the next worker goes on."""
    own = {"CHATROUTING_QUEUE": "away"}
    worker, web = own_system.worker(**own), own_system.web(**own)
    async with await web.connect(alice, seconds=20) as a:
        run_id, question = await asked(a)
        await waits(run_id)
        worker.kill()
        await a.ask("decide_tool", run_id=run_id, call_id=question["call_id"], decision="approve")
        await a.expect_event("approval_resolved", run_id=run_id)
        own_system.worker(**own)
        events = await ended(a, run_id)
    assert only(events, "agent_completed")["outcome"] == "success"
    assert only(events, "agent_started")["attempt"] == 1


async def test_the_tools_of_a_project_need_ten_lines_and_two_settings(
    own_system, own_database, alice
):
    """Rows 101, 103: what nobody decides about is denied in time; a large result stands at its address."""
    own = {
        "DATABASE_URL": own_database,  # a worker elsewhere, which sweeps the other one, lacks the tools
        "CHATROUTING_QUEUE": "shop",
        "CHATROUTING_TOOLS": f"{SHOP}.price_list, {SHOP}.order",
        "CHATROUTING_APPROVAL_SECONDS": "0.5",
        "CHATROUTING_SWEEP_SECONDS": "0.3",
    }
    own_system.worker(**own)
    web = own_system.web(**own)
    async with await web.connect(alice) as a:
        run_id, _ = await asked(a, '/tool order {"article": "article 0001", "number": 2}')
        late = await ended(a, run_id)
        listed = await a.ask("user_message", content="/tool price_list {}")
        events = await ended(a, listed["payload"]["run_id"])
    assert only(late, "tool_completed")["error"]["code"] == "approval_expired"
    assert only(late, "approval_resolved")["by_connection"] is None
    completed = only(events, "tool_completed")
    assert (completed["status"], completed["result"]) == ("ok", None)
    assert completed["result_bytes"] > 32 * 1024
    assert web.get(completed["result_url"])[0] == 404, "nobody is signed in"
