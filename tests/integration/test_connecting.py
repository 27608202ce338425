"""Who may open a socket, what the first frame says, and how a socket ends."""

import asyncio
import json
import time
import uuid
from datetime import datetime, timezone

import pytest
from websockets.exceptions import InvalidStatus

from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.stream.publishing import event_log
from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.people import make_people, make_person
from tests.integration.at_once import connect_and_say

LIMITS = {
    "frame_bytes": 65_536,
    "messages_per_minute": 600,
    "connections_per_user": 20,
    "in_flight": 32,
    "runs_per_user": 4,
}
DRAINED = {
    "code": 4200,
    "reason": "the server restarts",
    "reconnect": "resume",
    "after_ms": [0, 1000],
}
SILENT = {"code": 4201, "reason": "no heartbeat", "reconnect": "resume", "after_ms": [0, 1000]}


async def test_the_first_frame_is_a_whole_welcome(web):
    """Row 1: a valid session is accepted; welcome says who, where, and what is allowed."""
    alice = await in_database(make_person, "alice")
    stream = await event_log().read(alice.user_id, "", 0)

    async with await web.connect(alice) as a:
        told = a.welcome

        assert a.frames == [{"type": "welcome", "payload": told}]
        assert told == {
            "protocol": 1,
            "connection_id": str(uuid.UUID(told["connection_id"])),
            "user_id": alice.user_id,
            "epoch": stream.epoch,
            "seq": 0,
            "recovered": None,
            "heartbeat_seconds": 25.0,
            "limits": LIMITS,
            "server_time": told["server_time"],
        }
        clock = datetime.fromisoformat(told["server_time"].replace("Z", "+00:00"))
        assert abs((datetime.now(timezone.utc) - clock).total_seconds()) < 5


async def test_limits_come_from_the_environment(brisk):
    """Row 1: the welcome says what is set, not what is usual."""
    alice = await in_database(make_person, "alice")
    async with await brisk.connect(alice) as a:
        assert a.welcome["heartbeat_seconds"] == 0.5


async def test_every_connection_has_an_id_of_its_own(web):
    """Rows 7 and 64: two tabs differ, a reconnect gets a new id and works at once; all are counted."""
    alice = await in_database(make_person, "alice")
    opened = web.counted("chatrouting_connections_opened_total")

    ids = set()
    async with await web.connect(alice) as first, await web.connect(alice) as second:
        ids |= {first.welcome["connection_id"], second.welcome["connection_id"]}
    async with await web.connect(alice) as again:
        ids.add(again.welcome["connection_id"])
        pong = await again.ask("ping", "first")

    assert len(ids) == 3
    assert pong == {"type": "pong", "id": "first", "payload": {"seq": 0}}
    assert web.counted("chatrouting_connections_opened_total") == opened + 3


ODD_POSITIONS = ("seq=1", "epoch=x", "epoch=&seq=", "epoch=x&seq=-1", "epoch=x&seq=1.5",
                 "epoch=x&seq=" + "9" * 400, "epoch=%00&seq=1", "epoch=%ff%fe&seq=0",
                 "epoch=x&seq=%D9%A1", "epoch=" + "x" * 4_000 + "&seq=1")  # fmt: skip


@pytest.mark.parametrize("position", ODD_POSITIONS, ids=lambda position: position[:20])
async def test_an_odd_position_is_answered_with_recovered_false(web, position):
    """Rows 1 and 18: whatever the query holds, the socket opens and works; nothing is replayed."""
    alice = await in_database(make_person, "alice")
    async with await ProtocolClient.connect(
        f"{web.url}?{position}", cookie=alice.cookie, origin=web.origin
    ) as a:
        await a.ready()
        assert a.welcome["recovered"] is False
        await a.assert_silent()
    web.assert_no_traceback()


async def test_messages_sent_at_once_are_answered_once_and_in_order(web):
    """Row 8: what comes before the welcome went out is neither lost nor doubled."""
    alice = await in_database(make_person, "alice")
    headers = {"Origin": web.origin, "Cookie": alice.cookie}
    said = [("list_threads" if number % 2 else "ping", f"m{number}") for number in range(20)]
    texts = [json.dumps({"type": kind, "id": id}) for kind, id in said]

    frames = await connect_and_say(web.url, headers, texts, lambda came: len(came) > len(said))

    names = {"ping": "pong", "list_threads": "thread_list"}
    assert frames[0]["type"] == "welcome"
    assert [(f["type"], f["id"]) for f in frames[1:]] == [(names[kind], id) for kind, id in said]


async def test_a_question_sent_before_the_welcome_is_asked_once(web):
    """Row 8: its event comes on the same socket, once, with its run."""
    alice = await in_database(make_person, "alice")

    async with await web.open(alice) as a:
        answer = await a.ask("user_message", content="early")
        run_id = answer["payload"]["run_id"]
        await a.whole_run(run_id)

        added = [each for each in a.events if each["type"] == "message_added"]
        assert [each["run_id"] for each in added] == [run_id]
        a.check_order()


