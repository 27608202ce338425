"""One connection to Valkey: what leaves, what comes back, and what is no Valkey at all."""

import asyncio
import ssl

import pytest
from django.conf import settings
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as NotAnswered

from chatrouting.stream import wire as module
from chatrouting.stream.wire import answers, connect
from tests.stream.peers import GREETING, Between, Peer
from tests.stream.streams import new_id

SOCKET = settings.REDIS_URL.removeprefix("unix://")


@pytest.fixture
async def wire(services):
    opened = await connect(settings.REDIS_URL)
    yield opened
    opened.close()


@pytest.fixture
def peer(tmp_path):
    return lambda answer: Peer(tmp_path / "peer.sock", answer)


def after_greeting(then):
    """Greets as Valkey does, then answers as `then` does."""
    return lambda data: GREETING if b"INFO" in data else then(data)


class Counting:
    """A transport that counts its writes."""

    def __init__(self, transport):
        self.transport, self.writes = transport, 0

    def write(self, data):
        self.writes += 1
        self.transport.write(data)

    def __getattr__(self, name):
        return getattr(self.transport, name)


async def test_it_knows_which_server_it_speaks_to(wire):
    info = (await answers(wire, [("INFO", "server")]))[0]

    assert wire.server_id
    assert wire.server_id.encode() in info


async def test_commands_of_a_turn_leave_in_one_write(wire):
    wire._transport = counting = Counting(wire._transport)

    sent = [wire.send("ECHO", str(number)) for number in range(100)]

    assert [int(await answer) for answer in sent] == list(range(100))
    assert counting.writes == 1


async def test_a_refused_command_is_told_in_its_place(wire):
    found = await answers(wire, [("ECHO", "a"), ("NONSENSE",), ("EVALSHA", "0" * 40, 0)])

    assert found[0] == b"a"
    assert [type(each) for each in found[1:]] == [ResponseError, NoScriptError]


async def test_arguments_of_every_kind_arrive_as_they_are(wire):
    key, value = new_id(), bytes(range(256)) * 300

    (_, found, *numbers) = await answers(
        wire, [("SET", key, value), ("GET", key), ("ECHO", 7), ("ECHO", 1.5), ("ECHO", "ü")]
    )

    assert found == value
    assert numbers == [b"7", b"1.5", "ü".encode()]


async def test_what_waits_fails_with_the_connection(wire):
    waiting = wire.send("BLPOP", new_id(), 0)
    await asyncio.sleep(0)

    wire.close()

    assert isinstance(await asyncio.wait_for(waiting, 5), NotConnected)
    with pytest.raises(NotConnected):
        wire.send("PING")


