"""A route that fails again and again is shut for a while, in every process; the others go on."""

import asyncio
import json
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from chatrouting.connections.breakers import Breakers
from chatrouting.console.breakers import reset
from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error
from chatrouting.testing.people import make_person
from routing_core.breaker import Call, Outcome, Policy
from tests.integration.weak_route import (
    OWN,
    WEAK,
    close_all,
    come,
    comes_to,
    connect_all,
    open_for_all,
)

SHUT_SECONDS, HANDLER_SECONDS = 4, 5


@pytest.fixture(scope="module")
def pair(system):
    """Two web processes with the routes for tests; a route is shut for longer than a machine stands still."""
    options = {
        "CHATROUTING_ROUTER": "tests.routes_for_tests.router",
        "CHATROUTING_BREAKER_SECONDS": str(SHUT_SECONDS),
        "CHATROUTING_MESSAGES_BURST": "100000",
    }
    return system.web(**options), system.web(**options)


@pytest.fixture(autouse=True)
async def whole(services):
    """Every test begins with whole breakers."""
    for route in (WEAK, OWN):
        await in_database(reset, route, "a test")
    yield
    await in_database(reset, OWN, "a test")


async def test_five_failures_in_a_row_shut_a_route_for_all_in_every_process(pair):
    """Rows 109, 111: at once, with `retry_after_ms`; other routes are served."""
    clients = await connect_all(pair[0], 4)
    (elsewhere,) = await connect_all(pair[1], 1)
    await open_for_all(clients)

    answer = await clients[3].ask(WEAK, "x")
    wait = answer["payload"]["retry_after_ms"]
    assert_error(answer, "x", "circuit_open", retry_after_ms=wait)
    assert 0 < wait <= SHUT_SECONDS * 1000
    await comes_to(elsewhere, "circuit_open")
    for each in (clients[3], elsewhere):
        assert (await each.ask(OWN))["type"] == "thread_list"
    assert pair[0].counted("chatrouting_breaker_state", type=WEAK) == 1
    await close_all(*clients, elsewhere)


async def test_failures_in_two_processes_count_together(pair):
    """Rows 109, 119."""
    here, there = await connect_all(pair[0], 3), await connect_all(pair[1], 3)
    for each in (here[0], there[0], here[1], there[1], here[2]):
        assert await come(each, "bad") == "internal"
    await come(there[2], "mistake")  # waits until all know what calls came to there

    assert await come(here[0], "good") == "circuit_open"
    await comes_to(there[2], "circuit_open")
    await close_all(*here, *there)


async def test_two_good_probes_open_it_again(pair):
    """Row 110: what comes meanwhile is refused, then all is as before."""
    clients = await connect_all(pair[0], 4)
    await open_for_all(clients)
    await comes_to(clients[3], "test.passed", seconds=SHUT_SECONDS + 4)
    for _ in range(5):
        assert await come(clients[3], "good") == "test.passed"

    assert pair[0].counted("chatrouting_breaker_state", type=WEAK) == 0
    await close_all(*clients)


async def test_one_probe_is_let_in_over_two_processes(pair):
    """Rows 110, 119: of twenty messages at once in both, while it is at work."""
    here, there = await connect_all(pair[0], 10), await connect_all(pair[1], 10)
    await open_for_all(here)
    await comes_to(there[0], "circuit_open")
    came = []
    async with asyncio.timeout(SHUT_SECONDS + 8):
        while "test.passed" not in came:
            came = await asyncio.gather(*(come(each, "slow") for each in here + there))

    assert sorted(came) == ["circuit_open"] * 19 + ["test.passed"]
    await close_all(*here, *there)


async def test_a_bad_probe_shuts_it_again(pair):
    """Row 110."""
    clients = await connect_all(pair[0], 4)
    await open_for_all(clients)
    await comes_to(clients[3], "internal", "bad", SHUT_SECONDS + 4)
    assert await come(clients[3], "good") == "circuit_open"
    await close_all(*clients)


async def test_who_makes_it_fail_shuts_it_for_themself_alone(pair):
    """Row 111: a flood of one user opens it for nobody else, in no process."""
    clients = await connect_all(pair[0], 2)
    codes = [await come(clients[0], "bad") for _ in range(40)]
    assert codes == ["internal"] * 5 + ["circuit_open"] * 35

    assert await come(clients[1], "good") == "test.passed"
    assert await come(clients[0], "good") == "circuit_open"
    await close_all(*clients)


async def test_mistakes_of_clients_shut_nothing(pair):
    """Row 111: nor do wrong payloads."""
    clients = await connect_all(pair[0], 3)
    for each in clients * 3:
        assert await come(each, "mistake") == "not_found"
        assert_error(
            await each.ask(WEAK, "x", come=1), "x", "invalid_payload", field="payload.come"
        )

    assert await come(clients[0], "good") == "test.passed"
    await close_all(*clients)


