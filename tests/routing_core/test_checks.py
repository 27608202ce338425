"""What Django's system checks say of a routing table."""

import json
from io import StringIO
from typing import ClassVar

import pytest
from django.core.management import call_command
from django.test import override_settings

from routing_core.checks import check_messages, check_router
from routing_core.live import live_router
from routing_core.messages import Message
from routing_core.reference import markdown
from routing_core.router import Route, Router
from tests.routing_core.samples import Beat, Note, noted

PLACE = "tests.routing_core.test_checks"

usable = Router([Route(Note, noted, priority=3), Route(Note, noted), Route(Beat, noted)])
not_a_router = [Route(Note, noted)]


class Bare(Message, frozen=True):
    type: ClassVar[str] = "bare"


undocumented = Router([Route(Note, noted), Route(Bare, noted)])


def __getattr__(name):
    """A module whose router cannot be built, found out when it is asked for."""
    if name == "clashing":
        return Router([Route(Note, noted)], server_types=["note"])
    raise AttributeError(name)


def routed_by(name):
    return override_settings(CHATROUTING={"ROUTER": f"{PLACE}.{name}" if name else ""})


def found(check):
    return [message.id for message in check()]


def test_the_router_is_found_by_its_path():
    with routed_by("usable"):
        assert live_router().current() is usable


def test_a_usable_router_passes():
    with routed_by("usable"):
        assert found(check_router) + found(check_messages) == []


def test_the_project_passes():
    assert found(check_router) + found(check_messages) == []


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_router_that_is_not_there_is_found(name):
    with routed_by(name):
        assert found(check_router) == ["routing_core.E001"]


def test_a_missing_router_says_what_to_do():
    with override_settings(CHATROUTING={}):
        assert "dotted path" in check_router()[0].hint


@pytest.mark.parametrize("name", ["not_a_router", "clashing"])
def test_what_is_no_usable_router_is_found(name):
    with routed_by(name):
        assert found(check_router) == ["routing_core.E002"]


@pytest.mark.parametrize("name", ["missing", "not_a_router", "clashing"])
def test_an_unusable_router_is_said_once(name):
    with routed_by(name):
        assert found(check_messages) == []


def test_a_message_without_a_docstring_is_found():
    with routed_by("undocumented"):
        assert found(check_messages) == ["routing_core.E003"]
        assert check_messages()[0].msg == "Bare has no docstring."


def test_the_table_can_be_printed():
    out = StringIO()

    with routed_by("usable"):
        call_command("routes", stdout=out)

    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["type", "priority", "message", "handler"],
        ["beat", "0", "Beat", noted.__module__ + ".noted"],
        ["memo", "3", "Note", noted.__module__ + ".noted"],
        ["memo", "0", "Note", noted.__module__ + ".noted"],
        ["note", "3", "Note", noted.__module__ + ".noted"],
        ["note", "0", "Note", noted.__module__ + ".noted"],
    ]


def test_the_printed_table_is_in_columns():
    out = StringIO()

    with routed_by("usable"):
        call_command("routes", stdout=out)

    assert out.getvalue().splitlines()[:2] == [
        "type  priority  message  handler",
        "beat  0         Beat     tests.routing_core.samples.noted",
    ]


def test_the_table_can_be_had_as_json_and_as_a_page():
    """Row 26."""
    shown = {}
    for form in ("--json", "--markdown"):
        out = StringIO()
        with routed_by("usable"):
            call_command("routes", form, stdout=out)
        shown[form] = out.getvalue()

    assert [row["type"] for row in json.loads(shown["--json"])["routes"]][:2] == ["beat", "memo"]
    assert shown["--markdown"] == markdown(usable) + "\n"
