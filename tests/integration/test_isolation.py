"""Nobody sees, reaches or becomes anybody else."""

import asyncio
import hashlib
import json
import uuid

import pytest

from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_people, make_person
from chatrouting.threads.models import Thread, ThreadMessage

MISSING = str(uuid.uuid4())


async def _converse(client, marker, count):
    """Say so many things, each in a thread of its own and all at once, and see every run to its end."""
    said = [await client.say("user_message", content=f"{marker} {n}") for n in range(count)]
    accepted = [(await client.reply(id))["payload"] for id in said]
    for each in accepted:
        check_run(await client.whole_run(each["run_id"]))
    return {each["run_id"] for each in accepted}


@pytest.mark.parametrize(("people", "messages"), [(5, 10), (50, 1)])
async def test_each_receives_exactly_their_own(web, people, messages):
    """Row 79: all speak at once; every event on a socket is of its user's runs, no foreign marker."""
    crowd = await in_database(make_people, people)
    markers = [f"marker-{uuid.uuid4().hex}" for _ in crowd]
    sockets = await asyncio.gather(*(web.connect(person, seconds=60) for person in crowd))

    runs = await asyncio.gather(
        *(_converse(s, marker, messages) for s, marker in zip(sockets, markers, strict=True))
    )

    for socket, marker, own in zip(sockets, markers, runs, strict=True):
        socket.check_order()
        assert len(own) == messages
        assert {event["run_id"] for event in socket.events} == own
        kinds = [event["type"] for event in socket.events]
        assert kinds.count("message_added") == kinds.count("agent_completed") == messages
        text = json.dumps(socket.frames)
        assert text.count(marker) >= messages
        assert not [other for other in markers if other != marker and other in text]
        await socket.close()


def _theirs(accepted):
    """Every message that takes an id, with the ids of somebody else's thread, run and message."""
    thread, run = accepted["thread_id"], accepted["run_id"]
    return {
        "history": ("thread_history", {"thread_id": thread}),
        "saying": ("user_message", {"thread_id": thread, "content": "let me in"}),
        "list": ("list_threads", {"before": thread}),
        "status": ("run_status", {"run_id": run}),
        "stop": ("stop_agent", {"run_id": run}),
        "starting": ("start_agent", {"thread_id": thread, "agent": "demo", "content": "me too"}),
        "deleting": ("delete_thread", {"thread_id": thread}),
        "renaming": ("rename_thread", {"thread_id": thread, "title": "mine"}),
        "letting in": ("add_member", {"thread_id": thread, "username": "anybody"}),
        "letting out": ("remove_member", {"thread_id": thread, "username": "anybody"}),
        "typing": ("user_typing", {"thread_id": thread, "is_typing": True}),
    }


CASES = _theirs(dict.fromkeys(("thread_id", "run_id"), MISSING))


@pytest.mark.parametrize("case", CASES)
async def test_anothers_id_and_a_missing_one_look_the_same(web, case):
    """Row 80: not_found, the same in every byte but the trace id; and nothing was done."""
    alice, bob = await in_database(make_people, 2)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        accepted = (await a.ask("user_message", content="What is 6 * 7?"))["payload"]
        events = await a.whole_run(accepted["run_id"])
        missing = dict.fromkeys(("thread_id", "run_id"), MISSING)

        answers = []
        for ids in (accepted, missing):
            kind, payload = _theirs(ids)[case]
            answers.append(await b.ask(kind, "same", **payload))

        for answer in answers:
            assert_error(answer, "same", "not_found")
        assert _without_trace(answers[0]) == _without_trace(answers[1])
        await b.assert_silent()
        await a.ping()
        assert a.of_run(accepted["run_id"]) == events
        assert await in_database(_said_by, bob) == 0


WANTED = {
    "thread_id": {"thread_history": {}, "rename_thread": {"title": "mine"}, "delete_thread": {}},
    "run_id": {"run_status": {}, "stop_agent": {}},
}


@pytest.mark.parametrize("wanted", WANTED)
async def test_an_id_of_another_kind_names_nothing(web, alice, wanted):
    """Row 84: also where it is one's own, of a thing that is there."""
    async with await web.connect(alice) as a:
        accepted = (await a.ask("user_message", content="/think 0"))["payload"]
        await a.whole_run(accepted["run_id"])
        ids = {**accepted, "connection_id": a.welcome["connection_id"]}
        others = {ids[name] for name in ("thread_id", "run_id", "message_id", "connection_id")}
        others.remove(accepted[wanted])

        for kind, payload in WANTED[wanted].items():
            for number, other in enumerate(others):
                answer = await a.ask(kind, f"{kind}-{number}", **{wanted: other}, **payload)
                assert_error(answer, f"{kind}-{number}", "not_found")


