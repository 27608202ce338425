"""Whom the site sees behind proxies: their word counts where they are trusted, and nobody else's."""

import copy
from functools import partial

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.test import override_settings

from chatrouting.connections.models import Connection
from chatrouting.connections.origins import refusal
from chatrouting.database import in_database
from chatrouting.serving.checks import check_trusted_proxies
from chatrouting.serving.proxies import Trusted, TrustedProxies, seen_through
from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.people import make_people, make_person
from tests.agents.waiting import until

PROXIES = ("10.0.0.0/8", "192.0.2.7", "fd00::/8", "unix")
STRANGER = "203.0.113.9"


def scope_of(peer, *headers, kind="websocket"):
    """A scope from this peer; headers are pairs of name and value."""
    pairs = [(name.encode(), value.encode("latin1")) for name, value in headers]
    client = None if peer is None else [peer, 4711]
    return {"type": kind, "scheme": "ws" if kind == "websocket" else "http", "path": "/",
            "method": "GET", "query_string": b"", "client": client, "headers": pairs}  # fmt: skip


def seen(peer, *headers, kind="websocket", proxies=PROXIES):
    return seen_through(Trusted.from_entries(proxies), scope_of(peer, *headers, kind=kind))


def address(peer, *hops):
    client = seen(peer, *(("x-forwarded-for", hop) for hop in hops))["client"]
    return client and client[0]


def scheme(*words, hops="203.0.113.9", kind="websocket"):
    headers = [("x-forwarded-proto", word) for word in words]
    return seen("10.0.0.1", ("x-forwarded-for", hops), *headers, kind=kind)["scheme"]


@pytest.mark.parametrize(
    "peer", ["10.0.0.1", "192.0.2.7", "fd00::1", "::ffff:10.0.0.1", "fd00::1%eth0", None]
)
def test_a_trusted_peer_names_the_client(peer):
    """Row 10: the address is that of the client, not of the proxy."""
    assert address(peer, STRANGER) == STRANGER


@pytest.mark.parametrize(
    "peer", ["11.0.0.1", "192.0.2.8", "fe80::1", "::ffff:11.0.0.1", "", "unix", "testclient"]
)
def test_another_peer_names_nobody(peer):
    """Row 10: trusted proxies only."""
    assert address(peer, STRANGER) == peer


def test_a_unix_socket_is_trusted_only_where_it_is_listed():
    forwarded = ("x-forwarded-for", STRANGER)

    assert seen(None, forwarded)["client"] == [STRANGER, 0]
    assert seen(None, forwarded, proxies=["10.0.0.0/8"])["client"] is None


def test_without_proxies_nobody_is_trusted():
    found = seen("127.0.0.1", ("x-forwarded-for", STRANGER), proxies=[])

    assert (found["client"], found["headers"]) == (["127.0.0.1", 4711], [])


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ([STRANGER], STRANGER),
        (["198.51.100.1, " + STRANGER], STRANGER),
        ([STRANGER + ", 10.0.0.2, 192.0.2.7"], STRANGER),
        (["198.51.100.1", STRANGER, "10.0.0.2"], STRANGER),
        (["nonsense, " + STRANGER + ",10.0.0.2"], STRANGER),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ([STRANGER + ":8080"], STRANGER),
        (["2001:db8::1"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["[2001:db8::1]:443"], "2001:db8::1"),
        (["fe80::1%eth0"], "fe80::1"),
        (["::ffff:203.0.113.9"], STRANGER),
        ([" , " + STRANGER + " ,, "], STRANGER),
    ],
)  # fmt: skip
def test_the_client_is_the_rightmost_who_is_not_trusted(hops, expected):
    """Row 10: what stands left of it is the client's own word."""
    assert address("10.0.0.1", *hops) == expected


@pytest.mark.parametrize(
    "hop",
    ["", "unknown", "_hidden", "203.0.113.9.1", "203.0.113.9:http", "[2001:db8::1", "203.0.113.9 x",
     "2001:db8::1]:443", "[]", "[]:80", ":80", "%", "203.0.113.9, unknown", "\xe4",
     "203.0.113.9, 10.0.0.300, 10.0.0.2"],
)  # fmt: skip
def test_garbage_leaves_the_peer_its_own_address(hop):
    assert address("10.0.0.1", hop) == "10.0.0.1"


@pytest.mark.parametrize(
    ("word", "kind", "expected"),
    [
        ("https", "http", "https"), ("http", "http", "http"),
        ("https", "websocket", "wss"), ("http", "websocket", "ws"),
        ("wss", "websocket", "wss"), ("HTTPS", "websocket", "wss"),
        ("gopher", "http", "http"), ("", "websocket", "ws"),
    ],
)  # fmt: skip
def test_the_scheme_is_the_one_that_a_trusted_proxy_heard(word, kind, expected):
    assert scheme(word, kind=kind) == expected


@pytest.mark.parametrize(
    ("words", "hops", "expected"),
    [
        (["https, http"], "203.0.113.9, 10.0.0.2", "wss"),
        (["https", "http"], "203.0.113.9, 10.0.0.2", "wss"),
        (["https"], "203.0.113.9, 10.0.0.2", "wss"),
        (["https, http"], "203.0.113.9", "ws"),
        (["https, http, http"], "203.0.113.9, 10.0.0.2", "ws"),
    ],
)
def test_of_many_schemes_the_one_beside_the_client_counts(words, hops, expected):
    """A client that says `https` to a proxy which adds `http` is believed by nobody."""
    assert scheme(*words, hops=hops) == expected


FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
             "x-forwarded-anything", "forwarded", "X-Forwarded-Proto", "x_forwarded_proto",
             "x-forwarded_for")  # fmt: skip


@pytest.mark.parametrize("name", FORWARDED)
def test_what_a_stranger_says_of_itself_is_removed(name):
    """Row 10: also in the spellings that become the same name further in."""
    found = seen(STRANGER, (name, "https"), ("host", "chat.example"), ("x-forward", "kept"))

    assert found["headers"] == [(b"host", b"chat.example"), (b"x-forward", b"kept")]


@pytest.mark.parametrize(
    ("lines", "kept"),
    [(["https"], [b"https"]), (["WSS"], [b"https"]), (["http"], [b"http"]),
     (["https", "http"], [b"http"]), (["gopher"], []), ([], [])],
)  # fmt: skip
def test_one_clear_word_about_the_scheme_is_left(lines, kept):
    headers = [("x-forwarded-proto", line) for line in lines]

    found = seen("10.0.0.1", ("x_forwarded_proto", "https"), *headers)["headers"]

    assert found == [(b"x-forwarded-proto", word) for word in kept]


def test_the_scope_is_not_changed_in_place():
    given = scope_of("10.0.0.1", ("x-forwarded-for", STRANGER), ("x-forwarded-proto", "https"))
    before = copy.deepcopy(given)

    seen_through(Trusted.from_entries(PROXIES), given)

    assert given == before


async def test_what_is_no_request_is_handed_on_as_it_is():
    handed = []

    async def application(scope, receive, send):
        handed.append(scope)

    scope = {"type": "lifespan"}
    await TrustedProxies(application, Trusted())(scope, None, None)

    assert handed == [scope]


@pytest.mark.parametrize("header", [None, ("HTTP_X_FORWARDED_PROTO", "https")])
@pytest.mark.parametrize(("peer", "secure"), [("10.0.0.1", True), (STRANGER, False)])
def test_pages_and_sockets_agree_about_tls(header, peer, secure):
    """Row 10: with Django's own setting for it and without, a trusted proxy alone is believed."""
    said = (
        ("x-forwarded-proto", "https"),
        ("host", "chat.example"),
        ("origin", "https://chat.example"),
    )

    with override_settings(SECURE_PROXY_SSL_HEADER=header):
        assert ASGIRequest(seen(peer, *said, kind="http"), None).is_secure() is secure
        assert (refusal(seen(peer, *said)) is None) is secure


@pytest.mark.parametrize(
    "entry", ["10.0.0.1/8", "10.0.0", "proxy.example", "unix:/run/x", "10.0.0.0/33", "*"]
)
def test_an_entry_that_names_nobody_is_named(entry):
    with pytest.raises(ImproperlyConfigured) as refused:
        Trusted.from_entries(["127.0.0.1", entry])

    assert "TRUSTED_PROXIES: " in str(refused.value)
    assert entry in str(refused.value)


def test_the_check_knows_a_bad_entry():
    with override_settings(TRUSTED_PROXIES=["proxy.example"]):
        assert [found.id for found in check_trusted_proxies()] == ["chatrouting.E002"]
    with override_settings(TRUSTED_PROXIES=["127.0.0.1", "unix"]):
        assert check_trusted_proxies() == []


@pytest.fixture(scope="module")
def behind(system):
    """A web process that takes every peer on this machine for its proxy, two sockets an address."""
    return system.web(TRUSTED_PROXIES="127.0.0.1", CHATROUTING_CONNECTIONS_PER_ADDRESS="2")


async def from_behind(web, person, address, scheme="http"):
    """Open a socket as a proxy that ends TLS does for this client."""
    return await ProtocolClient.connect(
        web.url, cookie=person.cookie, origin=f"{scheme}://127.0.0.1:{web.port}",
        headers={"X-Forwarded-For": address, "X-Forwarded-Proto": scheme},
    )  # fmt: skip


def row_of(client):
    return Connection.objects.filter(pk=client.welcome["connection_id"])


async def address_of(client):
    await client.ready()
    return (await in_database(row_of(client).get)).address


async def is_gone(client):
    return not await in_database(row_of(client).exists)


async def test_the_operator_sees_the_client_behind_the_proxy(behind):
    """Row 10: and its page may open a socket over https, which the proxy ended."""
    alice = await in_database(make_person, "alice")

    async with await from_behind(behind, alice, f"1.2.3.4, {STRANGER}", "https") as a:
        assert await address_of(a) == STRANGER


async def test_a_client_without_a_proxy_gives_itself_no_address(web):
    """Row 10: no proxy is trusted here."""
    alice = await in_database(make_person, "alice")

    async with await from_behind(web, alice, STRANGER) as a:
        assert await address_of(a) == "127.0.0.1"


async def test_an_address_has_so_many_sockets_and_no_more(behind):
    """Row 10: over capacity is 4100; other sockets keep working, other addresses are free, a place comes back."""
    alice, bob, carol, dan = await in_database(make_people, 4)

    async with await from_behind(behind, alice, "198.51.100.1") as a:
        async with await from_behind(behind, bob, "198.51.100.1") as b:
            await a.ready(), await b.ready()
            async with await from_behind(behind, carol, "198.51.100.1") as refused:
                told = await refused.expect_close(4100)
            assert told["reconnect"] == "backoff"
            async with await from_behind(behind, carol, "198.51.100.2") as elsewhere:
                await elsewhere.ready()
            assert (await a.ping())["type"] == (await b.ping())["type"] == "pong"
        await until(partial(is_gone, b))
        async with await from_behind(behind, dan, "198.51.100.1") as next_one:
            await next_one.ready()
