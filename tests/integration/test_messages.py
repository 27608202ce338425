"""What a message may hold, what it may be called, and which thread it opens."""

import unicodedata

import pytest

from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error
from chatrouting.testing.people import make_people, make_person
from chatrouting.threads.models import Thread

TEXTS = {
    "8 000 characters": "abcdefgh" * 1_000,
    "8 000 emoji": "\U0001f600" * 8_000,
    "families and flags": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
    "composed": unicodedata.normalize("NFC", "é Å ệ 각"),
    "decomposed": unicodedata.normalize("NFD", "é Å ệ 각"),
    "many marks": "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d" * 50,
    "right to left": "שלום \u202eabc\u202c مرحبا \u200f!",
    "other scripts": "漢字 かな ไทย हिन्दी ქართული 𐍈",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f x",
    "line ends": "one\r\ntwo\rthree\u2028four\x0b\x0cfive",
    "blank around it": "  \t x \n ",
    "JSON in it": '{"type":"ping"} \\u0000 \\ " / \\n',
    "markup in it": "<script>alert(1)</script> & %s {0} ${x} ' --",
    "edges of the planes": "\ufffd\ufffe\uffff\U0010ffff\ufeff x",
}


@pytest.mark.parametrize("name", TEXTS)
async def test_text_comes_back_unchanged(web, name):
    """Row 20: in the event on another socket and in the history, character for character."""
    text = TEXTS[name]
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        accepted = await a.ask("user_message", content=text)
        added = await other.expect_event("message_added")
        page = await other.ask("thread_history", thread_id=accepted["payload"]["thread_id"])
        await a.ask("stop_agent", run_id=accepted["payload"]["run_id"])

        assert added["payload"]["content"] == text
        assert page["payload"]["messages"][0]["content"] == text
    web.assert_no_traceback()


async def test_an_alias_is_the_same_message(web):
    """Row 24: `chat` does what `user_message` does, and is answered under the canonical name."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a:
        first = await a.ask("user_message", "one", content="hello")
        second = await a.ask("chat", "two", content="hello")
        repeated = await a.ask("user_message", "two", content="hello")

        for id, answer in (("one", first), ("two", second)):
            told = answer["payload"]
            assert answer == {
                "type": "message_accepted",
                "id": id,
                "payload": {**told, "status": "running", "duplicate": False},
            }
            assert set(told) == {"thread_id", "message_id", "run_id", "status", "duplicate"}
        assert repeated["payload"] == {**second["payload"], "duplicate": True}


# As protocol.md names them: replies, events and signals.
SERVER_TYPES = (
    "welcome", "bye", "error", "typing", "presence",
    "message_added", "run_queued", "agent_started", "agent_thinking", "tool_executing",
    "tool_completed", "agent_delta", "approval_required", "approval_resolved", "agent_error",
    "agent_completed", "system_message", "thread_updated", "thread_removed", "members_changed",
    "message_accepted", "run_stopping", "decision_recorded", "thread_created", "thread_renamed",
    "thread_deleted", "thread_list", "members", "typing_noted", "subscribed", "broadcast_sent",
    "pong", "heartbeat_ack",
)  # fmt: skip


@pytest.mark.parametrize("kind", SERVER_TYPES)
async def test_a_type_of_the_server_is_refused(web, kind):
    """Row 25: it starts nothing and reaches nobody, neither the own sockets nor others'."""
    alice, bob = await in_database(make_people, 2)
    async with (
        await web.connect(alice) as a,
        await web.connect(alice) as other,
        await web.connect(bob) as b,
    ):
        answer = await a.ask(kind, "x", content="hello", run_id="1")

        assert_error(answer, "x", "type_not_allowed", received_type=kind)
        await a.assert_silent()
        await other.assert_silent()
        await b.assert_silent()
        assert await in_database(_threads, alice) == 0


async def test_a_first_message_makes_a_thread_and_later_ones_may_switch(web):
    """Row 71: on one live socket, a new thread, another new one, and back to the first."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a:
        first = (await a.ask("user_message", content="first thread"))["payload"]
        second = (await a.ask("user_message", content="second thread"))["payload"]
        await a.whole_run(first["run_id"])
        back = (await a.ask("user_message", content="back", thread_id=first["thread_id"]))[
            "payload"
        ]
        for accepted in (second, back):
            await a.whole_run(accepted["run_id"])

        assert first["thread_id"] == back["thread_id"] != second["thread_id"]
        for accepted in (first, second, back):
            threads = {event["thread_id"] for event in a.of_run(accepted["run_id"])}
            assert threads == {accepted["thread_id"]}
        listed = (await a.ask("list_threads"))["payload"]["threads"]
        assert [each["thread_id"] for each in listed] == [first["thread_id"], second["thread_id"]]
        assert await _said_in(a, first) == ["first thread", "back"]
        assert await _said_in(a, second) == ["second thread"]
        a.check_order()


async def _said_in(client, accepted):
    page = await client.ask("thread_history", thread_id=accepted["thread_id"])
    return [each["content"] for each in page["payload"]["messages"] if each["role"] == "user"]


def _threads(person):
    return Thread.objects.filter(owner_id=person.user_id).count()
