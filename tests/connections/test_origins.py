"""Which pages may open a socket."""

import pytest
from django.test import override_settings

from chatrouting.connections.origins import OriginGuard, refusal
from tests.connections.headers import handshake


def taken(origin, host="chat.example:8000", scheme="ws", **headers):
    return refusal(handshake(scheme, origin=origin, host=host, **headers)) is None


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://chat.example:8000", "chat.example:8000", "ws"),
        ("http://CHAT.example:8000", "chat.EXAMPLE:8000", "ws"),
        ("http://chat.example", "chat.example", "ws"),
        ("http://chat.example", "chat.example:80", "ws"),
        ("http://chat.example:80", "chat.example", "ws"),
        ("https://chat.example", "chat.example", "wss"),
        ("https://chat.example", "chat.example:443", "wss"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "ws"),
        ("http://[::1]:8000", "[::1]:8000", "ws"),
    ],
)
def test_the_sites_own_origin_is_taken(origin, host, scheme):
    assert taken(origin, host, scheme)


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://evil.example", "chat.example", "ws"),
        ("http://chat.example.evil.example", "chat.example", "ws"),
        ("http://evilchat.example", "chat.example", "ws"),
        ("http://sub.chat.example", "chat.example", "ws"),
        ("http://chat.example:8001", "chat.example:8000", "ws"),
        ("http://chat.example", "chat.example:8000", "ws"),
        ("https://chat.example", "chat.example", "ws"),
        ("http://chat.example", "chat.example", "wss"),
        ("https://chat.example:80", "chat.example:80", "ws"),
        ("http://localhost:8000", "127.0.0.1:8000", "ws"),
        ("null", "chat.example", "ws"),
        ("*", "chat.example", "ws"),
        ("chat.example", "chat.example", "ws"),
        ("//chat.example", "chat.example", "ws"),
        ("file://", "chat.example", "ws"),
        ("http://", "", "ws"),
        ("http://chat.example:99999", "chat.example:99999", "ws"),
        ("http://chat.example:x", "chat.example:x", "ws"),
        ("http://[::1", "[::1", "ws"),
        ("http://chat.example/path", "chat.example", "ws"),
        ("http://chat.example http://evil.example", "chat.example", "ws"),
        ("http://chat.example, http://evil.example", "chat.example", "ws"),
        ("http://ch\u00e4t.example", "chat.example", "ws"),
    ],
)
def test_a_foreign_origin_is_refused_with_the_reason(origin, host, scheme):
    """Row 9: foreign origins are refused, and logged with the reason."""
    reason = refusal(handshake(scheme, origin=origin, host=host))

    assert reason is not None and reason.startswith("foreign Origin")


@pytest.mark.parametrize("headers", [{}, {"origin": ""}])
@pytest.mark.parametrize("hosts", [["chat.example"], ["*"]])
def test_a_missing_origin_is_refused_also_where_any_host_is_allowed(headers, hosts):
    """Row 9: a missing Origin is refused."""
    with override_settings(ALLOWED_HOSTS=hosts):
        assert refusal(handshake(host="chat.example", **headers)) == "no Origin"


def test_a_handshake_without_a_host_is_refused():
    assert refusal(handshake(origin="http://chat.example")) is not None


@pytest.mark.parametrize(
    ("trusted", "origin", "expected"),
    [
        ("https://app.example", "https://app.example", True),
        ("https://app.example", "https://app.example:443", True),
        ("https://app.example", "http://app.example", False),
        ("https://app.example", "https://app.example:8443", False),
        ("https://app.example:8443", "https://app.example:8443", True),
        ("https://app.example", "https://sub.app.example", False),
        ("https://*.app.example", "https://sub.app.example", True),
        ("https://*.app.example", "https://a.b.app.example", True),
        ("https://*.app.example", "https://app.example", True),
        ("https://*.app.example", "https://evilapp.example", False),
        ("https://*.app.example", "https://sub.app.example.evil.example", False),
        ("https://*.app.example", "http://sub.app.example", False),
        ("https://*.app.example", "https://sub.app.example:8443", False),
        ("https://*.app.example:8443", "https://sub.app.example:8443", True),
        ("https://*.app.example", "null", False),
    ],
)
def test_trusted_origins_are_read_as_django_reads_them(trusted, origin, expected):
    with override_settings(CSRF_TRUSTED_ORIGINS=[trusted]):
        assert taken(origin, "chat.example") is expected


@pytest.mark.parametrize(
    ("scheme", "said", "origin", "expected"),
    [
        ("ws", "https", "https://chat.example", True),
        ("ws", "https,http", "https://chat.example", True),
        ("ws", "https", "http://chat.example", False),
        ("ws", "http", "http://chat.example", True),
        ("ws", "http", "https://chat.example", False),
        ("wss", None, "https://chat.example", True),
        ("ws", None, "http://chat.example", True),
    ],
)
def test_the_proxys_word_counts_where_the_settings_say_so(scheme, said, origin, expected):
    headers = {} if said is None else {"x_forwarded_proto": said}
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert taken(origin, "chat.example", scheme, **headers) is expected


def test_a_clients_word_about_tls_does_not_count():
    assert not taken("https://chat.example", "chat.example", x_forwarded_proto="https")


class Handshake:
    """The server's side of a handshake."""

    def __init__(self):
        self.sent = []
        self.passed = False

    async def application(self, scope, receive, send):
        self.passed = True

    async def receive(self):
        return {"type": "websocket.connect"}

    async def send(self, message):
        self.sent.append(message)


async def test_a_refused_handshake_is_closed_before_it_is_accepted(caplog):
    """Row 9: refused before accept, and logged with the reason."""
    server = Handshake()
    scope = handshake(origin="http://evil.example", host="chat.example")

    await OriginGuard(server.application)(scope, server.receive, server.send)

    assert (server.passed, server.sent) == (False, [{"type": "websocket.close"}])
    assert "foreign Origin 'http://evil.example'" in caplog.text


async def test_the_log_holds_no_line_that_a_client_wrote(caplog):
    server = Handshake()
    scope = handshake(origin="x\r\nforged line " + "y" * 5_000, host="chat.example")

    await OriginGuard(server.application)(scope, server.receive, server.send)

    assert len(caplog.messages) == 1
    assert "\n" not in caplog.messages[0] and len(caplog.messages[0]) < 400


async def test_the_sites_own_page_is_let_through():
    server = Handshake()
    scope = handshake(origin="http://chat.example", host="chat.example")

    await OriginGuard(server.application)(scope, server.receive, server.send)

    assert (server.passed, server.sent) == (True, [])
