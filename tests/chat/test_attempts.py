"""Failed sign-ins are counted by name and address together, for all processes, and for a while."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import override_settings

from chatrouting.chat import attempts
from chatrouting.chat.attempts import Attempt
from chatrouting.conf import chat_settings
from chatrouting.testing.system import wait_until

HERE, THERE = "192.0.2.1", "192.0.2.2"


def allowed():
    return chat_settings().sign_in_failures


def an_attempt(address=HERE):
    return Attempt(uuid.uuid4().hex, address)


def locked_out(attempt):
    for _ in range(allowed()):
        assert attempt.begin() == 0
    return attempt


@pytest.fixture
def one_second(monkeypatch):
    """The pause is over in a second."""
    brief = msgspec.structs.replace(chat_settings(), sign_in_pause_seconds=1)
    monkeypatch.setattr(attempts, "chat_settings", lambda: brief)


@pytest.fixture
def without_valkey(tmp_path):
    """Nobody answers where all processes count."""
    away = {**settings.CACHES["sign_in"], "LOCATION": [f"unix://{tmp_path}/nobody.sock"]}
    with override_settings(CACHES={**settings.CACHES, "sign_in": away}):
        yield


def test_five_may_fail_and_the_sixth_waits_five_minutes():
    attempt = an_attempt()

    waits = [attempt.begin() for _ in range(6)]

    assert waits[:5] == [0] * 5
    assert 280 < waits[5] <= 300


def test_many_at_once_find_no_gap():
    attempt = an_attempt()

    with ThreadPoolExecutor(16) as threads:
        waits = list(threads.map(lambda _: attempt.begin(), range(48)))

    assert waits.count(0) == allowed()


def test_a_stranger_cannot_lock_a_user_out():
    stranger = locked_out(an_attempt(THERE))

    assert Attempt(stranger.name, HERE).begin() == 0


def test_an_address_that_tries_one_name_locks_out_no_other():
    locked_out(an_attempt())

    assert an_attempt().begin() == 0


def test_a_name_and_an_address_do_not_run_into_each_other():
    """A stranger with a like name at a like address is still a stranger."""
    name = uuid.uuid4().hex

    assert Attempt(f"{name}1", "1.2.3.4").key != Attempt(name, "11.2.3.4").key
    assert Attempt(f"4{name}", "1.2.3.4").key != Attempt(name, "1.2.3.44").key
    assert Attempt(f"1.2.3.4 {name}", "").key != Attempt(name, "1.2.3.4").key


def test_a_name_in_capitals_is_no_other_name():
    attempt = locked_out(an_attempt())

    assert Attempt(attempt.name.upper(), HERE).begin() > 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_an_ipv6_network_of_64_bits_is_one_address(one, other, same):
    assert (Attempt("a", one).key == Attempt("a", other).key) is same


def test_a_success_forgets_the_failures():
    attempt = locked_out(an_attempt())

    attempt.succeeded()

    locked_out(attempt)


def test_after_the_pause_all_attempts_are_there_again_also_for_who_did_not_wait(one_second):
    """What the page said of when to try again stays true."""
    attempt = locked_out(an_attempt())
    assert attempt.begin() == 1

    wait_until(lambda: attempt.begin() == 0, "the end of the pause", 3)

    for _ in range(allowed() - 1):
        assert attempt.begin() == 0
    assert attempt.begin() > 0


def test_a_count_that_ended_while_it_was_raised_ends_again(monkeypatch):
    """Valkey begins a number that is not there without an end."""
    attempt, shared = an_attempt(), caches["sign_in"]
    monkeypatch.setattr(type(shared), "add", lambda *_: False)
    monkeypatch.setattr(type(shared._cache), "incr", _as_if_it_were_there)

    attempt.begin()

    client = shared._cache.get_client()
    assert 0 < client.ttl(shared.make_key(attempt.key)) <= chat_settings().sign_in_pause_seconds


def _as_if_it_were_there(self, key, delta):
    return self.get_client(key, write=True).incr(key, delta)


def test_valkey_is_told_neither_name_nor_address_nor_objects():
    attempt = locked_out(an_attempt())
    client = caches["sign_in"]._cache.get_client()

    keys = [key.decode() for key in client.scan_iter("*sign_in*")]

    assert any(attempt.key in key for key in keys)
    assert not [key for key in keys if attempt.name in key or HERE in key]
    values = [value for key in keys if (value := client.get(key)) is not None]  # others expire
    assert values and all(value.isdigit() for value in values)


def test_without_valkey_each_process_counts_alone(without_valkey, caplog):
    """Row 53: who knows the password gets in, and nobody may guess without end."""
    attempt = locked_out(an_attempt())

    assert attempt.begin() > 0
    assert "counts failed sign-ins alone" in caplog.text
    assert attempt.name not in caplog.text


def test_without_valkey_a_success_forgets_the_failures(without_valkey):
    attempt = locked_out(an_attempt())

    attempt.succeeded()

    assert attempt.begin() == 0
