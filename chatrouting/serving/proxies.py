"""Who a request comes from and by which scheme, where proxies stand before the site.

What `X-Forwarded-For` and `X-Forwarded-Proto` say counts where the peer is one of `TRUSTED_PROXIES`. From
anybody else such headers are a client's own words: nothing behind this wrapper gets to see them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Self

from asgiref.typing import ASGI3Application
from django.core.exceptions import ImproperlyConfigured

Address = IPv4Address | IPv6Address
Headers = Sequence[tuple[bytes, bytes]]

UNIX = "unix"
FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"

# Whether a word of `X-Forwarded-Proto` means TLS; some proxies say `wss` where a socket is opened.
SECURE = {"http": False, "ws": False, "https": True, "wss": True}
# By type of scope: its scheme without TLS, and with it.
SCHEMES = {"http": ("http", "https"), "websocket": ("ws", "wss")}

# An address with a port; one of IPv6 stands in brackets then. Without a port it may do so.
WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d{1,5})?|([^:\[\]]*):\d{1,5}")


@dataclass(frozen=True, slots=True)
class Trusted:
    """The peers whose word about their clients counts."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    unix: bool = False

    @classmethod
    def from_entries(cls, entries: Iterable[str]) -> Self:
        """From addresses, networks, and `unix` for whoever comes by a unix socket.

        Raises `ImproperlyConfigured` that names the entry which is none of these.
        """
        named = set(entries)
        return cls(tuple(_network(entry) for entry in sorted(named - {UNIX})), UNIX in named)

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self.networks)

    def knows(self, client: Sequence[Any] | None) -> bool:
        """Whether this peer, the `client` of a scope, is one of them. A unix socket has no address."""
        if not client:
            return self.unix
        address = _address(str(client[0]))
        return address is not None and address in self


class TrustedProxies:
    """Gives an application each scope as its client made it."""

    def __init__(self, application: ASGI3Application, trusted: Trusted) -> None:
        self.application = application
        self.trusted = trusted

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.application(seen_through(self.trusted, scope), receive, send)


def seen_through(trusted: Trusted, scope: Any) -> Any:
    """The scope with the address and the scheme of the client, as far as trusted proxies tell of them.

    `X-Forwarded-Proto` is left as one word, which is the scheme's, or not at all: whoever reads the header
    and whoever reads the scheme see the same. The given scope is not changed.
    """
    if scope["type"] not in SCHEMES:
        return scope
    headers: Headers = scope["headers"]
    if not trusted.knows(scope.get("client")):
        return {**scope, "headers": [each for each in headers if not _forwarded(each[0])]}
    address, place = _client(_words(headers, FOR), trusted)
    secure = _secure(_words(headers, PROTO), place)
    seen = {**scope, "headers": _told(headers, secure)}
    if address is not None:
        seen["client"] = [str(address), 0]
    if secure is not None:
        seen["scheme"] = SCHEMES[scope["type"]][secure]
    return seen


def _client(hops: Sequence[str], trusted: Trusted) -> tuple[Address | None, int]:
    """The client's address, and its place from the right; None where nobody who is trusted tells it.

    Every proxy adds on the right whom it heard. The first who is not trusted is the client: what stands
    left of it is its own word. Where all are trusted the request began at the leftmost.
    """
    found, place = None, 1
    for number, hop in enumerate(reversed(hops), 1):
        address = _address(hop)
        if address is None:
            return None, 1
        found, place = address, number
        if address not in trusted:
            break
    return found, place


def _secure(words: Sequence[str], place: int) -> bool | None:
    """Whether the client came by TLS; None where it is not told.

    Where every proxy adds its word, that of the proxy which heard the client stands at the client's place.
    Where one overwrites what it got there are fewer words, and the leftmost is nearest to the client.
    """
    return SECURE.get(words[-min(place, len(words))].lower()) if words else None


def _told(headers: Headers, secure: bool | None) -> list[tuple[bytes, bytes]]:
    """The headers with one clear word about TLS, or none."""
    kept = [each for each in headers if _plain(each[0]) != PROTO and not _disguised(each[0])]
    if secure is not None:
        kept.append((PROTO, b"https" if secure else b"http"))
    return kept


def _words(headers: Headers, wanted: bytes) -> list[str]:
    """What stands in this header, which is a list that may be spread over several lines."""
    lines = [value.decode("latin1") for name, value in headers if name.lower() == wanted]
    return [word.strip() for word in ",".join(lines).split(",") if word.strip()]


def _forwarded(name: bytes) -> bool:
    plain = _plain(name)
    return plain == b"forwarded" or plain.startswith(b"x-forwarded-")


def _disguised(name: bytes) -> bool:
    """A name that a proxy does not take for the header it sets, and an application might."""
    return b"_" in name and _forwarded(name)


def _plain(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


def _address(text: str) -> Address | None:
    """An address as a proxy or a server writes it; None where it is none."""
    with_port = WITH_PORT.fullmatch(text)
    host = (with_port[1] or with_port[2] or "") if with_port else text
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"TRUSTED_PROXIES: {error}. "
            f"It holds addresses, networks such as 10.0.0.0/8, or the word {UNIX}."
        ) from None
