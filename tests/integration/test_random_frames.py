"""Ten thousand random frames: each gets exactly one documented answer, and the socket stays usable."""

import asyncio
import json
import re
import string
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chatrouting.database import in_database
from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.people import make_person
from chatrouting.testing.system import Web
from tests.integration.test_messages import SERVER_TYPES

BATCH = 20
BATCHES = 500
LIMIT = 65_536
ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
UNREADABLE = {"invalid_frame", "invalid_payload"}
REPLIES = {
    "user_message": {"message_accepted", "not_found"},
    "chat": {"message_accepted", "not_found"},
    "stop_agent": {"not_found"},
    "run_status": {"not_found"},
    "list_threads": {"thread_list", "not_found"},
    "thread_history": {"not_found"},
    "ping": {"pong"},
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.floats(allow_nan=False),
    st.text(max_size=20),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
# What stands in a field seldom makes a good message: a worker has better things to do here.
fields = st.sampled_from(("content", "thread_id", "run_id", "before", "limit", "ack", "agent", "x"))
refused = st.one_of(st.none(), st.booleans(), st.integers(), st.lists(scalars, max_size=2),
                    st.sampled_from(("", " ", "\t\n", "\x00", "\ud800", "x" * 8_001)))  # fmt: skip
payloads = st.dictionaries(fields, refused, max_size=3)
kinds = st.sampled_from((*list(REPLIES) * 4, *SERVER_TYPES, "", "Ping", "unknown", "__init__"))
ids = st.text(string.ascii_letters + string.digits + "_.:-", min_size=1, max_size=64)
well_formed = st.fixed_dictionaries({"type": kinds, "payload": payloads}, optional={"id": ids})
ill_formed = st.fixed_dictionaries(
    {},
    optional={
        "type": kinds | scalars,
        "id": st.text(max_size=66) | scalars,
        "payload": values,
        "user_id": scalars,
    },
)
as_json = st.builds(json.dumps, well_formed, indent=st.sampled_from((None, 1)))
nearly = st.builds(json.dumps, ill_formed | values)
cut = st.builds(lambda text, at: text[: at % (len(text) + 1)], as_json, st.integers(min_value=0))
sendable = st.characters(exclude_categories=["Cs"])
spliced = st.builds(
    lambda text, at, more: text[: at % len(text)] + more + text[at % len(text) :],
    as_json,
    st.integers(min_value=0),
    st.text(sendable, max_size=3),
)
raw = st.text(sendable, max_size=60) | st.binary(max_size=60)
frames = st.sampled_from((as_json, as_json, as_json, nearly, nearly, cut, spliced, raw)).flatmap(
    lambda chosen: chosen
)


def expected(frame):
    """The id of the answer, and the codes or types of which one must come."""
    if isinstance(frame, bytes):
        return None, {"invalid_frame"}
    if len(frame.encode()) > LIMIT:
        return None, {"frame_too_large"}
    try:
        value = json.loads(frame, parse_constant=_refuse)
    except ValueError:
        return None, {"invalid_json"}
    if not isinstance(value, dict):
        return None, {"invalid_frame"}
    return _id(value.get("id")), _codes(value)


def _refuse(name):
    raise ValueError(name)


def _id(given):
    return given if isinstance(given, str) and ID.fullmatch(given) else None


def _codes(value):
    kind = value.get("type")
    broken = (
        set(value) - {"type", "id", "payload"}
        or not isinstance(kind, str)
        or not kind
        or ("id" in value and _id(value["id"]) is None)
        or not isinstance(value.get("payload", {}), dict)
    )
    if broken:
        return {"invalid_frame"}
    if kind in SERVER_TYPES:
        return {"type_not_allowed"}
    if kind not in REPLIES:
        return {"unknown_type"}
    return UNREADABLE | REPLIES[kind]


def check(frame, answer):
    id, codes = expected(frame)
    told = answer["payload"]["code"] if answer["type"] == "error" else answer["type"]
    allowed = codes | (UNREADABLE if _is_extreme(frame) else set())
    assert answer["id"] == id, (frame, answer)
    assert told in allowed, (frame, answer, codes)


def _is_extreme(frame):
    """Holds half a surrogate pair, NUL, or a number beyond what a double can be."""
    return isinstance(frame, str) and bool(
        re.search(r"\\u(d[89a-f]|0000)|\d{300}|e\+?\d{3}", frame, re.I)
    )


@dataclass
class Patient:
    """A web process that bears any number of mistakes, one socket on it, and how much it has borne."""

    web: Web
    socket: ProtocolClient
    answered: int = 0


@pytest.fixture(scope="module")
async def patient(system):
    web = await asyncio.to_thread(
        lambda: system.web(
            CHATROUTING_PROTOCOL_ERRORS_PER_MINUTE="1000000",
            CHATROUTING_IN_FLIGHT="1000",
            CHATROUTING_MESSAGES_BURST="1000000",
        )
    )
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice, seconds=30) as socket:
        yield Patient(web, socket)


@settings(
    max_examples=BATCHES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(batch=st.lists(frames, min_size=BATCH, max_size=BATCH))
async def test_a_random_frame_gets_exactly_one_documented_answer(patient, batch):
    """Rows 13 to 21: 10 000 frames on one socket, compared with what a plain parser says of them."""
    patient.socket.frames.clear()
    for frame in batch:
        await patient.socket.send(frame)
    pong = await patient.socket.ping()

    *answers, last = patient.socket.answers()
    assert last == pong
    for frame, answer in zip(batch, answers, strict=True):
        check(frame, answer)
    patient.answered += len(answers)


async def test_the_random_frames_left_no_traceback(patient):
    """Row 21: ten thousand were answered, the socket is usable, and nothing went wrong inside."""
    assert patient.answered >= BATCH * BATCHES
    assert (await patient.socket.ping())["type"] == "pong"
    patient.web.assert_no_traceback()
