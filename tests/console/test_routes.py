"""The routing table in the console."""

import re

import pytest

from chatrouting.console.routes import table
from chatrouting.routing import router
from routing_core.live import live_router
from routing_core.router import Route
from tests.console.samples import list_of, operator

PAGE = list_of("connections.Route")
CELLS = re.compile(r"<td>(.*?)</td>", re.DOTALL)


@pytest.fixture
def changed():
    """A table with a conditional route before the built-in one, and a type switched off; then as before."""
    before = live_router().current()
    better = Route(by_type("ping").message, by_type("ping").handler, priority=5, condition=only_now)
    live_router().register(better)
    live_router().change(lambda now: now.with_switched_off(["user_message"]))
    yield
    live_router().change(lambda now: before)


def only_now(ctx):
    return True


def by_type(kind):
    return router.types[kind][0]


def rows(html):
    """Each row of the page, as the texts of its cells."""
    body = html.split("<tbody>")[1]
    return [
        [re.sub(r"<.*?>", "", cell) for cell in CELLS.findall(row)]
        for row in body.split("<tr>")[1:]
    ]


def test_every_type_is_listed_with_its_handler():
    """Row 26: the whole table can be listed in the admin."""
    shown = rows(operator("connections.Route").get(PAGE).content.decode())

    assert {(row[0], row[4]) for row in shown} == {
        (route.message.type, route.name) for route in live_router().current().routes
    }
    assert ["user_message", "chat"] in [row[:2] for row in shown]


def test_what_was_changed_at_run_time_is_shown(changed):
    """Row 26: priorities in the order they are asked in, conditions, what is switched off."""
    shown = rows(operator("connections.Route").get(PAGE).content.decode())

    assert [row[2:4] for row in shown if row[0] == "ping"] == [["5", "only_now"], ["0", ""]]
    assert {row[0]: row[5] for row in shown}["user_message"] == "switched off"


def test_the_breakers_stand_beside_it_for_who_may_view_them():
    alone = operator("connections.Route").get(PAGE).content.decode()
    both = operator("connections.Route", "connections.Breaker").get(PAGE).content.decode()

    assert list_of("connections.Breaker") not in alone
    assert list_of("connections.Breaker") in both
    assert {row[6] for row in rows(both)} == {"closed"}


def test_staff_without_the_permission_do_not_see_it():
    """Row 82: and the side bar does not name it."""
    client = operator("connections.Breaker")

    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()


def test_a_condition_without_a_name_is_shown_as_it_prints():
    class Chosen:
        def __call__(self, ctx):
            return True

        def __repr__(self):
            return "chosen"

    ping = by_type("ping")
    found = table(router.with_route(Route(ping.message, ping.handler, condition=Chosen())))

    assert "chosen" in [row["condition"] for row in found]
