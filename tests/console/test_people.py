"""An account is deleted with all that is its own; what belongs to others stays and goes on."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from chatrouting.agents.models import Run, ToolCall
from chatrouting.agents.statuses import RunStatus
from chatrouting.testing.people import make_person
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage
from tests.console.samples import (
    make_connection,
    make_message,
    make_run,
    make_thread,
    operator,
    send_form,
    superuser,
)


def page_of_deletion(person):
    return f"/admin/auth/user/{person.user_id}/delete/"


def delete(person, client=None):
    response = send_form(client or superuser(), page_of_deletion(person), post="yes")
    assert response.status_code == 302
    assert not get_user_model().objects.filter(pk=person.user_id).exists()


def member_of(thread, person):
    ThreadMember.objects.create(thread=thread, user_id=person.user_id)


def running(thread, person, position, **fields):
    return Run.objects.create(
        **{"status": RunStatus.RUNNING, **fields}, thread=thread, user_id=person.user_id,
        agent="demo", question=make_message(thread, position),
    )  # fmt: skip


def test_with_a_person_goes_all_that_is_theirs():
    """Row 82: nothing of them is left to be seen."""
    person = make_person()
    run = make_run(person, tool_calls=2)
    make_connection(person)

    delete(person)

    assert not Thread.objects.filter(pk=run.thread_id).exists()
    assert not ThreadMessage.objects.filter(thread=run.thread_id).exists()
    assert not Run.objects.filter(pk=run.pk).exists()
    assert not ToolCall.objects.filter(run=run.pk).exists()


def test_what_is_anothers_stays():
    """Row 61: also what the person said in a thread of somebody else, under their name."""
    person, other = make_person(), make_person()
    thread = make_thread(other, messages=1)
    member_of(thread, person)
    said = make_message(thread, 3)
    ThreadMessage.objects.filter(pk=said.pk).update(author=person.user_id, author_name=person.name)

    delete(person)

    said.refresh_from_db()
    assert (said.author, said.author_name) == (None, person.name)
    assert list(thread.members.values_list("user_id", flat=True)) == [int(other.user_id)]
    assert thread.messages.count() == 2


def test_who_waits_behind_a_run_of_theirs_goes_on():
    """Their run in another's thread ends; the next one of the thread is admitted."""
    person, other = make_person(), make_person()
    thread = make_thread(other)
    member_of(thread, person)
    running(thread, person, 1)
    waiting = running(thread, other, 3, status=RunStatus.QUEUED)

    delete(person)

    waiting.refresh_from_db()
    assert waiting.status == RunStatus.RUNNING


def test_the_page_says_how_much_it_is():
    person = make_person()
    thread = make_thread(person, messages=7)

    html = superuser().get(page_of_deletion(person)).content.decode()

    assert "Thread messages: 7" in html
    assert thread.title not in html


def test_who_may_delete_accounts_needs_no_other_right():
    person, client = make_person(), operator("auth.User")
    make_run(person)
    may_delete = Permission.objects.get(codename="delete_user")
    assert client.get(page_of_deletion(person)).status_code == 403
    get_user_model().objects.get(pk=client.session["_auth_user_id"]).user_permissions.add(
        may_delete
    )

    delete(person, client)
