"""What may go is removed in batches; what is needed stays."""

import uuid
from datetime import timedelta
from io import StringIO

from django.core.management import call_command
from django.utils import timezone

from chatrouting.chat.models import Broadcast, Receipt, Undelivered
from chatrouting.conf import chat_settings
from chatrouting.connections.models import Connection, Process
from chatrouting.console.pruning import PRUNABLE
from chatrouting.testing.people import make_person
from tests.console.samples import make_connection, make_process

(RECEIPTS,) = (each for each in PRUNABLE if each.name == "receipts")


def said(*words):
    output = StringIO()
    call_command("prune", *words, stdout=output)
    return output.getvalue()


def a_receipt(seconds_old):
    made = Receipt.objects.create(
        user_id=make_person().user_id, request_id=uuid.uuid4().hex, digest="x"
    )
    at = timezone.now() - timedelta(seconds=seconds_old)
    Receipt.objects.filter(pk=made.pk).update(created_at=at)
    return made


def is_there(row):
    return type(row).objects.filter(pk=row.pk).exists()


def test_receipts_go_once_their_ids_may_be_used_again(services):
    kept_for = chat_settings().receipt_seconds
    old, young = a_receipt(kept_for + 60), a_receipt(kept_for - 60)

    said("--only", "receipts")

    assert (is_there(old), is_there(young)) == (False, True)


def test_a_dry_run_counts_and_removes_nothing(services):
    said("--only", "receipts")
    old = a_receipt(chat_settings().receipt_seconds + 60)

    assert said("--only", "receipts", "--dry-run").startswith("receipts: 1 to prune")

    assert is_there(old)


def test_rows_go_in_batches(services):
    said("--only", "receipts")
    for _ in range(5):
        a_receipt(chat_settings().receipt_seconds + 60)

    assert list(RECEIPTS.prune(2)) == [2, 2, 1]


def test_what_a_dead_process_left_goes_with_it(services):
    """Row 59: no ghosts; the living stay."""
    dead = make_process(seen_seconds_ago=chat_settings().process_dead_seconds + 1)
    ghost = make_connection(make_person(), dead)
    alive = make_connection(make_person())

    said("--only", "connections")

    assert not Process.objects.filter(pk=dead.pk).exists()
    assert not Connection.objects.filter(pk=ghost.pk).exists()
    assert is_there(alive)


def a_broadcast():
    done = timezone.now() - timedelta(seconds=chat_settings().broadcast_seconds + 60)
    return Broadcast.objects.create(
        content="x", level="info", audience={"all": True}, total=1, completed_at=done
    )


def test_an_old_broadcast_stays_while_somebody_has_not_got_it(services):
    told, open_one = a_broadcast(), a_broadcast()
    Undelivered.objects.create(broadcast=open_one, user_id=make_person().user_id, reason="x")

    said("--only", "broadcasts")

    assert (is_there(told), is_there(open_one)) == (False, True)
