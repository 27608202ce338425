"""The tests on PostgreSQL: every process of theirs has a database of its own."""

import pytest

from tests.databases import created, own_url

NAMED = "postgres://someone:secret@host:5433/chat"


def test_the_database_that_is_named_is_not_the_one_that_is_used():
    assert own_url(NAMED) == "postgres://someone:secret@host:5433/test_chat"


def test_every_worker_of_several_has_its_own():
    assert own_url(NAMED, "gw1") == "postgres://someone:secret@host:5433/test_chat_gw1"


def test_options_are_kept():
    assert own_url(f"{NAMED}?sslmode=require").endswith("/test_chat?sslmode=require")


def test_an_address_of_another_kind_stays_as_it_is():
    assert own_url("sqlite:////data/chat.sqlite3", "gw1") == "sqlite:////data/chat.sqlite3"


def test_a_database_of_others_is_never_removed():
    with pytest.raises(AssertionError, match="would remove chat"), created({"NAME": "chat"}):
        pass
