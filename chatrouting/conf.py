"""The project's own settings: one frozen type is both the defaults and their documentation.

Values come from `settings.CHATROUTING` (upper-case keys) and, stronger, from the environment as
`CHATROUTING_<NAME>`. Importable from every room; nothing else reads either source.
"""

import functools
import os
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Seconds = Annotated[float, Meta(gt=0, le=10 * 365 * 86400)]

PREFIX = "CHATROUTING_"
LISTS = ("agents", "disabled_types", "middleware", "model_tools", "observers", "tools")


class ChatSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every key is optional. Names ending in `_seconds` and `_milliseconds` say their unit."""

    # What a client may do; told to it in `welcome`.
    frame_bytes: Count = 64 * 1024
    messages_per_minute: Count = 600
    messages_burst: Count = 100
    connections_per_user: Count = 20
    in_flight: Count = 32
    runs_per_user: Count = 4
    heartbeat_seconds: Seconds = 25
    protocol_errors_per_minute: Count = 20
    handshakes_per_minute: Count = 600  # of one address, in each process

    # How often a password may be tried, per name and address.
    sign_in_failures: Count = 5
    sign_in_pause_seconds: Seconds = 300

    # Who is in a thread, and who is told to be online.
    members_per_thread: Count = 100
    shares_per_hour: Count = 20
    presence_grace_seconds: Seconds = 15

    # What is kept of a user's stream.
    stream_events: Count = 5_000
    stream_seconds: Count = 15 * 60
    position_seconds: Count = 30 * 86400
    receipt_seconds: Count = 24 * 3600
    broadcast_seconds: Count = 90 * 86400
    prune_seconds: Seconds = 3600

    # What messages are served by: the table, and by dotted paths what else stands around every handler,
    # within the project's own, and who else is told of every message. `disabled_types` are refused.
    router: str = "chatrouting.routing.router"
    middleware: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    disabled_types: tuple[str, ...] = ()

    # How runs behave.
    agents: tuple[str, ...] = ("chatrouting.agents.demo.DemoAgent",)
    tools: tuple[str, ...] = (
        "chatrouting.agents.demo_tools.calculator",
        "chatrouting.agents.demo_tools.clock",
        "chatrouting.agents.thread_search.search_threads",
        "chatrouting.agents.demo_tools.note",
        "chatrouting.agents.demo_tools.failing",
        "chatrouting.agents.demo_tools.slow",
    )
    default_agent: str = "demo"
    queue: str = "chatrouting"
    thinking: bool = True
    demo_commands: bool | None = None
    delta_milliseconds: Seconds = 40
    run_seconds: Seconds = 300
    run_attempts: Count = 3
    run_pause_seconds: Seconds = 2  # before the second attempt, then twice as long each, up to 60
    run_grace_seconds: Annotated[float, Meta(ge=0, le=3600)] = 5  # of a worker that is to stop
    run_tokens: Count = 1_000_000
    progress_seconds: Seconds = 120
    approval_seconds: Seconds = 3600
    lease_seconds: Seconds = 5
    sweep_seconds: Seconds = 3
    queue_per_thread: Count = 10
    queue_per_user: Count = 100
    publication_tries: Count = 5
    tool_seconds: Seconds = 30
    sync_tools: Count = 8
    audience_seconds: Seconds = 1

    # The agent that asks a language model. `model_seconds` bounds the wait for its first word, tries and
    # pauses included, and for each further one; keep it under `progress_seconds`. A provider that asks for
    # a longer pause than `model_pause_seconds` is not asked again. `history_characters` is how much of the
    # thread it is shown, the newest of it.
    model: str = ""
    instructions: str = "You are a helpful assistant. Answer in the language of the question."
    model_tools: tuple[str, ...] = ("calculator", "clock", "search_threads")
    model_seconds: Seconds = 60
    model_tries: Count = 3
    model_pause_seconds: Seconds = 20
    model_requests: Count = 20
    history_characters: Count = 200_000

    # What a process may use.
    handler_seconds: Seconds = 5
    handlers_waiting: Count = (
        500  # at work at once; twice as many with those of the group `priority`
    )
    breaker_failures: Count = 5  # in a row, then a route is shut
    breaker_seconds: Seconds = 10  # until a first message may try it again
    breaker_successes: Count = 2  # of such, in a row, then it is open to all
    session_check_seconds: Seconds = 60
    connections_per_process: Count = 10_000
    connections_per_address: Count = 100
    database_threads: Count = 8
    database_waiting: Count = 1_000
    database_seconds: Seconds = 20
    send_seconds: Seconds = 10
    waiting_bytes: Count = 4 * 1024 * 1024
    connection_seconds: Seconds = 12 * 3600
    process_heartbeat_seconds: Seconds = 3
    process_dead_seconds: Seconds = 9
    drain_seconds: Annotated[float, Meta(ge=0, le=3600)] = 1


def from_sources(declared: Mapping[str, Any], environment: Mapping[str, str]) -> ChatSettings:
    """Build the settings from `settings.CHATROUTING` and the environment.

    Raises `ImproperlyConfigured` that names the key and the rule it broke.
    """
    known = {name.upper(): name for name in ChatSettings.__struct_fields__}
    given: dict[str, Any] = dict(declared)
    for variable, value in environment.items():
        if variable.startswith(PREFIX):
            given[variable.removeprefix(PREFIX)] = value
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ImproperlyConfigured(
            f"CHATROUTING has no key {unknown[0]!r}; it has {', '.join(sorted(known))}."
        )
    try:
        return msgspec.convert(
            {known[key]: _listed(value, known[key]) for key, value in given.items()},
            ChatSettings,
            strict=False,
        )
    except msgspec.ValidationError as error:
        raise ImproperlyConfigured(f"CHATROUTING: {error}") from None


def _listed(value: Any, name: str) -> Any:
    """An environment variable holds a list as words with commas between them."""
    if name in LISTS and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


@functools.cache
def chat_settings() -> ChatSettings:
    """The settings of this process, read once."""
    return from_sources(getattr(settings, "CHATROUTING", {}), os.environ)


def model_endpoint() -> tuple[str, str]:
    """Address and key of an OpenAI-compatible service, each empty where it is not set.

    The key is kept apart from the settings above, which may be shown.
    """
    return getattr(settings, "OPENAI_BASE_URL", ""), getattr(settings, "OPENAI_API_KEY", "")


def demo_commands() -> bool:
    """Whether the demo agent understands its slash commands: by setting, else with `DEBUG`."""
    chosen = chat_settings().demo_commands
    return settings.DEBUG if chosen is None else chosen
