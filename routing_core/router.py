"""Which handler serves which message: a table, built once, never changed in place."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from routing_core.envelope import SHOWN_TYPE_CHARACTERS
from routing_core.errors import TypeNotAllowed, UnknownType
from routing_core.messages import Message

C = TypeVar("C")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Route(Generic[C, M]):
    """One row of the table: messages of this class go to this handler.

    Of the routes of one type the highest `priority` serves, at equal priority the first; one whose
    `condition` refuses the context is passed over.
    """

    message: type[M]
    handler: Callable[[C, M], Awaitable[Message | None]]
    priority: int = field(default=0, kw_only=True)
    condition: Callable[[C], bool] | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """Where the handler stands, as an import path."""
        return f"{self.handler.__module__}.{self.handler.__qualname__}"

    def accepts(self, ctx: C) -> bool:
        """Whether this route serves the context."""
        return self.condition is None or self.condition(ctx)


class Router(Generic[C]):
    """The whole table: message type → routes, best first.

    `server_types` are the types that only the server sends: a client that sends one is told so.
    """

    def __init__(
        self, routes: Iterable[Route[C, Any]], *, server_types: Iterable[str] = ()
    ) -> None:
        """Raises `ValueError` where two classes claim one type, or a client type is a server type."""
        self.routes = tuple(routes)
        self.server_types = frozenset(server_types)
        self._table: dict[str, tuple[Route[C, Any], ...]] = {}
        for route in sorted(self.routes, key=lambda route: -route.priority):
            for name in (route.message.type, *route.message.aliases):
                self._add(name, route)

    def _add(self, name: str, route: Route[C, Any]) -> None:
        held = self._table.get(name, ())
        if held and held[0].message is not route.message:
            raise ValueError(
                f"{route.message.__name__} and {held[0].message.__name__} are both {name!r}"
            )
        if name in self.server_types:
            raise ValueError(f"{name!r} is a type that only the server sends")
        self._table[name] = (*held, route)

    def resolve(self, name: str, ctx: C) -> Route[C, Any]:
        """The route that serves this type. Raises `UnknownType` or `TypeNotAllowed`."""
        for route in self._table.get(name, ()):
            if route.accepts(ctx):
                return route
        shown = name[:SHOWN_TYPE_CHARACTERS]
        error = TypeNotAllowed if name in self.server_types else UnknownType
        raise error(received_type=shown)

    @property
    def types(self) -> dict[str, tuple[Route[C, Any], ...]]:
        """Every type and alias a client may send, with its routes, best first."""
        return dict(self._table)
