"""The committed page of the protocol is what the classes say, and they say what the protocol says."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from chatrouting import routing
from chatrouting.conf import ChatSettings
from routing_core.messages import Message
from routing_core.reference import described

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "protocol.md"

# Names and codes that clients outside the project rely on.
EVENTS = [
    "agent_completed",
    "agent_delta",
    "agent_error",
    "agent_started",
    "agent_thinking",
    "approval_required",
    "approval_resolved",
    "members_changed",
    "message_added",
    "run_queued",
    "system_message",
    "thread_removed",
    "thread_updated",
    "tool_completed",
    "tool_executing",
]
REPLIES = {
    "user_message": "message_accepted", "start_agent": "message_accepted", "stop_agent": "run_stopping",
    "run_status": "run_status", "create_thread": "thread_created", "rename_thread": "thread_renamed",
    "list_threads": "thread_list", "thread_history": "thread_history", "add_member": "members",
    "remove_member": "members", "user_typing": "typing_noted", "subscribe": "subscribed",
    "broadcast": "broadcast_sent", "ping": "pong", "heartbeat": "heartbeat_ack",
}  # fmt: skip
CODES = {
    False: [
        "invalid_json",
        "invalid_frame",
        "frame_too_large",
        "unknown_type",
        "type_not_allowed",
        "invalid_payload",
        "not_found",
        "permission_denied",
    ],
    True: ["busy", "rate_limited", "overloaded", "circuit_open", "handler_timeout", "internal"],
}
CLOSES = [4000, 4003, 4004, 4005, 4006, 4010, 4100, 4101, 4103, 4200, 4201, 4202, 4203, 4204, 4401]
# Parts of other messages, never sent alone.
PARTS = {"tool_failure", "token_usage"}


def printed(*options):
    out = StringIO()
    call_command("routes", *options, stdout=out)
    return out.getvalue()


def found(part, key="type"):
    return [each[key] for each in described(routing.router)[part]]


def test_the_committed_page_is_the_one_the_classes_make():
    """Row 26. Where it is not: manage.py routes --markdown > docs/reference/protocol.md"""
    assert PAGE.read_text(encoding="utf-8") == printed("--markdown")


@pytest.mark.parametrize(("kind", "reply"), REPLIES.items())
def test_every_documented_type_has_its_reply(kind, reply):
    """Row 26: each documented type is served by a route of its own."""
    answered = {each["type"]: each["replies"] for each in described(routing.router)["client"]}

    assert answered[kind] == [reply]


def test_the_events_are_those_of_the_protocol():
    assert sorted(found("events")) == EVENTS


def test_the_errors_are_those_of_the_protocol():
    errors = described(routing.router)["errors"]

    assert {each["code"]: each["retryable"] for each in errors} == {
        code: retryable for retryable, codes in CODES.items() for code in codes
    }


def test_the_close_codes_are_those_of_the_protocol():
    assert found("closes", "code") == CLOSES


def test_every_class_of_a_message_stands_in_the_table():
    """A message that is neither taken, nor answered, nor in EVENTS or SIGNALS would be in no reference."""
    known = {each for part in ("client", "replies", "events", "signals") for each in found(part)}
    declared = {
        kind.type for kind in descendants(Message) if kind.__module__.startswith("chatrouting.")
    }

    assert declared - known - PARTS == set()


def descendants(kind):
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_the_table_can_be_had_as_json():
    rows = json.loads(printed("--json"))["routes"]

    assert {
        "type": "chat",
        "priority": 0,
        "conditional": False,
        "switched_off": False,
        "message": "UserMessage",
        "handler": "chatrouting.chat.conversation.user_message",
    } in rows


LIMITS = PAGE.parent.parent / "explanation" / "limits.md"
NAMED = re.compile(r"`(?P<name>[A-Z_]+)` (?P<value>\d[\d ]*)")


def test_the_defaults_on_the_page_of_limits_are_those_of_the_settings():
    said = {
        each["name"].lower(): float(each["value"].replace(" ", ""))
        for each in NAMED.finditer(LIMITS.read_text(encoding="utf-8"))
    }
    said["waiting_bytes"] *= 1024 * 1024  # said in MiB

    assert len(said) > 8
    assert said == {name: getattr(ChatSettings(), name) for name in said}
