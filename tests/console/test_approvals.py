"""An operator sees what waits for a decision, and may decide where nobody else does."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from chatrouting.agents.models import Approval, ToolCall
from chatrouting.testing.people import make_person
from tests.console.samples import list_of, make_run, operator, send_form


def waiting(seconds=60):
    """The approval of a call that waits."""
    run = make_run(make_person(), tool_calls=1)
    call = ToolCall.objects.get(run=run)
    return Approval.objects.create(
        call=call, expires_at=timezone.now() + timedelta(seconds=seconds)
    )


def decider():
    """A browser of an operator who may decide."""
    client = operator("agents.Approval")
    user = get_user_model().objects.order_by("-pk").first()
    user.user_permissions.add(Permission.objects.get(codename="decide_call"))
    return client


def chosen(client, action, approval):
    form = {"action": action, "_selected_action": str(approval.pk)}
    return send_form(client, list_of("agents.Approval"), follow=True, **form)


def decision_of(approval):
    approval.refresh_from_db()
    return approval.decision


def test_what_waits_is_listed_with_what_it_is_about(services):
    approval = waiting()

    html = operator("agents.Approval").get(list_of("agents.Approval")).content.decode()

    for text in ("calculator", "0 + 1", approval.call.run.user.get_username(), "waits"):
        assert text in html


@pytest.mark.parametrize(
    ("action", "decision"), [("approve_these", "approve"), ("deny_these", "deny")]
)
def test_an_operator_decides_and_it_stands_in_the_log(services, action, decision):
    approval = waiting()

    chosen(decider(), action, approval)

    assert decision_of(approval) == decision
    logged = LogEntry.objects.filter(
        object_id=str(approval.pk), change_message__in=["Approved.", "Denied."]
    )
    assert logged.count() == 1


def test_who_may_only_look_decides_nothing(services):
    """Row 82."""
    approval = waiting()

    chosen(operator("agents.Approval"), "approve_these", approval)

    assert decision_of(approval) == ""


def test_the_first_decision_stands(services):
    approval = waiting()
    client = decider()
    chosen(client, "deny_these", approval)

    chosen(client, "approve_these", approval)

    assert decision_of(approval) == "deny"


def test_it_is_too_late_once_it_expired(services):
    approval = waiting(seconds=-1)

    chosen(decider(), "approve_these", approval)

    assert decision_of(approval) == "deny"
