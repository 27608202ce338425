"""The newest rows are found by an index, however many there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.console.samples import list_of, superuser

pytestmark = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="another database plans by what its tables hold"
)


def plans(path, newest_first):
    """How SQLite reads the rows of the queries that are in this order."""
    client = superuser()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    ordered = [query["sql"] for query in captured if f'"{newest_first}" DESC' in query["sql"]]
    with connection.cursor() as cursor:
        for sql in ordered:
            yield cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()[0][3]


@pytest.mark.parametrize(
    ("path", "column", "index"),
    [
        ("/admin/", "created_at", "chatrouting_run_created"),
        (list_of("agents.Run"), "created_at", "chatrouting_run_created"),
        (list_of("threads.Thread"), "updated_at", "chatrouting_thread_updated"),
        (list_of("threads.ThreadMessage"), "created_at", "chatrouting_message_created"),
    ],
)
def test_a_list_begins_with_the_newest_by_an_index(path, column, index):
    found = list(plans(path, column))

    assert found and all(f"USING INDEX {index}" in plan for plan in found), found
