"""Telling many by command, and seeing in the console whom it has not reached."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.utils import timezone

from chatrouting.agents.models import DeadLetter
from chatrouting.chat import broadcasting, undelivered
from chatrouting.chat.broadcasts import PERMISSION
from chatrouting.chat.models import Broadcast, Undelivered
from chatrouting.conf import chat_settings
from chatrouting.testing.people import allow, make_person
from routing_core.envelope import timestamp
from tests.console.samples import client_of, list_of, operator, send_form, superuser


def said(*words, **options):
    output = StringIO()
    call_command("broadcast", *words, stdout=output, **options)
    return output.getvalue()


def kept(**fields):
    """One to all that is told: one that is not would be told by a worker to the people of later tests."""
    now = timezone.now()
    return Broadcast.objects.create(
        content="hello", level="info", audience={"all": True}, total=2, completed_at=now, **fields
    )


def test_the_command_tells_and_says_how_far_it_has_come(services):
    person = make_person()

    lines = said("Maintenance at 5", user=[person.name]).splitlines()

    assert lines[0].endswith("to 1 users")
    assert lines[1:] == ["1 of 1"]


def test_an_interrupted_one_is_resumed(services):
    person = make_person()
    broadcast = Broadcast.objects.create(
        content="x", level="info", audience={"users": [person.user_id]}, total=1
    )

    assert said(resume=broadcast.pk) == "1 of 1\n"


@pytest.mark.parametrize(
    ("words", "options", "text"),
    [
        (["x"], {"user": ["nobody-at-all"]}, "Nobody has the name"),
        (["  "], {"all": True}, "not blank"),
        (["x"], {"permission": "no.such"}, "no such permission"),
        ([], {"all": True}, "Give the text"),
    ],
)
def test_what_cannot_be_told_is_an_error(services, words, options, text):
    with pytest.raises(CommandError, match=text):
        said(*words, **options)


def test_the_list_says_how_many_were_reached(services):
    kept(reached=1)

    page = operator("chat.Broadcast").get(list_of("chat.Broadcast"))

    assert "1 of 2" in page.content.decode()


@pytest.fixture
def given_up(services):
    """What a user's stream refused for the last time."""
    return Undelivered.objects.create(
        broadcast=kept(), user_id=make_person().user_id, reason="WRONGTYPE", tries=8
    )


def is_there(row):
    return type(row).objects.filter(pk=row.pk).exists()


def letters(*words):
    output = StringIO()
    call_command("dead_letters", *words, stdout=output)
    return output.getvalue()


def named(given_up):
    return f"broadcast:{given_up.pk}"


def test_what_was_given_up_is_listed_by_command(given_up):
    """Row 50: among the dead letters, under the id that the command takes."""
    name = given_up.user.get_username()

    lines = letters("list").splitlines()

    assert f"{named(given_up)}  broadcast  dead  8  -  {name}  WRONGTYPE" in lines
    assert lines[-1] == f"{len(lines) - 1} dead letters"


def test_a_reason_of_several_lines_is_listed_in_one(given_up):
    Undelivered.objects.filter(pk=given_up.pk).update(reason="no\n  more")

    assert "  no more\n" in letters("list")


def test_what_was_given_up_is_listed_as_json(given_up):
    """Row 50: and says which broadcast it is."""
    rows = [row for row in json.loads(letters("list", "--json")) if row["id"] == named(given_up)]

    assert rows == [
        {
            "id": named(given_up),
            "kind": "broadcast",
            "state": "dead",
            "tries": 8,
            "run_id": None,
            "broadcast_id": str(given_up.broadcast_id),
            "user": given_up.user.get_username(),
            "reason": "WRONGTYPE",
            "created_at": timestamp(given_up.broadcast.created_at),
            "decided_by": "",
        }
    ]


