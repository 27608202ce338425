"""A tool is a typed function with a docstring. Its schema is made from its signature."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints, overload

import msgspec
from django.utils.module_loading import import_string

from chatrouting.conf import chat_settings


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. `seconds` bounds a call; None is the bound of the settings."""

    name: str
    description: str
    function: Callable[..., Any]
    arguments: type[msgspec.Struct]
    seconds: float | None = None

    @property
    def is_async(self) -> bool:
        """Whether a call can be stopped: a function that runs in a thread cannot."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return msgspec.json.schema(self.arguments)

    def parse(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function wants them. Raises `msgspec.ValidationError`."""
        parsed = msgspec.convert(dict(arguments), self.arguments)
        return {name: getattr(parsed, name) for name in self.arguments.__struct_fields__}


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *, name: str = "", seconds: float | None = None
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None, /, *, name: str = "", seconds: float | None = None
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function: its name, its docstring and its typed parameters are the tool's."""
    if function is None:
        return functools.partial(_make, name=name, seconds=seconds)
    return _make(function, name=name, seconds=seconds)


def _make(function: Callable[..., Any], *, name: str, seconds: float | None) -> Tool:
    hints = get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"tool {function.__name__}: {parameter} cannot be given by name")
        if parameter.name not in hints:
            raise TypeError(f"tool {function.__name__}: parameter {parameter.name} has no type")
        default = () if parameter.default is parameter.empty else (parameter.default,)
        fields.append((parameter.name, hints[parameter.name], *default))
    arguments = msgspec.defstruct(
        f"{function.__name__}_arguments", fields, forbid_unknown_fields=True, kw_only=True
    )
    description = inspect.getdoc(function) or ""
    return Tool(name or function.__name__, description, function, arguments, seconds)


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
