"""What a client may send, and the one error that answers everything else."""

import json
import uuid

import pytest

from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error
from chatrouting.threads.models import Thread

LIMIT = 65_536
MEBIBYTE = 1024 * 1024
BYE_TOO_MANY = {
    "code": 4010,
    "reason": "too many errors",
    "reconnect": "stop",
    "after_ms": [0, 0],
}


@pytest.fixture
async def a(web, alice):
    async with await web.connect(alice) as socket:
        yield socket


def padded(size):
    """A ping of exactly so many bytes."""
    frame = '{"type": "ping", "id": "padded"}'
    return frame[:-1] + " " * (size - len(frame)) + "}"


# Liveness.


async def test_ping_and_heartbeat_are_answered_five_times(a):
    """Rows 13 and 56: each answer carries the id it answers; the connection stays."""
    for number in range(5):
        pong = await a.ask("ping", f"p{number}", ack=0)
        beat = await a.ask("heartbeat", f"h:{number}")
        assert pong == {"type": "pong", "id": f"p{number}", "payload": {"seq": 0}}
        assert beat == {"type": "heartbeat_ack", "id": f"h:{number}", "payload": {}}


async def test_an_answer_without_an_id_has_null(a):
    """Row 13: what is not idempotent may leave id and payload out."""
    assert await a.answer_to('{"type":"ping"}') == {
        "type": "pong",
        "id": None,
        "payload": {"seq": 0},
    }


# Frames that are no messages. Each row: the frame, the code, the id that can be read, more fields.

NOT_JSON = ["", " ", "{", "nonsense", "{'type': 'ping'}", '{"type":"ping"', '{"type":"ping"}}',
            "NaN", '{"type":"ping","id":"a","payload":{"ack":NaN}}', '{"type":"ping",}',
            '{"type":"pi\nng"}', "\ufeff{}", '{"type":"\\x41"}', "01", '"half']  # fmt: skip
NOT_OBJECTS = ["null", "true", "1", "-1e5", '"text"', "[]", '[{"type":"ping"}]', "1" * 400]
NOT_ENVELOPES = [
    ("{}", None, "type"),
    ('{"id":"a"}', "a", "type"),
    ('{"type":null,"id":"a"}', "a", "type"),
    ('{"type":"","id":"a"}', "a", "type"),
    ('{"type":5,"id":"a"}', "a", "type"),
    ('{"type":["ping"],"id":"a"}', "a", "type"),
    ('{"type":"ping","id":""}', None, "id"),
    ('{"type":"ping","id":5}', None, "id"),
    ('{"type":"ping","id":null}', None, "id"),
    ('{"type":"ping","id":"a b"}', None, "id"),
    ('{"type":"ping","id":"a\\n"}', None, "id"),
    ('{"type":"ping","id":"ä"}', None, "id"),
    ('{"type":"ping","id":"%s"}' % ("a" * 65), None, "id"),
    ('{"type":"ping","id":"a","payload":null}', "a", "payload"),
    ('{"type":"ping","id":"a","payload":[]}', "a", "payload"),
    ('{"type":"ping","id":"a","payload":"{}"}', "a", "payload"),
    ('{"type":"ping","id":"a","payload":1}', "a", "payload"),
    ('{"type":"ping","id":"a","user_id":"1"}', "a", "user_id"),
    ('{"type":"ping","id":"a","seq":1}', "a", "seq"),
    ('{"Type":"ping","id":"a"}', "a", "Type"),
    ('{"type":"user_message","payload":{"content":"no id"}}', None, "id"),
]


@pytest.mark.parametrize("frame", NOT_JSON)
async def test_what_is_not_json_gets_one_error(a, frame):
    """Row 14: one invalid_json, and the socket stays usable."""
    assert_error(await a.answer_to(frame), None, "invalid_json")


@pytest.mark.parametrize("frame", NOT_OBJECTS, ids=lambda frame: frame[:20])
async def test_json_that_is_no_object_gets_one_error(a, frame):
    """Row 15: one invalid_frame, and the socket stays usable."""
    assert_error(await a.answer_to(frame), None, "invalid_frame")


@pytest.mark.parametrize(("frame", "id", "field"), NOT_ENVELOPES)
async def test_an_envelope_that_breaks_a_rule_gets_one_error(a, frame, id, field):
    """Row 16: one invalid_frame that names the field, with the id where it can be read."""
    assert_error(await a.answer_to(frame), id, "invalid_frame", field=field)