def _origins(web):
    other = web.port % 60_000 + 1
    return {
        "another site": "http://elsewhere.example",
        "another port": f"http://127.0.0.1:{other}",
        "no port": "http://127.0.0.1",
        "another scheme": f"https://127.0.0.1:{web.port}",
        "another name of the same machine": f"http://localhost:{web.port}",
        "our name as the beginning of another": f"http://127.0.0.1.elsewhere.example:{web.port}",
        "a sandbox": "null",
    }


@pytest.mark.parametrize(
    "case",
    ["another site", "another port", "no port", "another scheme",
     "another name of the same machine", "our name as the beginning of another", "a sandbox"],
)  # fmt: skip
async def test_a_foreign_origin_is_refused_before_accept(web, case):
    """Row 9: 403, logged with the reason, although the session is good."""
    alice = await in_database(make_person, "alice")
    origin = _origins(web)[case]
    reason = f"a socket was refused: foreign Origin '{origin}'"
    before = web.output.count(reason)

    with pytest.raises(InvalidStatus) as refused:
        await ProtocolClient.connect(web.url, cookie=alice.cookie, origin=origin)

    assert refused.value.response.status_code == 403
    assert web.output.count(reason) == before + 1


async def test_a_missing_origin_is_refused_before_accept(web):
    """Row 9: 403, logged with the reason."""
    alice = await in_database(make_person, "alice")
    reason = "a socket was refused: no Origin"
    before = web.output.count(reason)

    with pytest.raises(InvalidStatus) as refused:
        await ProtocolClient.connect(web.url, cookie=alice.cookie)

    assert refused.value.response.status_code == 403
    assert web.output.count(reason) == before + 1


async def test_a_trusted_origin_is_accepted(lab):
    """Row 9: another site's page may connect where CSRF_TRUSTED_ORIGINS names it, and only that one."""
    alice = await in_database(make_person, "alice")

    async with await ProtocolClient.connect(
        lab.url, cookie=alice.cookie, origin="https://trusted.example"
    ) as a:
        assert (await a.ready()).welcome["user_id"] == alice.user_id
    with pytest.raises(InvalidStatus):
        await ProtocolClient.connect(lab.url, cookie=alice.cookie, origin="http://trusted.example")


async def test_a_silent_socket_is_closed_after_two_heartbeats(brisk):
    """Row 6: 4201 after 1 s at a heartbeat of 0.5 s; pings of the WebSocket itself do not count."""
    alice = await in_database(make_person, "alice")

    async with await brisk.connect(alice) as talking, await brisk.connect(alice) as silent:
        begun = time.monotonic()
        await silent.socket_ping()
        ending = asyncio.create_task(silent.expect_close(4201))
        while not ending.done():
            assert (await talking.ask("heartbeat"))["type"] == "heartbeat_ack"
        lasted = time.monotonic() - begun

        assert await ending == SILENT
        assert 0.9 < lasted < 2
        assert (await talking.ping())["type"] == "pong"


async def test_a_web_process_takes_leave_of_its_sockets(system):
    """Rows 58 and 70: SIGTERM: bye 4200, closed, rows gone, exit code 0, all within 4 s."""
    leaving = await asyncio.to_thread(system.web)
    people = await in_database(make_people, 3)
    sockets = [await leaving.connect(person) for person in people]
    ids = [socket.welcome["connection_id"] for socket in sockets]
    assert await in_database(_rows, ids) == 3

    begun = time.monotonic()
    code = await asyncio.to_thread(leaving.stop)

    assert code == 0
    assert time.monotonic() - begun < 4
    for socket in sockets:
        assert await socket.expect_close(4200) == DRAINED
        assert [frame["type"] for frame in socket.frames] == ["welcome", "bye"]
    assert await in_database(_rows, ids) == 0
    leaving.assert_no_traceback()


async def test_sockets_that_open_while_the_process_leaves_are_told_too(system):
    """Row 70: whoever was accepted gets bye 4200, also where the handshake was under way at SIGTERM."""
    leaving = await asyncio.to_thread(system.web)
    alice = await in_database(make_person, "alice")
    first = await leaving.connect(alice)

    opening = [asyncio.create_task(leaving.open(alice)) for _ in range(15)]
    leaving.process.terminate()
    sockets = await asyncio.gather(*opening, return_exceptions=True)
    code = await asyncio.to_thread(leaving.stop)

    accepted = [socket for socket in sockets if isinstance(socket, ProtocolClient)]
    for socket in (first, *accepted):
        assert await socket.expect_close(4200) == DRAINED
    assert code == 0


def _rows(ids):
    return Connection.objects.filter(pk__in=ids).count()


async def test_a_cookie_of_another_application_hides_no_session(web):
    """Row 1: the cookies are read as Django's pages read them, odd ones beside ours included."""
    alice = await in_database(make_person, "alice")
    cookie = f'theme={{"dark":true}}; a[b]=1; {alice.cookie}'

    async with await ProtocolClient.connect(web.url, cookie=cookie, origin=web.origin) as a:
        assert (await a.ready()).welcome["user_id"] == alice.user_id
