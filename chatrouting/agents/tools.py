"""A tool is a typed function with a docstring. Its schema is made from its signature."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints, overload
from uuid import UUID

import msgspec
from django.utils.module_loading import import_string

from chatrouting.conf import chat_settings
from chatrouting.threads.rules import Person


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom a call is made. A parameter annotated with it is filled in here: no model can name a user.

    `idempotency_key` is the same for every attempt of the same call, and of no other.
    """

    user: Person
    run_id: UUID
    thread_id: UUID
    call_id: str

    @property
    def idempotency_key(self) -> str:
        """What to give to a service that does the same thing once however often it is asked."""
        return f"{self.run_id}:{self.call_id}"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds for each call of a tool.

    `seconds` bounds it; None is the bound of the settings. `permission` is one of Django's, as
    `app.codename`, that the person who started the run must have; without it the call ends `denied`.
    `idempotent`: doing it again under the same `ToolContext.idempotency_key` does no harm, so a call that
    a crash cut off is made again. `needs_approval`: that person decides about each call before it is made.
    """

    seconds: float | None = None
    permission: str = ""
    idempotent: bool = False
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. `context` is the name of the parameter that takes the `ToolContext`, empty where none does."""

    name: str
    description: str
    function: Callable[..., Any]
    arguments: type[msgspec.Struct]
    context: str = ""
    conditions: Conditions = Conditions()

    @property
    def is_async(self) -> bool:
        """Whether a call can be stopped: a function that runs in a thread cannot."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments: an object at the top, what it refers to in its `$defs`."""
        _, parts = msgspec.json.schema_components([self.arguments], ref_template="#/$defs/{name}")
        top = parts.pop(self.arguments.__name__)
        return {**top, "$defs": parts} if parts else top

    def parse(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function wants them. Raises `msgspec.ValidationError`."""
        parsed = msgspec.convert(dict(arguments), self.arguments)
        return {name: getattr(parsed, name) for name in self.arguments.__struct_fields__}

    def bound(self, parsed: Mapping[str, Any], context: ToolContext) -> Callable[[], Any]:
        """The function with everything it takes."""
        own = {self.context: context} if self.context else {}
        return functools.partial(self.function, **parsed, **own)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str = "",
    seconds: float | None = None,
    permission: str = "",
    idempotent: bool = False,
    needs_approval: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None, /, *, name: str = "", **conditions: Any
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function: its name, its docstring and its typed parameters are the tool's.

    The other arguments are those of `Conditions`.
    """
    if function is None:
        return functools.partial(_make, name=name, conditions=Conditions(**conditions))
    return _make(function, name=name, conditions=Conditions(**conditions))


def _make(function: Callable[..., Any], *, name: str, conditions: Conditions) -> Tool:
    hints = get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    contexts: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        _demand_named_and_typed(function, parameter, hints)
        if hints[parameter.name] is ToolContext:
            contexts.append(parameter.name)
            continue
        default = () if parameter.default is parameter.empty else (parameter.default,)
        fields.append((parameter.name, hints[parameter.name], *default))
    if len(contexts) > 1:
        raise TypeError(f"tool {function.__name__}: one parameter may take the ToolContext")
    arguments = msgspec.defstruct(
        f"{function.__name__}_arguments", fields, forbid_unknown_fields=True, kw_only=True
    )
    description = inspect.getdoc(function) or ""
    return Tool(
        name or function.__name__, description, function, arguments, "".join(contexts), conditions
    )


def _demand_named_and_typed(
    function: Callable[..., Any], parameter: inspect.Parameter, hints: Mapping[str, Any]
) -> None:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"tool {function.__name__}: {parameter} cannot be given by name")
    if parameter.name not in hints:
        raise TypeError(f"tool {function.__name__}: parameter {parameter.name} has no type")


@functools.cache
def installed_tools() -> Mapping[str, Tool]:
    """The tools of `CHATROUTING["TOOLS"]`, by name. Raises `ImportError` and `TypeError`."""
    found: dict[str, Tool] = {}
    for path in chat_settings().tools:
        imported = import_string(path)
        if not isinstance(imported, Tool):
            raise TypeError(f"CHATROUTING TOOLS: {path} is not a tool; decorate it with @tool")
        found[imported.name] = imported
    return found