async def test_of_a_doubled_key_the_last_counts(a):
    """Row 16: as in JSON.parse."""
    answer = await a.answer_to('{"type":"nothing","id":"a","id":"b","type":"ping"}')
    assert answer == {"type": "pong", "id": "b", "payload": {"seq": 0}}


# Monstrous frames.


async def test_a_binary_frame_gets_one_error(a):
    """Row 21: also where its bytes are a good message."""
    assert_error(await a.answer_to(b'{"type":"ping","id":"a"}'), None, "invalid_frame")


DEEP = 10_000
MONSTERS = [
    ("[" * DEEP + "]" * DEEP, None, "invalid_frame", {}),
    ("[" * 60_000, None, "invalid_frame", {}),
    ('{"type":' + '{"":' * 15_000, None, "invalid_frame", {}),
    ('{"type":"ping","id":"a","payload":{"ack":%s}}' % ("[" * DEEP + "]" * DEEP), None,
     "invalid_frame", {}),
    ('{"type":"ping","id":"a","payload":{"ack":%s}}' % ("9" * 400), "a", "invalid_payload",
     {"field": "payload.ack"}),
    ('{"type":"user_message","id":"a","payload":{"content":"x\\u0000y"}}', "a", "invalid_payload",
     {"field": "payload.content"}),
    ('{"type":"user_message","id":"a","payload":{"content":"\\ud800"}}', "a", "invalid_payload",
     {"field": "payload.content"}),
    ('{"type":"user_message","id":"a","payload":{"content":"\\udc00\\ud800"}}', "a",
     "invalid_payload", {"field": "payload.content"}),
    ('{"type":"\\ud800","id":"a"}', "a", "invalid_frame", {}),
    ('{"type":"ping\\u0000","id":"a"}', "a", "unknown_type", {"received_type": "ping\0"}),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "id", "code", "more"), MONSTERS, ids=lambda it: str(it)[:30])
async def test_a_monstrous_frame_gets_one_error(web, a, frame, id, code, more):
    """Row 21: no crash, no stall; the log has no traceback."""
    assert_error(await a.answer_to(frame), id, code, **more)
    web.assert_no_traceback()


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
async def test_a_frame_up_to_the_limit_passes(a, size):
    """Row 19: one byte below the limit, and the limit itself."""
    assert await a.answer_to(padded(size)) == {
        "type": "pong",
        "id": "padded",
        "payload": {"seq": 0},
    }


@pytest.mark.parametrize("size", [LIMIT + 1, MEBIBYTE])
async def test_a_frame_over_the_limit_is_refused_and_the_socket_stays(a, size):
    """Row 19: frame_too_large names the limit; up to 1 MiB the socket stays."""
    answer = await a.answer_to(padded(size))
    assert_error(answer, "padded", "frame_too_large")
    assert str(LIMIT) in answer["payload"]["message"]


async def test_the_limit_is_in_bytes_as_sent(a):
    """Row 19: a character of four bytes counts four times."""
    text = '{"type":"ping","id":"a"}' + " " * (LIMIT - 24)
    assert (await a.answer_to(text))["type"] == "pong"
    heavy = json.dumps({"type": "\U0001f600" * 16_500, "id": "a"}, ensure_ascii=False)
    assert len(heavy) < LIMIT < len(heavy.encode())
    assert_error(await a.answer_to(heavy), "a", "frame_too_large")


async def test_over_a_mebibyte_the_socket_ends(web, alice, a):
    """Row 19: close code 1009; the person's other sockets stay."""
    async with await web.connect(alice) as other:
        await a.send(padded(MEBIBYTE + 1))
        assert await a.closed() == 1009
        assert (await other.ping())["type"] == "pong"


async def test_text_that_is_not_utf8_ends_the_socket(web, alice, a):
    """Row 21: close code 1007; the person's other sockets stay."""
    async with await web.connect(alice) as other:
        await a.send_text_bytes(b'{"type":"\xff"}')
        assert await a.closed() == 1007
        assert (await other.ping())["type"] == "pong"


