"""The table that this process serves by now: routes come and go in one step each, from any thread.

    from routing_core.live import live_router

    live_router().register(Route(CountWords, count_words))

Who reads it takes one whole table and keeps it for the message at hand: that one is served by the handler
it was given, the next by the table of then.
"""

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string

from routing_core.router import Route, Router

C = TypeVar("C")

VARIABLE = "CHATROUTING_ROUTER"

Change: TypeAlias = Callable[[Router[C]], Router[C]]


class LiveRouter(Generic[C]):
    """Holds a table and replaces it. The first one is loaded when it is first asked for.

    What is registered before that waits for it and comes behind its routes, so it does not matter which
    module is imported first: `AppConfig.ready` is a good place, a module of handlers as well.
    """

    def __init__(self, load: Callable[[], Router[C]]) -> None:
        self._load = load
        self._router: Router[C] | None = None
        self._waiting: tuple[Change[C], ...] = ()
        self._lock = threading.Lock()

    def current(self) -> Router[C]:
        """The whole table of this moment.

        Raises what loading it raises, and `ValueError` where a route that was registered before does not fit.
        """
        return self._router or self._loaded()

    def _loaded(self) -> Router[C]:
        found = self._load()  # without the lock: it imports, and what it imports may register
        with self._lock:
            if self._router is None:
                for change in self._waiting:
                    found = change(found)
                self._router, self._waiting = found, ()
            return self._router

    def register(self, route: Route[C, Any]) -> None:
        """Serve with this route from the next message on. Raises `ValueError` where it does not fit."""
        self.change(lambda router: router.with_route(route))

    def unregister(self, route: Route[C, Any]) -> None:
        """Serve without this route from the next message on. Raises `UnknownRoute`, and changes nothing."""
        self.change(lambda router: router.without(route))

    def change(self, change: Change[C]) -> None:
        """Serve by the table that this makes of the one of now. What it raises changes nothing."""
        with self._lock:
            if self._router is None:
                self._waiting = (*self._waiting, change)
            else:
                self._router = change(self._router)


def live_router() -> LiveRouter[Any]:
    """What this process serves by: the table that the environment or `settings.CHATROUTING["ROUTER"]` names."""
    declared = getattr(settings, "CHATROUTING", {}).get("ROUTER", "")
    return _live_router(os.environ.get(VARIABLE) or declared)


@functools.cache
def _live_router(path: str) -> LiveRouter[Any]:
    return LiveRouter(lambda: _router_at(path))


def _router_at(path: str) -> Router[Any]:
    """Raises `ImportError` or `TypeError`."""
    router = import_string(path)
    if not isinstance(router, Router):
        raise TypeError(f"{path} is a {type(router).__name__}, not a Router")
    return router
