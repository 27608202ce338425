"""Runs and dead letters in an operator's hands: by command, and in the admin with its permissions."""

import json
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command

from chatrouting.agents import runs
from chatrouting.agents.models import DeadLetter, Run
from chatrouting.agents.statuses import Outcome
from chatrouting.testing.people import make_person
from tests.agents.accepted import a_claimed_run, a_person, a_thread, ask, now_of
from tests.agents.leftovers import closed_afterwards
from tests.console.samples import client_of, list_of, send_form


@pytest.fixture(autouse=True)
def leftovers(services):
    yield from closed_afterwards()


def a_failed_run():
    run = a_claimed_run()
    return runs.end(run, runs.Ending(Outcome.FAILED, "so far", runs.Failure("x", "No."))).run


def said(capsys, *arguments):
    call_command(*arguments)
    return capsys.readouterr().out


def allowed(*codenames):
    """A browser of staff with these permissions on runs and dead letters."""
    person = make_person("operator", is_staff=True)
    user = get_user_model().objects.get(pk=person.user_id)
    for codename in ("view_run", "view_deadletter", *codenames):
        user.user_permissions.add(Permission.objects.get(codename=codename))
    return client_of(person)


def acted(client, model, action, row):
    form = {"action": action, "_selected_action": str(row.pk)}
    return send_form(client, list_of(model), **form)


def test_runs_are_listed_by_user_state_and_thread(capsys):
    run = ask(a_thread())
    ask(a_thread())
    name = run.user.get_username()

    for chosen in (["--user", name], ["--thread", str(run.thread_id)]):
        rows = json.loads(said(capsys, "runs", "list", "--json", "--status", "running", *chosen))
        assert [row["run_id"] for row in rows] == [str(run.pk)]
    assert f"{run.pk}  running" in said(capsys, "runs", "list", "--user", name)
    assert "0 runs" in said(capsys, "runs", "list", "--user", name, "--status", "queued")


def test_a_run_of_somebody_who_is_gone_has_no_user(capsys):
    gone, thread = a_person(), a_thread()
    run = ask(thread, by=gone)
    get_user_model().objects.get(pk=gone.id).delete()

    (row,) = json.loads(said(capsys, "runs", "list", "--json", "--thread", str(thread.pk)))

    assert (row["run_id"], row["user"], row["status"]) == (str(run.pk), "", "completed")
    with pytest.raises(CommandError, match="not there any more"):
        call_command("runs", "retry", str(run.pk))


def test_a_run_is_shown_with_its_dead_letter(capsys):
    run = a_failed_run()

    (shown,) = json.loads(said(capsys, "runs", "show", str(run.pk)))

    assert (shown["outcome"], shown["error_code"]) == ("failed", "x")
    assert [letter["state"] for letter in shown["dead_letters"]] == ["dead"]


def test_a_run_that_no_worker_has_ends_at_once(capsys):
    """Rows 47, 97: a stop waits in no queue; attempt 0, no content."""
    run = ask(a_thread())

    assert said(capsys, "runs", "stop", str(run.pk)) == f"{run.pk} completed\n"
    row = now_of(run)
    assert (row.outcome, row.attempt, row.answer.content) == ("cancelled", 0, "")


def test_a_run_at_work_is_asked_to_stop(capsys):
    run = a_claimed_run()

    assert said(capsys, "runs", "stop", str(run.pk)) == f"{run.pk} running\n"
    assert now_of(run).cancel_requested_at is not None


def test_a_run_is_retried_as_a_new_one(capsys):
    run = a_failed_run()

    _, again = said(capsys, "runs", "retry", str(run.pk)).split()

    assert Run.objects.get(pk=again).question.content == run.question.content


@pytest.mark.parametrize("act", ["show", "stop", "retry"])
def test_a_run_that_is_not_there_is_said_so(act):
    with pytest.raises(CommandError, match="There is no run"):
        call_command("runs", act, str(uuid.uuid4()))


def test_dead_letters_are_listed_replayed_and_discarded_by_command(capsys):
    """Row 50."""
    first, second = (a_failed_run().dead_letters.get() for _ in range(2))

    assert f"{first.pk}  run  dead  1  {first.run_id}" in said(capsys, "dead_letters", "list")
    said(capsys, "dead_letters", "replay", str(first.pk))
    said(capsys, "dead_letters", "discard", str(second.pk))

    left = [row["id"] for row in json.loads(said(capsys, "dead_letters", "list", "--json"))]
    assert not {first.pk, second.pk} & set(left)
    assert first.run.thread.runs.count() == 2
    with pytest.raises(CommandError, match="decided before"):
        call_command("dead_letters", "replay", str(second.pk))


@pytest.mark.parametrize(
    ("model", "action", "permission", "make", "state"),
    [
        ("agents.Run", "stop_these", "stop_run", lambda: ask(a_thread()), "completed"),
        ("agents.DeadLetter", "discard_these", "decide_deadletter",
         lambda: a_failed_run().dead_letters.get(), "discarded"),
        ("agents.DeadLetter", "replay_these", "decide_deadletter",
         lambda: a_failed_run().dead_letters.get(), "replayed"),
    ],
)  # fmt: skip
def test_the_admin_acts_for_who_may_and_logs_it(model, action, permission, make, state):
    """Row 50: and nobody else; each act stands in the admin's log."""
    row = make()
    before = row.status if model == "agents.Run" else row.state

    acted(allowed(), model, action, row)
    row.refresh_from_db()
    assert (row.status if model == "agents.Run" else row.state) == before

    acted(allowed(permission), model, action, row)
    row.refresh_from_db()
    assert (row.status if model == "agents.Run" else row.state) == state
    kind = ContentType.objects.get_for_model(row)
    assert LogEntry.objects.filter(content_type=kind, object_id=str(row.pk)).count() == 1


def test_the_admin_asks_again(services):
    run = a_failed_run()

    acted(allowed("retry_run"), "agents.Run", "retry_these", run)

    assert run.thread.runs.count() == 2
    assert DeadLetter.objects.filter(run=run).count() == 1