async def test_many_at_once_get_one_answer_each(pair, report):
    """Rows 36, 108: 50 people call a handler that takes too long; each is told so in time, others go on."""
    clients = await connect_all(pair[0], 50)
    (other,) = await connect_all(pair[0], 1)
    quiet = sorted([await round_trip(other) for _ in range(40)])
    for each in clients:  # so that the process knows them: the time measured is the handler's
        await round_trip(each)
    slow = [asyncio.create_task(round_trip(each, "test.sleep", "error")) for each in clients]
    busy = []
    while not all(each.done() for each in slow):
        busy.append(await round_trip(other))
        await asyncio.sleep(0.1)
    lasted = max([await each for each in slow])

    answers = [each.answers() for each in clients]
    codes = [[one["payload"].get("code") for one in each] for each in answers]
    assert codes == [[None, "handler_timeout"]] * 50
    assert lasted < HANDLER_SECONDS + 0.5 + max(busy)  # one that answers waits behind the other 49
    assert " got handler_timeout: " in pair[0].output
    report(
        f"50 handlers of 10 s: all answered in {lasted:.2f} s, ping p99 of another "
        f"{sorted(busy)[-1] / quiet[-1]:.1f} times that of a quiet server"
    )
    for each in clients:
        assert (await each.ask("heartbeat"))["type"] == "heartbeat_ack"
    assert [len(each.answers()) for each in clients] == [3] * 50
    await close_all(*clients, other)


async def round_trip(client, kind="ping", answer="pong"):
    began = asyncio.get_running_loop().time()
    assert (await client.ask(kind))["type"] == answer
    return asyncio.get_running_loop().time() - began


async def test_a_handler_that_fails_for_many_answers_each(system):
    """Row 106: each gets one `internal` of its own, where no breaker stands before it."""
    web = system.web(
        CHATROUTING_ROUTER="tests.routes_for_tests.router", CHATROUTING_BREAKER_FAILURES="1000"
    )
    clients = await connect_all(web, 50)
    answers = await asyncio.gather(*(each.ask("test.crash") for each in clients))

    assert [each["payload"]["code"] for each in answers] == ["internal"] * 50
    assert len({each["payload"]["trace_id"] for each in answers}) == 50
    assert [len(each.answers()) for each in clients] == [1] * 50
    await close_all(*clients)


async def shut_from_outside():
    """As another process would that saw list_threads fail."""
    elsewhere = Breakers(Policy(open_seconds=60))
    for number, user in enumerate("abcde"):
        elsewhere.leave(OWN, Call(user, str(number)), Outcome.FAILURE)
    await elsewhere.told(OWN)


def printed(*command):
    output = StringIO()
    call_command(*command, stdout=output)
    return output.getvalue()


async def asked(client, kind):
    async with asyncio.timeout(5):
        while (await client.ask(OWN))["type"] != kind:
            await client.ask("heartbeat")


async def test_a_command_lists_and_resets(pair):
    """Row 110."""
    (a,) = await connect_all(pair[0], 1)
    await shut_from_outside()
    await asked(a, "error")
    rows = {
        row["route"]: row for row in json.loads(await in_database(printed, "breakers", "--json"))
    }
    assert (rows[OWN]["state"], rows["ping"]["state"]) == ("open", "closed")
    assert f"{OWN:<20}  open" in await in_database(printed, "breakers")
    with pytest.raises(CommandError, match="Name a route"):
        await in_database(printed, "breakers", "reset", "nonsense")

    assert await in_database(printed, "breakers", "reset", OWN) == f"{OWN} is reset\n"
    await asked(a, "thread_list")
    await a.close()


def operator(*permissions):
    person = make_person("operator", is_staff=True)
    user = get_user_model().objects.get(pk=person.user_id)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return person, client


PAGE = "admin:chatrouting_connections_breaker_changelist"


async def test_the_admin_shows_and_resets(pair):
    """Row 110: with its permission; the act stands in the admin's log."""
    person, client = await in_database(operator, "view_breaker", "reset_breaker")
    (a,) = await connect_all(pair[0], 1)
    await shut_from_outside()
    await asked(a, "error")
    page = (await in_database(client.get, reverse(PAGE))).content.decode()
    assert OWN in page and "Reset" in page
    response = await in_database(client.post, reverse(PAGE), {"route": OWN})

    assert response.status_code == 302
    await asked(a, "thread_list")
    logged = LogEntry.objects.filter(user_id=person.user_id, object_id=OWN)
    assert await in_database(lambda: logged.get().change_message) == "Breaker reset."
    await a.close()


async def test_who_may_only_look_resets_nothing():
    """Row 82: nor does anybody see the page without its permission."""
    _, client = await in_database(operator, "view_breaker")
    _, stranger = await in_database(operator)

    page = await in_database(client.get, reverse(PAGE))
    assert "Reset" not in page.content.decode()
    assert (await in_database(client.post, reverse(PAGE), {"route": OWN})).status_code == 403
    assert (await in_database(stranger.get, reverse(PAGE))).status_code == 403
