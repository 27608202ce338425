"""The depth of users' streams, by command and in the admin."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from redis.exceptions import ConnectionError as NotConnected

from chatrouting.agents.messages import AgentThinking
from chatrouting.connections.models import Connection
from chatrouting.console import streams
from chatrouting.database import in_database
from chatrouting.stream.publishing import Event, publish
from chatrouting.stream.valkey import valkey
from chatrouting.testing.people import make_person
from tests.console.samples import make_connection, superuser


def printed(*command):
    output = StringIO()
    call_command("streams", *command, stdout=output)
    return output.getvalue()


async def told(times):
    """Somebody who was told so much."""
    person = await in_database(make_person)
    for step in range(times):
        await publish([person.user_id], Event(AgentThinking(text="hm", step=step)))
    return person


def place(person, position):
    row = make_connection(person)
    Connection.objects.filter(pk=row.pk).update(position=position)


def page_of(person):
    return superuser().get(f"/admin/auth/user/{person.user_id}/change/").content.decode()


async def test_what_waits_for_who_is_away_is_seen():
    """Row 44: depth visible to the operator."""
    person = await told(3)

    (row,) = json.loads(await in_database(printed, "--user", person.name, "--json"))

    assert row == {
        "user": person.name,
        "user_id": person.user_id,
        "seq": 3,
        "events": 3,
        "sockets": 0,
        "behind": None,
        "damaged": False,
    }
    assert "3 events up to 3  0 sockets  away" in await in_database(printed, "--user", person.name)
    assert "3 kept, up to 3; nobody connected" in await in_database(page_of, person)


async def test_how_far_behind_the_slowest_socket_is_is_seen():
    person = await told(5)
    await in_database(place, person, 5)
    await in_database(place, person, 1)

    (row,) = json.loads(await in_database(printed, "--user", person.name, "--json"))

    assert (row["sockets"], row["behind"]) == (2, 4)
    page = await in_database(page_of, person)
    assert "5 kept, up to 5; 2 connected, the slowest 4 behind" in page


async def test_the_longest_streams_come_first_and_empty_ones_not_at_all():
    short, long = await told(1), await told(4)
    empty = await told(0)

    names = [
        row["user"] for row in json.loads(await in_database(printed, "--json", "--limit", "9999"))
    ]

    assert names.index(long.name) < names.index(short.name)
    assert empty.name not in names


async def test_looking_begins_no_stream():
    person = await told(0)

    (row,) = json.loads(await in_database(printed, "--user", person.name, "--json"))

    assert (row["seq"], row["events"]) == (0, 0)
    assert await valkey().call("EXISTS", f"{{u:{person.user_id}}}:meta") == 0


async def test_what_another_server_wrote_is_no_depth():
    """It is not served any more: the next who reads begins another epoch."""
    person = await told(2)
    await valkey().call("HSET", f"{{u:{person.user_id}}}:meta", "server", "0" * 40)

    (row,) = json.loads(await in_database(printed, "--user", person.name, "--json"))

    assert (row["seq"], row["events"]) == (0, 0)


async def test_a_damaged_stream_is_said_to_be_and_hides_no_other():
    damaged, whole = await told(0), await told(1)
    await valkey().call("SET", f"{{u:{damaged.user_id}}}:meta", "no hash")

    lines = (await in_database(printed, "--limit", "9999")).splitlines()

    said = f"{damaged.name}  damaged: nothing can be told to this user"
    assert lines.index(said) < lines.index(f"{whole.name}  1 events up to 1  0 sockets  away")
    assert "Damaged" in await in_database(page_of, damaged)


async def test_nobody_of_that_name_is_an_error():
    with pytest.raises(CommandError, match="Nobody has the name 'ghost'"):
        await in_database(printed, "--user", "ghost")


async def test_a_valkey_that_is_away_is_said_to_be(monkeypatch):
    person = await told(0)

    def away(*asked):
        raise NotConnected("refused")

    monkeypatch.setattr(streams, "depths", away)

    with pytest.raises(CommandError, match="Valkey does not answer"):
        await in_database(printed, "--user", person.name)
    assert "Valkey does not answer." in await in_database(page_of, person)