def _without_trace(frame):
    return json.dumps(frame).replace(frame["payload"]["trace_id"], "")


def _said_by(person):
    return ThreadMessage.objects.filter(author_id=person.user_id).count()


async def test_a_message_of_another_thread_is_no_place_in_this_one(web):
    """Row 80: also `before` reaches no further than the thread it stands beside."""
    alice, bob = await in_database(make_people, 2)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        theirs = (await a.ask("user_message", content="/think 0"))["payload"]["message_id"]
        own = (await b.ask("user_message", content="/think 0"))["payload"]["thread_id"]
        first = await b.ask("thread_history", "same", thread_id=own, before=theirs)
        second = await b.ask("thread_history", "same", thread_id=own, before=MISSING)

        assert_error(first, "same", "not_found")
        assert _without_trace(first) == _without_trace(second)


async def test_every_connection_has_one_owner(web):
    """Row 81: 6 users with 3 sockets each: 18 ids, disjoint, each mapped to the right person."""
    crowd = await in_database(make_people, 6)
    owners = {}
    sockets = []
    for person in crowd * 3:
        sockets.append(await web.connect(person))
        owners[sockets[-1].welcome["connection_id"]] = person.user_id
        assert sockets[-1].welcome["user_id"] == person.user_id

    assert len(owners) == 18
    assert await in_database(_owners, list(owners)) == owners
    for socket in sockets:
        await socket.close()


def _owners(ids):
    rows = Connection.objects.filter(pk__in=ids).values_list("pk", "user_id")
    return {str(pk): str(user_id) for pk, user_id in rows}


async def test_a_handler_is_told_who_asks_and_cannot_change_it(lab):
    """Row 83: user, connection, session and request come from the server; all of it is immutable."""
    alice = await in_database(make_person, "alice")
    async with await lab.connect(alice) as a:
        shown = await a.ask("test.context", "ask:1")

        told = shown["payload"]
        assert shown == {
            "type": "test.shown",
            "id": "ask:1",
            "payload": {
                "user_id": alice.user_id,
                "user_name": alice.name,
                "connection_id": a.welcome["connection_id"],
                "session_digest": hashlib.sha256(alice.session_key.encode()).hexdigest(),
                "request_type": "test.context",
                "request_id": "ask:1",
                "trace_id": told["trace_id"],
                "unchangeable": [
                    "Context.user", "Context.connection_id", "Context.session_digest",
                    "Context.request", "Person.id", "Person.name", "Request.id", "Request.trace_id",
                ],
            },
        }  # fmt: skip
        again = (await a.ask("test.context", "ask:2"))["payload"]
        assert again["request_id"] == "ask:2"
        assert again["trace_id"] != told["trace_id"]


FORGED = ("user_id", "user", "author", "session", "connection_id", "owner_id", "test")


@pytest.mark.parametrize("field", FORGED)
async def test_no_field_names_the_acting_user(web, field):
    """Rows 4 and 22: in the payload or beside it, it is refused, and nobody says anything."""
    alice, bob = await in_database(make_people, 2)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        forged = {"content": "hello", field: bob.user_id}
        inside = await a.ask("user_message", "in", **forged)
        frame = {"type": "user_message", "id": "out", "payload": {"content": "hello"}}
        outside = await a.answer_to(json.dumps({**frame, field: bob.user_id}))

        assert_error(inside, "in", "invalid_payload", field=f"payload.{field}")
        assert_error(outside, "out", "invalid_frame", field=field)
        await a.assert_silent()
        await b.assert_silent()
        assert await in_database(_said_by, alice) == await in_database(_said_by, bob) == 0


async def test_two_sockets_that_start_runs_at_once_get_one_each(web):
    """Row 85: two runs, two threads, each with its own answer; both sockets see both."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as first, await web.connect(alice) as second:
        answers = await asyncio.gather(
            first.ask("user_message", "from-first", content="What is 6 * 7?"),
            second.ask("user_message", "from-second", content="What is 6 * 7?"),
        )
        told = [answer["payload"] for answer in answers]
        assert told[0]["run_id"] != told[1]["run_id"]
        assert told[0]["thread_id"] != told[1]["thread_id"]
        for each in told:
            for socket in (first, second):
                events = await socket.whole_run(each["run_id"])
                check_run(events)
                assert {event["thread_id"] for event in events} == {each["thread_id"]}
        assert len(first.answers()) == len(second.answers()) == 1
        first.check_order()
        second.check_order()
    assert await in_database(_threads, alice) == 2


def _threads(person):
    return Thread.objects.filter(owner_id=person.user_id).count()
