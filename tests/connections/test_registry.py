"""Rows of connections live as long as their sockets and their process."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from chatrouting.conf import chat_settings
from chatrouting.connections import registry
from chatrouting.connections.models import Connection, Process
from tests.connections.rows import a_row, open_row
from tests.connections.statements import statements


@pytest.fixture
def process(services):
    process_id = registry.begin_process()
    yield process_id
    registry.end_process(process_id)


def silence(process_id, seconds):
    """The process has said nothing for so long."""
    at = timezone.now() - timedelta(seconds=seconds)
    Process.objects.filter(pk=process_id).update(seen_at=at)


def opened(process_id):
    row = a_row(process_id)
    open_row(row)
    return row


def rows_of(process_id):
    return set(Connection.objects.filter(process_id=process_id).values_list("pk", flat=True))


def test_a_process_is_there_from_its_beginning(process):
    assert Process.objects.get(pk=process).seen_at >= registry.alive_since()


def test_a_socket_has_a_row_until_it_closes(process):
    """Row 58: clean close: connection removed."""
    row = opened(process)
    assert rows_of(process) == {row.pk}

    registry.close_connections([row.pk])

    assert rows_of(process) == set()


def test_closing_what_is_gone_does_nothing(process):
    registry.close_connections([a_row(process).pk])


def test_closing_one_leaves_the_others(process):
    """Row 61."""
    first, second = opened(process), opened(process)

    registry.close_connections([first.pk])

    assert rows_of(process) == {second.pk}


def test_those_that_close_together_are_removed_together(process):
    """Row 61."""
    rows = [opened(process) for _ in range(3)]

    with statements() as sent:
        registry.close_connections([row.pk for row in rows[:2]])

    assert sum(sql.startswith("DELETE") for sql in sent) == 1
    assert rows_of(process) == {rows[2].pk}


def test_of_a_process_only_what_is_open_is_kept(process, monkeypatch):
    """Row 59: zero ghosts, however many."""
    monkeypatch.setattr(registry, "BATCH", 2)
    rows = [opened(process) for _ in range(6)]
    other = registry.begin_process()
    elsewhere = opened(other)

    assert registry.close_all_but(process, {rows[0].pk}) == 5

    assert rows_of(process) == {rows[0].pk}
    assert rows_of(other) == {elsewhere.pk}
    registry.end_process(other)


def test_a_process_that_ends_takes_its_rows_with_it(process):
    opened(process)

    registry.end_process(process)

    assert not Process.objects.filter(pk=process).exists()
    assert rows_of(process) == set()


def test_a_dead_process_is_swept_with_its_rows(process):
    """Row 59: a kill -9 of a web process leaves zero ghosts."""
    opened(process)
    opened(process)
    silence(process, chat_settings().process_dead_seconds + 1)

    assert registry.sweep_dead() >= 2

    assert not Process.objects.filter(pk=process).exists()
    assert rows_of(process) == set()


def test_a_process_that_was_late_is_not_swept(process):
    row = opened(process)
    silence(process, chat_settings().process_dead_seconds - 2)

    registry.sweep_dead()

    assert rows_of(process) == {row.pk}


def test_a_new_process_sweeps_what_a_dead_one_left(process):
    opened(process)
    silence(process, chat_settings().process_dead_seconds + 1)

    registry.end_process(registry.begin_process())

    assert not Process.objects.filter(pk=process).exists()


def test_a_heartbeat_keeps_the_process_and_tells_what_changed(process):
    quiet, busy = opened(process), opened(process)
    silence(process, 5)
    at = timezone.now() + timedelta(seconds=3)

    assert registry.keep_alive(process, {busy.pk: registry.Seen(at, 7)})

    quiet.refresh_from_db()
    busy.refresh_from_db()
    assert (quiet.position, busy.position, busy.seen_at) == (0, 7, at)
    assert Process.objects.get(pk=process).seen_at > timezone.now() - timedelta(seconds=2)


def test_a_heartbeat_writes_only_what_changed(process):
    opened(process)

    with statements() as sent:
        registry.keep_alive(process, {})

    assert len(sent) == 1


def test_a_heartbeat_tells_of_six_hundred_sockets_in_a_few_writes(process):
    rows = [a_row(process) for _ in range(2)] * 300
    seen = {uuid.uuid4(): registry.Seen(row.seen_at, n) for n, row in enumerate(rows)}

    with statements() as sent:
        registry.keep_alive(process, seen)

    assert sum(sql.startswith("UPDATE") for sql in sent) < 10


def test_a_process_that_was_swept_hears_of_it(process):
    registry.end_process(process)

    assert not registry.keep_alive(process, {})


def test_a_process_that_was_swept_comes_back_with_its_sockets(process):
    rows = [opened(process), opened(process)]
    registry.end_process(process)

    registry.restore_process(process, rows)

    assert rows_of(process) == {row.pk for row in rows}
    assert registry.keep_alive(process, {})
