"""What the lists and rows say, and what they cost."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatrouting.conf import chat_settings
from chatrouting.console.durations import time_taken
from chatrouting.testing.people import make_person
from tests.console.samples import (
    list_of,
    make_connection,
    make_message,
    make_process,
    make_run,
    make_thread,
    operator,
    page_of,
    superuser,
)


def shown(client, path, **query):
    response = client.get(path, query)
    assert response.status_code == 200
    return response.content.decode()


def queries(client, path, **query):
    client.get(path, query)
    with CaptureQueriesContext(connection) as captured:
        shown(client, path, **query)
    return len(captured)


def test_a_live_connection_is_listed_with_all_the_operator_wants_to_know():
    person = make_person()
    row = make_connection(person)

    html = shown(operator("connections.Connection"), list_of("connections.Connection"))

    for text in (
        person.name,
        "192.0.2.7",
        "Firefox 140 on Linux",
        str(row.process),
        "4711",
        row.opened_at.strftime("%Y-%m-%d %H:%M:%S"),
    ):
        assert text in html


def test_connections_of_a_dead_process_are_not_shown():
    """Row 59."""
    dead = make_process(seen_seconds_ago=chat_settings().process_dead_seconds + 1)
    client, row = superuser(), make_connection(make_person(), dead)

    assert str(row.pk) not in shown(client, list_of("connections.Connection"))
    assert str(dead) not in shown(client, list_of("connections.Process"))
    assert client.get(page_of(row)).status_code == 302


def test_a_run_is_shown_with_its_tool_calls():
    run = make_run(make_person(), tool_calls=2)

    html = shown(superuser(), page_of(run))

    assert "calculator" in html
    assert "{&quot;expression&quot;: &quot;1 + 1&quot;}" in html
    assert "0:01:30" in html


def test_a_thread_is_shown_with_its_messages_in_pages():
    thread = make_thread(make_person(), messages=25)

    html = shown(superuser(), page_of(thread))

    assert "message number 20." in html
    assert "message number 21." not in html


def test_what_a_person_wrote_is_text_and_never_markup():
    thread = make_thread(make_person())
    message = make_message(thread, content="<img src=x>")

    for path in (page_of(thread), page_of(message), list_of("threads.ThreadMessage")):
        assert "<img src=x>" not in shown(superuser(), path)


@pytest.mark.parametrize(
    ("model", "make"),
    [
        ("connections.Connection", make_connection),
        ("threads.Thread", make_thread),
        ("threads.ThreadMessage", lambda person: make_message(make_thread(person))),
        ("agents.Run", make_run),
    ],
)
def test_rows_are_found_by_the_name_and_the_id_of_their_user_and_by_their_own(model, make):
    person = make_person()
    row, other = make(person), make(make_person())
    client = superuser()

    for term in (person.name, person.user_id, str(row.pk)):
        html = shown(client, list_of(model), q=term)
        assert str(row.pk) in html
    assert str(other.pk) not in shown(client, list_of(model), q=person.name)


@pytest.mark.parametrize("term", ["9" * 40, "\x00", "' OR 1=1", str(uuid.UUID(int=7)), "%", "²"])
def test_any_search_term_is_answered(term):
    client = superuser()

    for model in ("connections.Connection", "agents.Run", "threads.Thread", "auth.User"):
        assert client.get(list_of(model), {"q": term}).status_code == 200


@pytest.mark.parametrize(
    ("model", "make"),
    [
        ("connections.Connection", make_connection),
        ("threads.Thread", make_thread),
        ("threads.ThreadMessage", lambda person: make_message(make_thread(person))),
        ("agents.Run", make_run),
    ],
)
def test_a_list_costs_the_same_however_long_it_is(model, make):
    client, name = superuser(), f"many-{uuid.uuid4().hex[:8]}"
    make(make_person(name))
    one = queries(client, list_of(model), q=name)

    for _ in range(5):
        make(make_person(name))

    assert queries(client, list_of(model), q=name) == one


def test_a_run_costs_the_same_however_many_tools_it_called():
    client, person = superuser(), make_person()
    few, many = make_run(person, tool_calls=1), make_run(person, tool_calls=15)

    assert queries(client, page_of(few)) == queries(client, page_of(many))


def test_a_thread_costs_the_same_however_long_it_is():
    client, person = superuser(), make_person()
    few, many = make_thread(person, messages=1), make_thread(person, messages=15)

    assert queries(client, page_of(few)) == queries(client, page_of(many))


def test_a_list_comes_in_pages():
    client, name = superuser(), f"paged-{uuid.uuid4().hex[:8]}"
    person = make_person(name)
    for _ in range(51):
        make_thread(person)

    first = shown(client, list_of("threads.Thread"), q=name)
    second = shown(client, list_of("threads.Thread"), q=name, p=2)

    assert first.count(f">{person.name}<") + second.count(f">{person.name}<") == 51
    assert second.count(f">{person.name}<") == 1


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        (timedelta(milliseconds=1420), "1.4 s"),
        (timedelta(seconds=200), "0:03:20"),
        (timedelta(hours=30), "1 day, 6:00:00"),
    ],
)
def test_a_duration_is_short_to_read(taken, text):
    begin = timezone.now()

    assert time_taken(begin, begin + taken) == text


def test_what_has_not_begun_has_no_duration():
    assert time_taken(None, None) == ""
