"""Ids that a client sends: each is typed, and one of the wrong kind or form is refused at the boundary."""

import json

import msgspec
import pytest
from msgspec import inspect as shapes

from chatrouting.chat.audience import recipients
from chatrouting.chat.messages import Audience
from chatrouting.connections.messages import Subscribe
from chatrouting.routing import EVENTS, router
from routing_core.errors import InvalidPayload
from routing_core.messages import decode_payload

MESSAGES = sorted({route.message for route in router.routes}, key=lambda kind: kind.type)
UUID = "00000000-0000-4000-8000-000000000000"
# No UUID: kind, length, alphabet, form, what others would do with it.
WRONG = [
    None, 7, 1.5, True, [], {}, [UUID], "", " ", "1", UUID[:-1], UUID + "0", f" {UUID}", f"{UUID}\n",
    "g" + UUID[1:], f"{{{UUID}}}", f"urn:uuid:{UUID}", "../../etc/passwd", "' OR 1=1 --", "\u0660" * 36,
]  # fmt: skip
WRONG_USERS = [None, 7, "1", {}, [], [7], [None], [""], ["1" * 65], ["1"] * 1_001]
OTHERS_IDS = {"call_id"}  # the model's provider makes it: a bounded text, looked up within a run


def id_fields(message):
    """The fields that name a thing by its id, by what they are called."""
    fields = shapes.type_info(message).fields
    return [each for each in fields if each.name.endswith("_id") or each.name == "before"]


def is_uuid(field):
    kinds = field.type.types if isinstance(field.type, shapes.UnionType) else (field.type,)
    return any(isinstance(each, shapes.UUIDType) for each in kinds)


NAMED = [(message, field) for message in MESSAGES for field in id_fields(message)]
UUIDS = [(message, field.name) for message, field in NAMED if is_uuid(field)]
named = pytest.mark.parametrize(("message", "field"), UUIDS, ids=lambda it: getattr(it, "type", it))


def refused(message, payload):
    with pytest.raises(InvalidPayload) as refusal:
        decode_payload(json.dumps(payload).encode(), message)
    return refusal.value.field


def valid(message):
    """The least that the message takes: its first error is then the one asked for."""
    return {name: UUID for kind, name in UUIDS if kind is message}


def test_every_id_of_a_client_is_typed():
    """Row 84: a new message with an id that is mere text is found here."""
    assert {field.name for _, field in NAMED if not is_uuid(field)} == OTHERS_IDS
    assert len(UUIDS) > 10


@named
def test_an_id_of_the_wrong_kind_or_form_is_refused_and_named(message, field):
    """Row 84."""
    for value in WRONG:
        assert refused(message, {**valid(message), field: value}) == f"payload.{field}", value


@named
def test_a_valid_id_is_taken(message, field):
    """Row 84: so it is the id that was refused."""
    try:
        decode_payload(json.dumps(valid(message)).encode(), message)
    except InvalidPayload as error:
        assert error.field != f"payload.{field}"


@pytest.mark.parametrize("field", ["users", "exclude"])
def test_ids_of_users_of_the_wrong_kind_are_refused(field):
    """Row 84: in an audience."""
    for value in WRONG_USERS:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({field: value}, Audience)


@pytest.mark.parametrize("field", ["users", "exclude"])
@pytest.mark.parametrize("value", ["x", "1.5", "' OR 1=1 --", UUID, "9" * 40])
def test_ids_of_users_of_the_wrong_form_are_refused(services, field, value):
    """Row 84: what is no key of this site's user model."""
    with pytest.raises(InvalidPayload) as refusal:
        recipients(Audience(**{field: [value]}))

    assert refusal.value.field == f"payload.audience.{field}"


def test_what_can_be_subscribed_to_is_what_is_sent():
    """Row 77: the list in the message's class, which inner rooms cannot make from the table."""
    (types,) = shapes.type_info(Subscribe).fields
    listed = next(kind for kind in types.type.types if isinstance(kind, shapes.ListType))

    assert set(listed.item_type.values) == {event.type for event in EVENTS}