async def test_a_late_answer_ends_the_connection(wire, monkeypatch):
    """What comes later would be taken for another command's."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)

    with pytest.raises(NotAnswered):
        await answers(wire, [("BLPOP", new_id(), 0)])

    await asyncio.wait_for(wire.lost, 5)


async def test_an_answer_whose_caller_left_disturbs_no_other(wire):
    left = asyncio.create_task(answers(wire, [("ECHO", "left")]))
    await asyncio.sleep(0)
    left.cancel()

    assert await answers(wire, [("ECHO", "stays")]) == [b"stays"]


async def test_more_than_may_wait_is_refused(wire, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    sent = [wire.send("PING") for _ in range(2)]

    with pytest.raises(NotConnected, match="2 commands wait"):
        wire.send("PING")

    assert [await answer for answer in sent] == [b"PONG", b"PONG"]


async def test_commands_that_belong_together_are_sent_all_or_none(wire, monkeypatch):
    """A transaction that was begun and not ended would leave every other command unanswered."""
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    waiting = wire.send("PING")

    with pytest.raises(NotConnected, match="3 commands wait"):
        await answers(wire, [("MULTI",), ("PING",), ("EXEC",)])

    assert await waiting == b"PONG"
    assert await wire.send("PING") == b"PONG"


async def test_what_valkey_does_not_take_is_refused(tmp_path, peer, monkeypatch):
    monkeypatch.setattr(module, "MOST_UNSENT", 1024)
    async with peer(after_greeting(lambda data: None)) as deaf:
        wire = await connect(deaf.url)
        wire._transport.pause_reading()
        wire._transport.write(b"x" * 8_000_000)
        with pytest.raises(NotConnected, match="does not take"):
            wire.send("PING")
        wire.close()


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"+OK\r\n",
        b":7\r\n",
        b"*0\r\n",
        b"$-1\r\n",
        b"$9\r\nrun_id:\r\n\r\n",
        b"-NOPERM no permission to run 'info'\r\n",
        None,
    ],
)
async def test_what_is_no_valkey_is_told_as_such(peer, says):
    async with peer(lambda data: says) as stranger:
        with pytest.raises(NotConnected):
            await connect(stranger.url)


async def test_one_that_says_nothing_is_given_up_in_time(peer, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    async with peer(lambda data: b"") as silent:
        with pytest.raises(NotAnswered):
            await connect(silent.url)


@pytest.mark.parametrize("url", ["unix:///nowhere/at.all", "redis://127.0.0.1:1"])
async def test_nobody_there_is_told_as_such(url):
    with pytest.raises(NotConnected, match="cannot be reached"):
        await connect(url)


async def test_a_user_signs_in_with_name_and_password(wire):
    name = new_id()
    await answers(wire, [("ACL", "SETUSER", name, "on", ">secret", "~*", "&*", "+@all")])

    signed_in = await connect(f"unix://{name}:secret@{SOCKET}")
    (who,) = await answers(signed_in, [("ACL", "WHOAMI")])
    signed_in.close()
    with pytest.raises(NotConnected, match="WRONGPASS"):
        await connect(f"unix://{name}:wrong@{SOCKET}")

    assert who == name.encode()


async def test_a_user_who_may_not_ask_for_the_server_is_told_what_is_needed(wire):
    name = new_id()
    await answers(wire, [("ACL", "SETUSER", name, "on", ">p", "~*", "&*", "+@all", "-info")])

    with pytest.raises(NotConnected, match="NOPERM"):
        await connect(f"unix://{name}:p@{SOCKET}")


async def test_the_address_names_the_database(wire):
    key = new_id()
    other = await connect(f"{settings.REDIS_URL}?db=3")
    await answers(other, [("SET", key, "there")])

    (here,) = await answers(wire, [("GET", key)])
    (there,) = await answers(other, [("GET", key)])
    other.close()

    assert (here, there) == (None, b"there")


async def test_a_port_is_reached_as_a_socket_is(services):
    async with Between(SOCKET).listening() as port:
        wire = await connect(f"redis://127.0.0.1:{port}/0")
        assert await answers(wire, [("PING",)]) == [b"PONG"]
        wire.close()


async def test_tls_is_spoken_to_who_has_the_right_certificate(services, certificate):
    async with Between(SOCKET, certificate.server).listening() as port:
        url = f"rediss://localhost:{port}"
        wire = await connect(f"{url}?ssl_ca_certs={certificate.path}")
        assert await answers(wire, [("PING",)]) == [b"PONG"]
        wire.close()
        unchecked = await connect(f"{url}?ssl_cert_reqs=none")
        unchecked.close()
        with pytest.raises(NotConnected, match="CERTIFICATE_VERIFY_FAILED"):
            await connect(url)


async def test_a_client_shows_the_certificate_of_its_address(services, certificate):
    certificate.server.load_verify_locations(certificate.path)
    certificate.server.verify_mode = ssl.CERT_REQUIRED
    async with Between(SOCKET, certificate.server).listening() as port:
        url = f"rediss://localhost:{port}?ssl_ca_certs={certificate.path}"
        wire = await connect(f"{url}&ssl_certfile={certificate.path}&ssl_keyfile={certificate.key}")
        assert await answers(wire, [("PING",)]) == [b"PONG"]
        wire.close()
        with pytest.raises(RedisError):
            await connect(url)


async def test_a_push_is_told_as_it_comes(services):
    came, heard = [], asyncio.Event()
    wire = await connect(settings.REDIS_URL, lambda push: (came.append(push), heard.set()))

    wire.push("SUBSCRIBE", "channel")
    await asyncio.wait_for(heard.wait(), 5)
    wire.close()

    assert came == [[b"subscribe", b"channel", 1]]
