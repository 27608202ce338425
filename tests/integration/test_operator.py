"""An operator's hand: sockets are listed and closed, by command and in the admin."""

import json
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from chatrouting.agents.models import Run
from chatrouting.database import in_database
from chatrouting.testing.people import Person, make_person
from chatrouting.testing.system import wait_until

LIST = "admin:chatrouting_connections_connection_changelist"


def printed(*command: str) -> str:
    output = StringIO()
    call_command(*command, stdout=output)
    return output.getvalue()


def operator(*permissions: str) -> tuple[Person, Client]:
    """A staff user who may view connections, and do what is named besides."""
    person = make_person("operator", is_staff=True)
    user = get_user_model().objects.get(pk=person.user_id)
    of_room = Permission.objects.filter(content_type__app_label="chatrouting_connections")
    user.user_permissions.set(of_room.filter(codename__in=("view_connection", *permissions)))
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return person, client


def act(client: Client, action: str, *connection_ids: str) -> int:
    data = {"action": action, "_selected_action": connection_ids}
    return client.post(reverse(LIST), data, follow=True).status_code


async def test_a_command_shows_what_waits_for_who_is_away(web, alice):
    """Row 44: the events are in the stream, and how many is seen."""
    command = ("streams", "--user", alice.name, "--json")
    async with await web.connect(alice) as a:
        asked = await a.ask("user_message", content="/stream 100 20")
        await a.expect_event("agent_delta")
    run = Run.objects.filter(pk=asked["payload"]["run_id"], end_published_at__isnull=False)
    await in_database(wait_until, run.exists, "the end of the run")
    (away,) = json.loads(await in_database(printed, *command))
    assert away["behind"] is None and away["events"] == away["seq"] > a.seq


async def test_a_command_lists_who_is_connected(web, alice):
    """Row 82: with `--json` for other programs; no key of a session is in it."""
    async with await web.connect(alice) as a:
        (row,) = json.loads(
            await in_database(printed, "connections", "--user", alice.name, "--json")
        )
        table = await in_database(printed, "connections", "--user", alice.name)
    assert row["connection_id"] == a.welcome["connection_id"]
    assert (row["user"], row["address"], row["position"]) == (alice.name, "127.0.0.1", 0)
    assert alice.session_key not in json.dumps(row)
    assert table.splitlines()[-1] == "1 connected"


async def test_a_command_disconnects_a_person(web, alice):
    """All their sockets, with 4004: their pages stop."""
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        said = await in_database(printed, "disconnect", "--user", alice.name)
        assert said == "2 disconnected\n"
        for client in (a, other):
            assert (await client.expect_close(4004))["reconnect"] == "stop"


async def test_a_command_disconnects_one_socket(web, alice):
    """The other stays as it is."""
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        await in_database(printed, "disconnect", "--connection", a.welcome["connection_id"])
        await a.expect_close(4004)
        await other.assert_silent()


async def test_a_name_that_nobody_has_is_an_error(services):
    with pytest.raises(CommandError, match="Nobody has the name"):
        await in_database(printed, "disconnect", "--user", "nobody-at-all")


async def test_the_admin_disconnects_the_chosen_sockets(web, alice):
    """Row 61: and no other; the act stands in the admin's log."""
    person, client = await in_database(operator, "disconnect")
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        chosen = a.welcome["connection_id"]
        assert await in_database(act, client, "disconnect_these", chosen) == 200
        await a.expect_close(4004)
        await other.assert_silent()
    logged = LogEntry.objects.filter(user_id=person.user_id, object_id=chosen)
    assert await in_database(lambda: logged.get().change_message) == "Disconnected."


async def test_the_admin_disconnects_all_of_a_person(web, alice):
    """Chosen by one of their sockets."""
    _, client = await in_database(operator, "disconnect")
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        chosen = a.welcome["connection_id"]
        await in_database(act, client, "disconnect_their_people", chosen)
        for each in (a, other):
            await each.expect_close(4004)


async def test_who_may_only_look_disconnects_nobody(web, alice):
    """Row 82: the action is not there without its permission."""
    _, client = await in_database(operator)
    async with await web.connect(alice) as a:
        await in_database(act, client, "disconnect_these", a.welcome["connection_id"])
        await a.assert_silent()


def deletes_account(person: Person) -> int:
    """An operator deletes the account on its page."""
    root = get_user_model().objects.get(
        pk=make_person("root", is_staff=True, is_superuser=True).user_id
    )
    client = Client(headers={"host": "localhost"})
    client.force_login(root)
    address = reverse("admin:auth_user_delete", args=[person.user_id])
    return client.post(address, {"post": "yes"}).status_code


async def test_a_deleted_account_closes_its_sockets_and_ends_its_runs(web, worker, alice):
    """Row 12: with 4401 within 2 s; the worker lets go of the run, and others' go on."""
    bob = await in_database(make_person, "bob")
    before = len(worker.output)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        await a.ask("user_message", content="/stream 200 50")
        await a.expect_event("agent_delta")
        outlasting = await b.ask("user_message", content="/stream 40 50")
        assert await in_database(deletes_account, alice) == 302
        assert (await a.expect_close(4401, seconds=2))["reconnect"] == "login"
        (*_, ended) = await b.whole_run(outlasting["payload"]["run_id"])
    assert ended["payload"]["outcome"] == "success"
    assert not await in_database(Run.objects.filter(user_id=alice.user_id).exists)
    assert "Traceback" not in worker.output[before:]
