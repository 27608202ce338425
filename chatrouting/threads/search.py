"""Full text of what was said: the words of a query in the threads that a person sees.

Both databases keep an index of their own in step with the messages (`migrations/0006_search.py`): SQLite a
table of FTS5 with triggers, PostgreSQL a GIN index. It holds the first 100,000 characters of each message,
split where a character is neither letter nor number, without regard to case.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeAlias
from uuid import UUID

from django.db import connection
from django.db.models.expressions import RawSQL

from chatrouting.threads.models import Thread, ThreadMessage
from chatrouting.threads.rules import seen_by

MOST_WORDS = 20
LONGEST_WORD = 200
NAMED_THREADS = 1_000
EXCERPT_CHARACTERS = 200
BEFORE = 60  # characters of an excerpt that stand before the word

Statement: TypeAlias = tuple[str, list[str]]

# What PostgreSQL would take for one word with its neighbours: `a.b`, `a/b`, `a@b`.
PUNCTUATION = r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"""
# The thread is a word too, with a sign before it that no word of a text or of a query has.
POSTGRESQL_VECTOR = (
    "(array_to_tsvector(ARRAY['/' || thread_id::text])"
    " || to_tsvector('simple', translate(left(content, 100000), '{}', '{}')))"
).format(PUNCTUATION.replace("'", "''"), " " * len(PUNCTUATION))


def words_of(query: str) -> list[str]:
    """The words of a query, at most 20, each cut at 200 characters: no sign of theirs is an operator."""
    kept = (each if unicodedata.category(each)[0] in "LMN" else " " for each in query)
    return [word[:LONGEST_WORD] for word in "".join(kept).split()[:MOST_WORDS]]


def find(user_id: str, query: str, limit: int, *, but: UUID | None = None) -> list[ThreadMessage]:
    """The newest messages with all words of the query, in threads that this user sees now.

    The last word may be the beginning of one. A query without a word finds nothing. `but` is left out.
    """
    words = words_of(query)
    threads = _named(user_id)
    if not words or threads == []:
        return []
    sql, parameters = _INDICES[connection.vendor](words, threads)
    holding = RawSQL(sql, parameters)  # noqa: S611 - reason: what is asked for stands in the parameters
    found = ThreadMessage.objects.filter(seen_by(user_id, "thread__"), pk__in=holding)
    others = found if but is None else found.exclude(pk=but)
    return list(others.select_related("thread").order_by("-created_at")[:limit])


def excerpt(content: str, query: str) -> str:
    """What stands around the first word of the query in this content, in one line of some 200 characters."""
    starts = "|".join(re.escape(word) for word in words_of(query))
    hit = re.search(rf"(?<![^\W_])(?:{starts})", content, re.IGNORECASE) if starts else None
    begin = max(hit.start() - BEFORE, 0) if hit else 0
    end = begin + EXCERPT_CHARACTERS
    line = " ".join(content[begin:end].split())
    return f"{'…' if begin else ''}{line}{'…' if end < len(content) else ''}"


def _named(user_id: str) -> list[UUID] | None:
    """The threads to name in the query, so that a common word costs no more than the user's own messages.

    None where they are too many; who may see what is found is another condition in any case.
    """
    seen = Thread.objects.filter(seen_by(user_id)).values_list("pk", flat=True)
    found = list(seen[: NAMED_THREADS + 1])
    return found if len(found) <= NAMED_THREADS else None


def _sqlite(words: Sequence[str], threads: Sequence[UUID] | None) -> Statement:
    table = "chatrouting_threads_words"
    match = "content : (" + " AND ".join(f'"{word}"' for word in words) + " *)"
    if threads is not None:
        match += " AND thread : (" + " OR ".join(f'"{each.hex}"' for each in threads) + ")"
    return f"SELECT message FROM {table} WHERE {table} MATCH %s", [match]  # noqa: S608 - reason: constants


def _postgresql(words: Sequence[str], threads: Sequence[UUID] | None) -> Statement:
    """Materialized, for else PostgreSQL reads all messages, the newest first, until enough are found."""
    query = "to_tsquery('simple', %s)"
    parameters = [" & ".join(f"'{word}'" for word in words) + ":*"]
    if threads is not None:
        query += " && %s::tsquery"
        parameters.append(" | ".join(f"'/{each}'" for each in threads))
    holds = f"{POSTGRESQL_VECTOR.replace('%', '%%')} @@ ({query})"
    found = f"SELECT id FROM chatrouting_threads_threadmessage WHERE {holds}"  # noqa: S608 - reason: constants
    return f"WITH found AS MATERIALIZED ({found}) SELECT id FROM found", parameters  # noqa: S608 - reason: as above


_INDICES: dict[str, Callable[[Sequence[str], Sequence[UUID] | None], Statement]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}