async def test_twenty_protocol_errors_end_the_socket(web, alice, a):
    """Row 116: each is answered, the twentieth is followed by bye and close 4010; others stay."""
    async with await web.connect(alice) as other:
        for _ in range(19):
            await a.send("nonsense")
        assert (await a.ping())["type"] == "pong"
        await a.send("nonsense")

        assert await a.expect_close(4010) == BYE_TOO_MANY
        codes = [frame["payload"].get("code") for frame in a.frames]
        assert codes.count("invalid_json") == 20
        assert len(a.frames) == 1 + 19 + 1 + 1 + 1  # welcome, errors, pong, error, bye
        assert (await other.ping())["type"] == "pong"


async def test_mistakes_in_a_payload_do_not_end_the_socket(a):
    """Row 116: only frames that break the protocol count."""
    for number in range(25):
        answer = await a.ask("ping", f"bad{number}", ack=-1)
        assert_error(answer, f"bad{number}", "invalid_payload", field="payload.ack")
    assert (await a.ping())["type"] == "pong"


# Payloads.

ANY_ID = str(uuid.UUID(int=7, version=4))
BAD_CONTENT = [None, "", " ", " \n\t\u3000", "x" * 8_001, 5, ["text"], {"text": "x"}]
OUT_OF_RANGE = [
    ("list_threads", "limit", 0),
    ("list_threads", "limit", 101),
    ("list_threads", "limit", -1),
    ("list_threads", "limit", 1.5),
    ("list_threads", "limit", "5"),
    ("list_threads", "limit", True),
    ("list_threads", "limit", 10**30),
    ("list_threads", "limit", 1e300),
    ("list_threads", "before", "2026-13-45T99:99:99Z"),
    ("list_threads", "before", 1),
    ("ping", "ack", -1),
    ("ping", "ack", 2**53 + 1),
    ("ping", "ack", 10**300),
    ("thread_history", "thread_id", "1"),
    ("thread_history", "thread_id", ANY_ID[:-1]),
    ("thread_history", "thread_id", ANY_ID + "0"),
    ("thread_history", "thread_id", None),
    ("thread_history", "thread_id", 7),
    ("run_status", "run_id", "../../etc/passwd"),
    ("run_status", "run_id", "' OR 1=1 --"),
    ("stop_agent", "run_id", ""),
    ("stop_agent", "run_id", {"$ne": None}),
    ("user_message", "thread_id", "thread"),
    ("user_message", "agent", ""),
    ("user_message", "agent", "x" * 65),
    ("user_message", "agent", "os.system"),
    ("user_message", "on_busy", "explode"),
    ("start_agent", "agent", "os.system"),
    ("create_thread", "title", ""),
    ("create_thread", "title", " \n"),
    ("create_thread", "title", "x" * 201),
    ("create_thread", "title", None),
    ("rename_thread", "thread_id", "1"),
    ("delete_thread", "thread_id", "' OR 1=1 --"),
]


REQUIRED = {
    "user_message": {"content": "hello"},
    "start_agent": {"content": "hello"},
    "rename_thread": {"title": "title"},
}


@pytest.mark.parametrize("content", BAD_CONTENT, ids=lambda it: repr(it)[:20])
async def test_content_that_is_missing_or_blank_starts_nothing(alice, a, content):
    """Row 17: one invalid_payload that names the field; no thread, no run, no event."""
    answer = await a.ask("user_message", "m", content=content)
    assert_error(answer, "m", "invalid_payload", field="payload.content")
    await a.assert_silent()
    assert await in_database(_threads, alice) == 0


async def test_a_required_field_that_is_absent_is_named(alice, a):
    """Row 17: as a blank one."""
    absent = {
        "user_message": "content", "stop_agent": "run_id", "start_agent": "agent",
        "rename_thread": "thread_id", "delete_thread": "thread_id",
    }  # fmt: skip
    for kind, field in absent.items():
        answer = await a.ask(kind, kind)
        assert_error(answer, kind, "invalid_payload", field=f"payload.{field}")
    assert await in_database(_threads, alice) == 0


@pytest.mark.parametrize(("kind", "field", "value"), OUT_OF_RANGE, ids=lambda it: repr(it)[:24])
async def test_a_value_out_of_range_is_an_error(web, alice, a, kind, field, value):
    """Rows 18 and 84: numbers, dates and ids of the wrong kind or form are refused at the boundary."""
    answer = await a.ask(kind, "m", **REQUIRED.get(kind, {}), **{field: value})
    assert_error(answer, "m", "invalid_payload", field=f"payload.{field}")
    assert await in_database(_threads, alice) == 0
    web.assert_no_traceback()


def _threads(person):
    return Thread.objects.filter(owner_id=person.user_id).count()
