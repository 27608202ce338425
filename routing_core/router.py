"""Which handler serves which message: a table that is never changed in place, only replaced by another."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from routing_core.envelope import SHOWN_TYPE_CHARACTERS
from routing_core.errors import PermissionDenied, TypeNotAllowed, UnknownType
from routing_core.messages import Message

C = TypeVar("C")
M = TypeVar("M", bound=Message)


class UnknownRoute(LookupError):
    """A route that is to be taken out of a table does not stand in it."""


@dataclass(frozen=True)
class Route(Generic[C, M]):
    """One row of the table: messages of this class go to this handler.

    Of the routes of one type the highest `priority` serves, at equal priority the first; one whose
    `condition` refuses the context is passed over. `name` is where the handler stands, as an import
    path; `replies` are what its annotation says it returns.
    """

    message: type[M]
    handler: Callable[[C, M], Awaitable[Message | None]]
    priority: int = field(default=0, kw_only=True)
    condition: Callable[[C], bool] | None = field(default=None, kw_only=True)
    name: str = field(init=False, compare=False)
    replies: tuple[type[Message], ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        name = f"{self.handler.__module__}.{self.handler.__qualname__}"
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "replies", _replies(self.handler))

    @property
    def types(self) -> tuple[str, ...]:
        """The type of its messages, and the aliases."""
        return (self.message.type, *self.message.aliases)

    def accepts(self, ctx: C) -> bool:
        """Whether this route serves the context."""
        return self.condition is None or self.condition(ctx)


class Router(Generic[C]):
    """The whole table: message type → routes, best first.

    `events` and `signals` are what the server sends unasked; their types, those of the replies and the
    further `server_types` are sent by the server alone: a client that sends one is told so. Messages of the
    types `switched_off`, and of their aliases, are refused whatever route they have.
    """

    def __init__(
        self,
        routes: Iterable[Route[C, Any]],
        *,
        events: Iterable[type[Message]] = (),
        signals: Iterable[type[Message]] = (),
        server_types: Iterable[str] = (),
        switched_off: Iterable[str] = (),
    ) -> None:
        """Raises `ValueError` where two classes claim one type, or a client type is a server type."""
        self.routes = tuple(routes)
        self.events, self.signals = tuple(events), tuple(signals)
        self._further = frozenset(server_types)
        unasked = frozenset(each.type for each in (*self.events, *self.signals))
        self.server_types = self._further | unasked
        self.switched_off = frozenset(switched_off)
        self._table: dict[str, tuple[Route[C, Any], ...]] = {}
        for route in sorted(self.routes, key=lambda route: -route.priority):
            for name in route.types:
                self._add(name, route)
        replies = {reply.type for route in self.routes for reply in route.replies}
        self.server_types |= replies - self._table.keys()

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
        """The route that serves this type.

        Raises `UnknownType`, `TypeNotAllowed`, or `PermissionDenied` where the type is switched off.
        """
        for route in self._table.get(name, ()):
            if route.message.type in self.switched_off:
                raise PermissionDenied(received_type=name)
            if route.accepts(ctx):
                return route
        shown = name[:SHOWN_TYPE_CHARACTERS]
        error = TypeNotAllowed if name in self.server_types else UnknownType
        raise error(received_type=shown)

    def with_route(self, route: Route[C, Any]) -> "Router[C]":
        """A table with this route behind all others. Raises `ValueError` as the constructor does."""
        return self._of((*self.routes, route), self.switched_off)

    def without(self, route: Route[C, Any]) -> "Router[C]":
        """A table without this route; of equal ones the first goes. Raises `UnknownRoute`."""
        left = list(self.routes)
        try:
            left.remove(route)
        except ValueError:
            raise UnknownRoute(self._not_there(route)) from None
        return self._of(left, self.switched_off)

    def with_switched_off(self, names: Iterable[str]) -> "Router[C]":
        """A table that refuses these types too. Raises `ValueError` where one is no type of it."""
        chosen = frozenset(names)
        known = {route.message.type for route in self.routes}
        unknown = sorted(chosen - known)
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} cannot be switched off: the types are {', '.join(sorted(known))}"
            )
        return self._of(self.routes, self.switched_off | chosen)

    def _of(self, routes: Iterable[Route[C, Any]], switched_off: frozenset[str]) -> "Router[C]":
        return Router(
            routes,
            events=self.events,
            signals=self.signals,
            server_types=self._further,
            switched_off=switched_off,
        )

    def _not_there(self, route: Route[C, Any]) -> str:
        name = route.message.type
        held = ", ".join(f"{each.name} ({each.priority})" for each in self._table.get(name, ()))
        return (
            f"no route of {name!r} goes to {route.name} with priority {route.priority}; "
            f"there are: {held or 'none'}"
        )

    @property
    def types(self) -> dict[str, tuple[Route[C, Any], ...]]:
        """Every type and alias a client may send, with its routes, best first."""
        return dict(self._table)


def _replies(handler: object) -> tuple[type[Message], ...]:
    """The messages that a handler's annotation says it returns; none where that says nothing."""
    try:
        returned = get_type_hints(handler).get("return")
    except (NameError, TypeError):  # a name only type checkers know; a thing without annotations
        return ()
    kinds = get_args(returned) or (returned,)
    return tuple(each for each in kinds if isinstance(each, type) and issubclass(each, Message))
