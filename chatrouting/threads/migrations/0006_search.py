"""The index of all words: a table of FTS5 kept by triggers on SQLite, a GIN index on PostgreSQL.

On PostgreSQL it is made while messages come and go, which cannot be done in a transaction; what a broken
attempt left is made anew by the next. On SQLite it is one transaction.

A later migration that makes SQLite's table of messages anew (`AlterField`, `AddConstraint`) drops the
triggers with the old one: let it run `make_index` of this one again afterwards.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from django.apps.registry import Apps
from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MESSAGES = "chatrouting_threads_threadmessage"
WORDS = "chatrouting_threads_words"
INDEX = "chatrouting_message_words"

ADD = f"INSERT INTO {WORDS}(content, thread, message)"
REMOVE = (
    f"DELETE FROM {WORDS} WHERE rowid IN (SELECT rowid FROM {WORDS}"
    f""" WHERE {WORDS} MATCH 'message : "' || old.id || '"')"""
)
NEW = "VALUES (substr(new.content, 1, 100000), new.thread_id, new.id)"

SQLITE = (
    f"CREATE VIRTUAL TABLE {WORDS} USING fts5"
    "(content, thread, message, tokenize = 'unicode61 remove_diacritics 0')",
    f"{ADD} SELECT substr(content, 1, 100000), thread_id, id FROM {MESSAGES} ORDER BY created_at",
    f"CREATE TRIGGER {WORDS}_add AFTER INSERT ON {MESSAGES} BEGIN {ADD} {NEW}; END",
    f"CREATE TRIGGER {WORDS}_remove AFTER DELETE ON {MESSAGES} BEGIN {REMOVE}; END",
    f"CREATE TRIGGER {WORDS}_change AFTER UPDATE OF content, thread_id ON {MESSAGES}"
    f" BEGIN {REMOVE}; {ADD} {NEW}; END",
)
SQLITE_BACK = (
    *(f"DROP TRIGGER IF EXISTS {WORDS}_{change}" for change in ("add", "remove", "change")),
    f"DROP TABLE IF EXISTS {WORDS}",
)

# As `threads.search` asks; written out, for the index stays as it was made.
POSTGRESQL = (
    f"CREATE INDEX CONCURRENTLY {INDEX} ON {MESSAGES} USING gin (("
    "array_to_tsvector(ARRAY['/' || thread_id::text]) || to_tsvector('simple', translate("
    "left(content, 100000),"
    r""" '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', '                                '))))""",
)
POSTGRESQL_BACK = (f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",)

MAKE = {"sqlite": (*SQLITE_BACK, *SQLITE), "postgresql": (*POSTGRESQL_BACK, *POSTGRESQL)}
DROP = {"sqlite": SQLITE_BACK, "postgresql": POSTGRESQL_BACK}


def make_index(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make it anew of all messages."""
    _execute(schema_editor, MAKE)


def drop_index(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Forget it."""
    _execute(schema_editor, DROP)


def _execute(schema_editor: BaseDatabaseSchemaEditor, of_vendor: Mapping[str, Sequence[str]]) -> None:
    connection = schema_editor.connection
    alone = connection.vendor == "postgresql"
    with nullcontext() if alone else transaction.atomic(connection.alias):
        for statement in of_vendor[connection.vendor]:
            schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("chatrouting_threads", "0005_deletion")]

    operations = [migrations.RunPython(make_index, drop_index)]
