"""The protocol as its classes declare it: for people as Markdown, for programs as plain data."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec
from msgspec import NODEFAULT, UNSET
from msgspec import inspect as shapes

from routing_core import errors
from routing_core.closing import CloseCode, Reconnect, bye
from routing_core.messages import Message
from routing_core.router import Router

HEAD = "# The protocol's messages\n\nWritten by `manage.py routes --markdown`; not to be edited."


def described(router: Router[Any]) -> dict[str, Any]:
    """Everything a client may say and be told. Plain data: texts, numbers, lists, dicts."""
    client = {route.message: route for route in router.routes}
    replies = {reply for route in router.routes for reply in route.replies}
    return {
        "client": [
            {**_message(message), "replies": sorted(reply.type for reply in route.replies)}
            for message, route in sorted(client.items(), key=_by_type)
            if message.type not in router.switched_off
        ],
        "replies": [_message(each) for each in sorted(replies, key=lambda each: each.type)],
        "events": [_message(each) for each in router.events],
        "signals": [_message(each) for each in router.signals],
        "errors": [_error(kind) for kind in _error_kinds()],
        "closes": [_close(code) for code in CloseCode],
    }


def _by_type(item: tuple[type[Message], Any]) -> str:
    return item[0].type


def _message(kind: type[Message]) -> dict[str, Any]:
    return {
        "type": kind.type,
        "aliases": list(kind.aliases),
        "needs_id": kind.needs_id,
        "about": inspect.getdoc(kind) or "",
        "fields": [_field(each) for each in cast(shapes.StructType, shapes.type_info(kind)).fields],
    }


def _field(field: shapes.Field) -> dict[str, Any]:
    optional = not field.required
    given = optional and field.default not in (UNSET, NODEFAULT)
    return {
        "name": field.encode_name,
        "shape": _words(field.type),
        "optional": optional,
        **({"default": msgspec.to_builtins(field.default)} if given else {}),
    }


def _error_kinds() -> list[type[errors.RoutingError]]:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    return [
        kind for kind in kinds if issubclass(kind, errors.RoutingError) and "code" in vars(kind)
    ]


def _error(kind: type[errors.RoutingError]) -> dict[str, Any]:
    when = inspect.getdoc(kind) or ""
    return {"code": str(kind.code), "retryable": kind.retryable, "text": kind.text, "when": when}


def _close(code: CloseCode) -> dict[str, Any]:
    said = bye(code)
    reconnect: Reconnect = said.reconnect
    return {"code": int(code), "reason": said.reason, "reconnect": str(reconnect)}


def _struct(kind: shapes.StructType) -> str:
    inner = ", ".join(f"`{each.encode_name}`: {_words(each.type)}" for each in kind.fields)
    return f"object {{{inner}}}"


def _text(kind: shapes.StrType) -> str:
    return f"text{_bounds(kind.min_length, kind.max_length, ' characters')}"


def _number(word: str) -> Callable[[Any], str]:
    return lambda kind: f"{word}{_bounds(kind.ge, kind.le)}"


def _bounds(least: Any, most: Any, unit: str = "") -> str:
    if least is None and most is None:
        return ""
    return f" ({'' if least is None else least}–{'' if most is None else most}{unit})"


def _union(kind: shapes.UnionType) -> str:
    return " or ".join(_words(each) for each in kind.types)


def _list(kind: shapes.ListType) -> str:
    return f"list of {_words(kind.item_type)}{_bounds(kind.min_length, kind.max_length)}"


def _noted(kind: shapes.Metadata) -> str:
    """What a class notes beside the type; of it only a default is said, where a site may set the value."""
    default = (kind.extra_json_schema or {}).get("default")
    return _words(kind.type) + ("" if default is None else f", by default {default}")


def _choice(values: Iterable[Any]) -> str:
    return " · ".join(f"`{value}`" for value in values)


_SHAPES: dict[type, Callable[[Any], str]] = {
    shapes.AnyType: lambda kind: "any value",
    shapes.BoolType: lambda kind: "true or false",
    shapes.NoneType: lambda kind: "null",
    shapes.StrType: _text,
    shapes.IntType: _number("integer"),
    shapes.FloatType: _number("number"),
    shapes.UUIDType: lambda kind: "UUID",
    shapes.DateTimeType: lambda kind: "date and time",
    shapes.LiteralType: lambda kind: _choice(kind.values),
    shapes.EnumType: lambda kind: _choice(each.value for each in kind.cls),
    shapes.UnionType: _union,
    shapes.ListType: _list,
    shapes.VarTupleType: _list,
    shapes.TupleType: lambda kind: f"list [{', '.join(map(_words, kind.item_types))}]",
    shapes.DictType: lambda kind: f"object of {_words(kind.value_type)}",
    shapes.StructType: _struct,
    shapes.Metadata: _noted,
}


def _words(kind: shapes.Type) -> str:
    """The shape of a value in words; the name of its kind where there are none."""
    if isinstance(kind, shapes.UnionType):
        left = tuple(each for each in kind.types if not isinstance(each, shapes.CustomType))
        kind = left[0] if len(left) == 1 else shapes.UnionType(left)
    words = _SHAPES.get(type(kind))
    return words(kind) if words else type(kind).__name__


def markdown(router: Router[Any]) -> str:
    """The page of the reference."""
    found = described(router)
    parts = [HEAD]
    for title in ("client", "replies", "events", "signals"):
        parts.append(f"## {TITLES[title]}")
        parts += [_section(each) for each in found[title]]
    parts += ["## Errors", _rows("code retryable text when", found["errors"])]
    parts += ["## Close codes", _rows("code reason reconnect", found["closes"])]
    return "\n\n".join(parts)


TITLES = {
    "client": "What a client may say",
    "replies": "Replies",
    "events": "Events",
    "signals": "Signals and errors",
}


def _section(message: dict[str, Any]) -> str:
    head = f"### `{message['type']}`{' †' if message['needs_id'] else ''}"
    parts = [head, message["about"]]
    if message["aliases"]:
        parts.append(f"Also taken as {_choice(message['aliases'])}.")
    if message.get("replies"):
        parts.append(f"Answered by {_choice(message['replies'])}.")
    if message["fields"]:
        rows = [
            {"field": f"`{each['name']}`", **each, "about": _when(each)}
            for each in message["fields"]
        ]
        parts.append(_rows("field shape about", rows))
    return "\n\n".join(parts)


def _when(field: dict[str, Any]) -> str:
    if "default" in field:
        return f"optional, `{msgspec.json.encode(field['default']).decode()}`"
    return "optional" if field["optional"] else ""


def _rows(columns: str, rows: Iterable[dict[str, Any]]) -> str:
    names = columns.split()
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return shown.replace("|", "\\|")