def test_what_is_still_tried_is_listed_as_such(given_up):
    Undelivered.objects.filter(pk=given_up.pk).update(due_at=timezone.now(), tries=2)

    assert f"{named(given_up)}  broadcast  trying  2  " in letters("list")


def test_what_was_given_up_is_replayed_by_command(given_up):
    """Row 50: workers take it up again."""
    assert given_up not in broadcasting._due()

    assert letters("replay", named(given_up)) == f"{named(given_up)} replay\n"

    assert given_up in broadcasting._due()


def test_what_was_given_up_is_discarded_by_command(given_up):
    """Row 50."""
    assert letters("discard", named(given_up)) == f"{named(given_up)} discard\n"

    assert not is_there(given_up)


def test_a_broadcast_goes_once_what_was_given_up_of_it_is_discarded(given_up):
    long_ago = timezone.now() - timedelta(seconds=chat_settings().broadcast_seconds + 60)
    Broadcast.objects.filter(pk=given_up.broadcast_id).update(completed_at=long_ago)
    call_command("prune", only="broadcasts", stdout=StringIO())
    assert is_there(given_up.broadcast)

    letters("discard", named(given_up))
    call_command("prune", only="broadcasts", stdout=StringIO())

    assert not is_there(given_up.broadcast)


def test_a_number_alone_names_no_broadcast(given_up):
    """The two kinds count on their own: the number may be that of a run's letter."""
    DeadLetter.objects.filter(pk=given_up.pk).delete()

    with pytest.raises(CommandError, match=f"^There is no dead letter {given_up.pk}\\.$"):
        letters("discard", str(given_up.pk))

    assert is_there(given_up)


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_what_was_discarded_is_not_there_any_more(given_up, act):
    letters("discard", named(given_up))

    with pytest.raises(CommandError, match=f"There is no dead letter {named(given_up)}"):
        letters(act, named(given_up))


@pytest.mark.parametrize("act", [undelivered.replay, undelivered.discard])
def test_what_is_delivered_meanwhile_cannot_be_decided_about(given_up, act):
    """Between the look and the act a worker may have brought it there."""
    Undelivered.objects.filter(pk=given_up.pk).delete()

    with pytest.raises(ValueError, match="delivered or discarded before"):
        act(given_up)


@pytest.mark.parametrize(
    "given",
    ["x", "", "broadcast:", "broadcast:\u00b2", "\u0667", "broadcast:broadcast:1", "run:1", "1.0",
     str(2**63)],
)  # fmt: skip
@pytest.mark.parametrize("act", ["replay", "discard"])
def test_what_is_no_id_of_a_letter_is_said_so(services, act, given):
    """Row 84."""
    with pytest.raises(CommandError, match="is no id of a dead letter: take one of the list"):
        letters(act, given)


def acted(client, action, row):
    form = {"action": action, "_selected_action": str(row.pk)}
    return send_form(client, list_of("chat.Undelivered"), **form)


def test_an_operator_has_it_tried_again(given_up):
    """Row 50: what was given up is replayed."""
    assert acted(superuser(), "try_again", given_up).status_code == 302

    given_up.refresh_from_db()
    assert given_up.due_at <= timezone.now()


def staff(*permissions):
    """A browser of somebody who may view what is undelivered, and has these permissions too."""
    person = make_person("operator", is_staff=True)
    return client_of(allow(person, "chatrouting_chat.view_undelivered", *permissions))


def test_the_admin_discards_it_for_who_may_and_logs_it(given_up):
    """Row 50: and for nobody else."""
    acted(staff(), "discard_these", given_up)
    assert is_there(given_up)

    acted(staff(PERMISSION), "discard_these", given_up)

    assert not is_there(given_up)
    kind = ContentType.objects.get_for_model(Undelivered)
    logged = LogEntry.objects.get(content_type=kind, object_id=str(given_up.pk))
    assert logged.change_message == "Discarded."
    assert logged.object_repr == f"{given_up.broadcast_id} to {given_up.user_id}"
