"""Migrations: from nothing, and from the first state with rows in it, on the database that is in use."""

import importlib
from contextlib import contextmanager, nullcontext

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from chatrouting.agents.models import Run, ToolCall
from chatrouting.chat.models import Receipt
from chatrouting.connections.models import Connection
from chatrouting.threads.models import MembershipChange, Thread, ThreadMember, ThreadMessage
from tests.databases import created, known_as

ALIAS = "early"
APPS = [f"chatrouting_{name}" for name in ("threads", "agents", "chat", "connections")]
FIRST = [(app, "0001_initial") for app in APPS]
search = importlib.import_module("chatrouting.threads.migrations.0006_search")


@contextmanager
def another_database(folder):
    """An empty one beside that of the tests, as `early`."""
    ours = connections.settings["default"]
    on_sqlite = connections["default"].vendor == "sqlite"
    name = folder / "early.sqlite3" if on_sqlite else f"{ours['NAME']}_early"
    settings = {**ours, "NAME": str(name)}
    with nullcontext() if on_sqlite else created(settings), known_as(ALIAS, settings):
        yield


def migrate(*target):
    call_command("migrate", *target, database=ALIAS, verbosity=0)


def rows_of_the_first_version():
    """Somebody who asked twice: the one question is answered, the other waits. Written with its models."""
    state = MigrationExecutor(connections[ALIAS]).loader.project_state(FIRST)
    now = timezone.now()

    def make(model, **fields):
        return state.apps.get_model(*model.split(".")).objects.using(ALIAS).create(**fields)

    user = make("auth.User", username="early")
    thread = make("chatrouting_threads.Thread", owner=user, title="früh", last_position=4,
                  updated_at=now)  # fmt: skip
    make("chatrouting_threads.ThreadMember", thread=thread, user=user, role="owner")

    def say(position, content, role="user"):
        author = user if role == "user" else None
        return make("chatrouting_threads.ThreadMessage", thread=thread, position=position, role=role,
                    author=author, author_name="early", content=content, created_at=now)  # fmt: skip

    asked, answer = say(1, "where are the narwhals?"), say(2, "in the North", "agent")
    done = make("chatrouting_agents.Run", thread=thread, user=user, agent="demo", status="completed",
                outcome="success", attempt=1, question=asked, answer=answer)  # fmt: skip
    make("chatrouting_agents.ToolCall", run=done, call_id="c", attempt=1, tool="clock", status="ok",
         arguments={"zone": "UTC"}, result={"time": 1}, started_at=now)  # fmt: skip
    make("chatrouting_agents.Run", thread=thread, user=user, agent="demo", status="queued",
         question=say(3, "and the walruses?"))  # fmt: skip
    process = make("chatrouting_connections.Process", host="h", pid=1, started_at=now, seen_at=now)
    make(
        "chatrouting_connections.Connection", user=user, process=process, opened_at=now, seen_at=now
    )
    make("chatrouting_chat.Receipt", user=user, request_id="r", digest="d", reply={"a": [1]})


@pytest.fixture(scope="module")
def migrated(services, tmp_path_factory):
    """The newest version, from the first with rows in it."""
    with another_database(tmp_path_factory.mktemp("early")):
        for app, name in FIRST:
            migrate(app, name)
        rows_of_the_first_version()
        migrate()
        yield


def only(model):
    return model.objects.using(ALIAS).get()


def test_what_was_said_is_whole(migrated):
    said = ThreadMessage.objects.using(ALIAS).order_by("position")

    assert [(each.position, each.role, each.content) for each in said] == [
        (1, "user", "where are the narwhals?"),
        (2, "agent", "in the North"),
        (3, "user", "and the walruses?"),
    ]


def test_a_thread_has_its_owner_and_is_there(migrated):
    """It is not deleted, and nobody is to be told of its title."""
    thread, member = only(Thread), only(ThreadMember)

    assert (thread.title, thread.owner.username, thread.last_position) == ("früh", "early", 4)
    assert (thread.deleted_at, thread.title_version, thread.title_told) == (None, 0, 0)
    assert (member.thread_id, member.user_id, member.role) == (thread.pk, thread.owner_id, "owner")
    assert not MembershipChange.objects.using(ALIAS).exists()


def test_runs_keep_their_state_and_their_order(migrated):
    done, waiting = Run.objects.using(ALIAS).order_by("question__position")

    assert (done.status, done.outcome, done.attempt, done.turn) == ("completed", "success", 1, 0)
    assert done.answer.content == "in the North"
    assert (waiting.status, waiting.turn, waiting.handed_over) == ("queued", 3, 0)


def test_the_rest_is_whole(migrated):
    call = only(ToolCall)

    assert (call.arguments, call.result, call.error_text) == ({"zone": "UTC"}, {"time": 1}, "")
    assert only(Receipt).reply == {"a": [1]}
    assert only(Connection).process.host == "h"


WORDS_ARE_INDEXED = {
    "sqlite": "SELECT count(*) FROM chatrouting_threads_words WHERE content MATCH %s",
    "postgresql": "SELECT count(*) FROM pg_index, chatrouting_threads_threadmessage"
    " WHERE indexrelid = 'chatrouting_message_words'::regclass AND indisvalid"
    " AND to_tsvector('simple', content) @@ to_tsquery('simple', %s)",
}


def indexed(word):
    """How often the index of all words has this one; on PostgreSQL, how many rows do if it is valid."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(WORDS_ARE_INDEXED[connections[ALIAS].vendor], [word])
        return cursor.fetchone()[0]


def test_the_index_of_words_holds_what_was_said_before(migrated):
    """On PostgreSQL: it is valid, as it is not where making it was broken off."""
    assert indexed("narwhals") == indexed("walruses") == 1


def test_there_is_a_way_back_to_before_the_index_and_forth(migrated):
    """What is found half made, as by an attempt that broke off, is made anew."""
    migrate("chatrouting_threads", "0005")
    half = {"sqlite": search.SQLITE[:1], "postgresql": search.POSTGRESQL}
    with connections[ALIAS].cursor() as cursor:
        for statement in half[connections[ALIAS].vendor]:
            cursor.execute(statement)

    migrate()

    assert indexed("narwhals") == 1
    assert only(Thread).title == "früh"


def test_no_migration_is_left_to_be_made(migrated):
    executor = MigrationExecutor(connections[ALIAS])

    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
