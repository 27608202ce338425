"""The first page: figures that are true, for those who may see them."""

import re
import uuid
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatrouting.agents.models import Run, Worker
from chatrouting.testing.people import make_person
from tests.console.samples import (
    MADE_UP,
    client_of,
    make_connection,
    make_process,
    make_run,
    operator,
    superuser,
)

CARD = re.compile(r'console-value">(\d+)</span>\s*<span class="console-label">([^<]+)<')


def figures(client, path="/admin/figures/"):
    """The cards: label to number."""
    response = client.get(path)
    assert response.status_code == 200
    return {label: int(number) for number, label in CARD.findall(response.content.decode())}


def test_a_connection_more_is_one_more_and_a_person_with_two_is_one_online():
    client, person, process = superuser(), make_person(), make_process()
    before = figures(client)

    for _ in range(2):
        make_connection(person, process)

    after = figures(client)
    assert after["Connected now"] == before["Connected now"] + 2
    assert after["People online"] == before["People online"] + 1


def test_a_dead_process_and_its_connections_are_not_counted():
    """Row 59."""
    client = superuser()
    before = figures(client)

    make_connection(make_person(), make_process(seen_seconds_ago=60))

    assert figures(client) == before


def test_runs_are_counted_by_where_they_stand():
    client = superuser()
    before = figures(client)

    made = [make_run(make_person(), status=each, outcome="") for each in ("running", "queued")]

    after = figures(client)
    assert after["Runs running"] == before["Runs running"] + 1
    assert after["Runs queued"] == before["Runs queued"] + 1
    Run.objects.filter(pk__in=[run.pk for run in made]).delete()  # a worker would take them up


def test_runs_of_the_last_hour_are_counted_by_outcome():
    client = superuser()
    before = figures(client)

    make_run(make_person(), outcome="timeout")
    old = make_run(make_person(), outcome="timeout")
    Run.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(minutes=61))

    assert figures(client)["Timeout"] == before["Timeout"] + 1


def test_a_run_of_somebody_who_is_gone_is_among_the_newest_with_an_empty_user():
    run = make_run(make_person())
    Run.objects.filter(pk=run.pk).update(user=None)

    page = superuser().get("/admin/figures/").content.decode()

    (user,) = re.findall(rf"run/{run.pk}/change/.*?</td>\s*<td>(.*?)</td>", page, re.DOTALL)
    assert user == ""


def test_the_first_page_shows_the_same_figures_and_asks_for_them_again():
    client = superuser()
    html = client.get("/admin/").content.decode()

    assert figures(client, "/admin/").keys() == figures(client).keys()
    assert 'hx-get="/admin/figures/" hx-trigger="every 3s' in html


def test_staff_see_the_figures_of_what_they_may_view_only():
    """Row 82."""
    run = make_run(make_person())

    html = operator("connections.Connection").get("/admin/figures/").content.decode()

    assert "Connected now" in html
    assert "Runs running" not in html
    assert str(run.pk) not in html


def test_staff_without_any_permission_see_no_figure():
    """Row 82."""
    assert figures(operator()) == {}


def test_who_is_no_longer_staff_gets_no_figures_and_is_made_to_sign_in():
    """Row 82."""
    response = client_of(make_person()).get("/admin/figures/")

    assert (response.status_code, response.content) == (403, b"")
    assert response.headers["HX-Refresh"] == "true"


def test_the_figures_cost_the_same_however_much_there_is():
    client = superuser()
    with CaptureQueriesContext(connection) as few:
        figures(client)
    for _ in range(5):
        make_connection(make_person())
        make_run(make_person())
    with CaptureQueriesContext(connection) as many:
        figures(client)

    assert len(few) == len(many)


def test_the_console_allows_no_inline_script_no_style_element_and_no_other_place():
    for path in ("/admin/", "/admin/login/", "/admin/auth/user/"):
        client = superuser() if "login" not in path else client_of(make_person())
        policy = client.get(path).headers["Content-Security-Policy"].split("; ")

        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "style-src 'self'" in policy
        assert "style-src-attr 'unsafe-inline'" in policy
        assert "default-src 'none'" in policy
        assert not [part for part in policy if "http" in part or "*" in part]


def test_nothing_is_written_into_the_page_that_the_policy_would_stop():
    html = superuser().get("/admin/").content.decode()

    assert "<style" not in html
    assert html.count("<script") == html.count("<script src=")


def test_workers_alive_and_what_they_do_are_counted_and_dead_ones_are_not():
    client, now = superuser(), timezone.now()
    before = figures(client)

    for name, seen in (("alive", now), ("dead", now - timedelta(seconds=60))):
        Worker.objects.create(
            id=uuid.uuid4().hex, host=f"{MADE_UP}{name}", pid=1, concurrency=5, runs=3,
            started_at=now, seen_at=seen,
        )  # fmt: skip

    after = figures(client)
    Worker.objects.filter(host__startswith=MADE_UP).delete()
    assert after["Workers alive"] == before["Workers alive"] + 1
    assert after["Runs at work"] == before["Runs at work"] + 3
