"""The project's own settings: their defaults, where they come from, and what is refused."""

from functools import partial

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from chatrouting import conf
from chatrouting.conf import ChatSettings, demo_commands, from_sources


def test_without_a_source_the_defaults_hold():
    assert from_sources({}, {}) == ChatSettings()


def test_the_defaults_are_those_of_the_protocol():
    found = ChatSettings()

    assert (found.frame_bytes, found.messages_per_minute, found.messages_burst) == (65536, 600, 100)
    assert (found.connections_per_user, found.in_flight, found.runs_per_user) == (20, 32, 4)
    assert found.heartbeat_seconds == 25


def test_declared_settings_have_upper_case_keys():
    assert from_sources({"IN_FLIGHT": 5}, {}).in_flight == 5


def test_the_environment_outranks_what_is_declared():
    assert from_sources({"IN_FLIGHT": 5}, {"CHATROUTING_IN_FLIGHT": "6"}).in_flight == 6


def test_other_variables_are_left_alone():
    assert (
        from_sources({}, {"IN_FLIGHT": "6", "PATH": "x", "XCHATROUTING_IN_FLIGHT": "7"})
        == ChatSettings()
    )


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("HEARTBEAT_SECONDS", "0.5", 0.5),
        ("THINKING", "false", False),
        ("THINKING", "0", False),
        ("DEMO_COMMANDS", "true", True),
        ("DEMO_COMMANDS", "1", True),
        ("DRAIN_SECONDS", "0", 0.0),
        ("AGENTS", "a.B, c.D", ("a.B", "c.D")),
        ("TOOLS", "", ()),
        ("ROUTER", "my.router", "my.router"),
    ],
)
def test_a_variable_is_read_as_its_type(variable, text, value):
    found = from_sources({}, {f"CHATROUTING_{variable}": text})

    assert getattr(found, variable.lower()) == value


@pytest.mark.parametrize(
    ("declared", "environment", "named"),
    [
        ({"IN_FLIHGT": 5}, {}, "IN_FLIHGT"),
        ({"in_flight": 5}, {}, "in_flight"),
        ({}, {"CHATROUTING_NOTHING": "1"}, "NOTHING"),
        ({}, {"CHATROUTING_": "1"}, "''"),
        ({"IN_FLIGHT": 0}, {}, "in_flight"),
        ({"IN_FLIGHT": "many"}, {}, "in_flight"),
        ({"IN_FLIGHT": 10**12}, {}, "in_flight"),
        ({"IN_FLIGHT": None}, {}, "in_flight"),
        ({"HEARTBEAT_SECONDS": 0}, {}, "heartbeat_seconds"),
        ({"HEARTBEAT_SECONDS": -1}, {}, "heartbeat_seconds"),
        ({"HEARTBEAT_SECONDS": float("inf")}, {}, "heartbeat_seconds"),
        ({"HEARTBEAT_SECONDS": float("nan")}, {}, "heartbeat_seconds"),
        ({}, {"CHATROUTING_HEARTBEAT_SECONDS": "nan"}, "heartbeat_seconds"),
        ({}, {"CHATROUTING_HEARTBEAT_SECONDS": ""}, "heartbeat_seconds"),
        ({"THINKING": "perhaps"}, {}, "thinking"),
        ({"AGENTS": [1]}, {}, "agents"),
    ],
)
def test_what_is_wrong_is_named(declared, environment, named):
    with pytest.raises(ImproperlyConfigured) as refused:
        from_sources(declared, environment)

    assert named in str(refused.value)


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        ChatSettings().in_flight = 1


@pytest.mark.parametrize("debug", [True, False])
def test_demo_commands_go_with_debug_unless_they_are_chosen(debug, monkeypatch):
    with override_settings(DEBUG=debug):
        monkeypatch.setattr(conf, "chat_settings", lambda: ChatSettings())
        assert demo_commands() is debug
        for chosen in (True, False):
            monkeypatch.setattr(conf, "chat_settings", partial(ChatSettings, demo_commands=chosen))
            assert demo_commands() is chosen
