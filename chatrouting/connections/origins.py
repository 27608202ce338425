"""Which pages may open a socket: this site's own, and those the settings trust."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from asgiref.typing import ASGI3Application
from django.conf import settings

from chatrouting import counters

logger = logging.getLogger(__name__)

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class OriginGuard:
    """Refuses a handshake before it is accepted where `Origin` is foreign or missing."""

    def __init__(self, application: ASGI3Application) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        reason = refusal(scope)
        if reason is None:
            await self.application(scope, receive, send)
            return
        counters.connections_refused.labels("origin").inc()
        logger.warning("a socket was refused: %s", reason)
        await receive()
        await send({"type": "websocket.close"})


def refusal(scope: Mapping[str, Any]) -> str | None:
    """Why this handshake is refused; None where it is not."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin1")
    if not origin:
        return "no Origin"
    if _same(origin, _own(scope, headers)) or any(
        _trusts(trusted, origin) for trusted in settings.CSRF_TRUSTED_ORIGINS
    ):
        return None
    return f"foreign Origin {origin[:200]!r}"


def _own(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
    scheme = "https" if _secure(scope, headers) else "http"
    return f"{scheme}://{headers.get(b'host', b'').decode('latin1')}"


def _secure(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
    """Whether the request came by TLS; a proxy's word counts only where Django takes it too."""
    trusted: tuple[str, str] | None = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    if trusted:
        name = trusted[0].removeprefix("HTTP_").replace("_", "-").lower().encode()
        if name in headers:
            return headers[name].decode("latin1").split(",")[0].strip() == trusted[1]
    return scope.get("scheme") in ("wss", "https")


def _same(one: str, other: str) -> bool:
    left, right = _parts(one), _parts(other)
    return left is not None and left == right


def _parts(origin: str) -> tuple[str, str, int] | None:
    try:
        split = urlsplit(origin)
        port = split.port or PORTS.get(split.scheme)
    except ValueError:
        return None
    if not split.hostname or port is None or split.path not in ("", "/"):
        return None
    return split.scheme, split.hostname.lower(), port


def _trusts(trusted: str, origin: str) -> bool:
    """As Django reads `CSRF_TRUSTED_ORIGINS`: exact, or with `*.` for the domain and all below it."""
    if "*" not in trusted:
        return _same(trusted, origin)
    pattern, given = _parts(trusted.replace("*.", "", 1)), _parts(origin)
    if pattern is None or given is None:
        return False
    below = f".{given[1]}".endswith(f".{pattern[1]}")
    return below and (pattern[0], pattern[2]) == (given[0], given[2])
