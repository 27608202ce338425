"""What may be shown of a call: no secrets, nothing endless, nothing that cannot be kept."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatrouting.agents.masking import MASK, SHOWN_CHARACTERS, SHOWN_ITEMS, masked, storable

SECRET = (
    "password", "Password", "passwd", "pwd", "db_password", "password2", "passwordConfirmation",
    "passphrase", "passcode", "pass", "user_pass", "secret", "client_secret", "token",
    "accessToken", "refresh-token", "api_key", "apiKey", "x-api-key", "private_key",
    "aws_access_key_id", "signing_key", "authorization", "Authorisation", "bearer", "credentials",
    "cookie", "Set-Cookie", "auth", "pin", "otp", "jwt", "session_id", "sessionid", "session-key",
)  # fmt: skip
PLAIN = (
    "name", "key", "keyboard", "author", "authors", "compass", "bypass", "passenger", "spin",
    "pinned", "opinion", "session", "query", "id", "expression",
)  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_a_name_that_looks_secret_hides_its_value(name):
    """Row 96: names that look secret are masked."""
    assert masked({name: "hunter2"}) == {name: MASK}


@pytest.mark.parametrize("name", PLAIN)
def test_another_name_hides_nothing(name):
    assert masked({name: "shown"}) == {name: "shown"}


def test_a_secret_object_is_hidden_whole():
    assert masked({"credentials": {"user": "a", "value": [1, 2]}}) == {"credentials": MASK}


def test_secrets_are_found_at_any_depth():
    assert masked({"a": [{"b": {"token": "x", "c": 1}}]}) == {"a": [{"b": {"token": MASK, "c": 1}}]}


def test_a_long_text_is_cut_with_a_mark():
    """Row 96: long values cut with a mark."""
    assert masked("x" * 5_000) == "x" * SHOWN_CHARACTERS + "… (5,000 characters in all)"


def test_a_text_that_just_fits_is_whole():
    assert masked("x" * SHOWN_CHARACTERS) == "x" * SHOWN_CHARACTERS


def test_a_long_list_is_cut_with_a_mark():
    shown = masked(list(range(250)))

    assert shown == [*range(SHOWN_ITEMS), "… (250 items in all)"]


def test_an_object_of_many_names_is_cut_with_a_mark():
    shown = masked({f"n{number}": number for number in range(250)})

    assert len(shown) == SHOWN_ITEMS + 1
    assert shown["…"] == "… (250 names in all)"


def test_a_deep_value_is_cut():
    deep = value = []
    for _ in range(50):
        value.append([])
        value = value[0]

    assert json.dumps(masked(deep)) == "[" * 8 + '"\\u2026"' + "]" * 8


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain é😀", "plain é😀"),
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\udc00", "\ufffd"),
        ("\ud83d\ude00", "😀"),
        ("\x01\x1b", "\x01\x1b"),
    ],
)
def test_what_no_database_keeps_is_replaced(text, kept):
    assert storable(text) == kept
    assert masked({text: [text]}) == {kept: [kept]}


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_json_does_not_have_is_null(number):
    assert masked([number, 1.5]) == [None, 1.5]


surrogates = st.text(alphabet=st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | surrogates,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(surrogates, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_whatever_is_shown_can_be_sent_and_kept(value):
    shown = masked(value)

    assert b"\\u0000" not in msgspec.json.encode(shown)
    json.dumps(shown, allow_nan=False).encode()


@given(st.dictionaries(st.sampled_from(SECRET), st.text(), min_size=1))
def test_no_secret_is_shown_anywhere(secrets):
    assert masked({"list": [secrets]}) == {"list": [dict.fromkeys(secrets, MASK)]}
