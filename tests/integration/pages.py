"""A browser without a window: reads a page, sends its form, and keeps the cookies it is given."""

import contextlib
import http.client
from http.cookies import SimpleCookie
from typing import Self
from urllib.parse import urlencode

from django.conf import settings

from chatrouting.testing.people import Person
from chatrouting.testing.system import HOST, Web

TOKEN = "c" * 32
FORM = "application/x-www-form-urlencoded"


class Pages:
    """The pages of a web process, for whoever the cookies say. `body` is what was read last."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self.cookies = {settings.CSRF_COOKIE_NAME: TOKEN}
        self.body = ""

    @classmethod
    def of(cls, web: Web, person: Person) -> Self:
        """For a person who is signed in."""
        pages = cls(web)
        pages.cookies[settings.SESSION_COOKIE_NAME] = person.session_key
        return pages

    @property
    def session_key(self) -> str:
        """Which session the browser has now."""
        return self.cookies[settings.SESSION_COOKIE_NAME]

    def get(self, path: str) -> int:
        """Read a page. Returns the status."""
        return self._ask("GET", path)

    def post(self, path: str, **form: str) -> int:
        """Send a form as the page does. Returns the status."""
        return self._ask("POST", path, urlencode(form))

    def _ask(self, method: str, path: str, body: str | None = None) -> int:
        headers = {
            "Content-Type": FORM,
            "X-CSRFToken": TOKEN,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        connection = http.client.HTTPConnection(HOST, self._web.port, timeout=15)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            for header in response.headers.get_all("Set-Cookie", []):
                self._keep(SimpleCookie(header))
            self.body = response.read().decode()
            return response.status

    def _keep(self, cookies: SimpleCookie) -> None:
        for name, morsel in cookies.items():
            if name != settings.CSRF_COOKIE_NAME:
                self.cookies[name] = morsel.value
