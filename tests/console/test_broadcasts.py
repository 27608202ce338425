"""Telling many by command, and seeing in the console whom it has not reached."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chatrouting.chat.models import Broadcast, Undelivered
from chatrouting.testing.people import make_person
from tests.console.samples import list_of, operator, send_form, superuser


def said(*words, **options):
    output = StringIO()
    call_command("broadcast", *words, stdout=output, **options)
    return output.getvalue()


def kept(**fields):
    return Broadcast.objects.create(
        content="hello", level="info", audience={"all": True}, total=2, **fields
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


def test_an_operator_has_it_tried_again(services):
    """Row 50: what was given up is replayed."""
    given_up = Undelivered.objects.create(
        broadcast=kept(), user_id=make_person().user_id, reason="WRONGTYPE", tries=8
    )
    form = {"action": "try_again", "_selected_action": str(given_up.pk)}

    assert send_form(superuser(), list_of("chat.Undelivered"), **form).status_code == 302

    given_up.refresh_from_db()
    assert given_up.due_at <= timezone.now()
