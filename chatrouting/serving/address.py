"""Where the site is served: the socket that is listened on, and the guards before it is."""

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Self

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError

from chatrouting.console.operating import no_database
from chatrouting.serving.demo_accounts import open_demo_accounts

BACKLOG = 2_048


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    @classmethod
    def from_environment(cls) -> Self:
        """`HOST` and `PORT`, or the loopback address and 8000. Raises `CommandError`."""
        port = os.environ.get("PORT") or "8000"
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise CommandError(f"PORT is {port!r}; it must be a number from 1 to 65535.")
        return cls(os.environ.get("HOST") or "127.0.0.1", int(port))

    @property
    def url(self) -> str:
        """What to open in a browser on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def listen(self) -> socket.socket:
        """A listening socket. Raises `CommandError` that says why there can be none."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise CommandError(self._refusal(error)) from None

    def _refusal(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"Port {self.port} is in use. Stop what listens there, or set PORT to another."
        return f"Cannot listen on {self.host} port {self.port}: {error.strerror or error}."


def demand_no_demo_accounts(address: Address) -> None:
    """Raises `CommandError` where more than this machine could sign in with the demo password."""
    if settings.DEBUG and address.is_loopback:
        return
    try:
        found = open_demo_accounts()
    except DatabaseError as error:
        raise no_database(error) from None
    if found:
        where = f", and {address.host} is not this machine alone" if settings.DEBUG else ""
        raise CommandError(
            f"The demo accounts {', '.join(found)} can still sign in with the demo password{where}. "
            "Change their passwords (`manage.py changepassword`) or delete them."
        )
