"""A repeated message does its work once, and gets the same answer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest
from django.db import connection
from django.utils import timezone

from chatrouting.chat.messages import MessageAccepted, StopAgent, UserMessage
from chatrouting.chat.models import Receipt
from chatrouting.chat.receipts import once
from chatrouting.conf import chat_settings
from chatrouting.threads.models import Thread
from chatrouting.threads.rules import new_thread
from routing_core.errors import Busy, InvalidFrame
from routing_core.messages import decode_payload
from tests.agents.accepted import a_person
from tests.chat.asking import a_context

HELLO = UserMessage(content="hello")


class Work:
    """Makes a thread each time it is done, and says which."""

    def __init__(self, ctx):
        self.ctx = ctx
        self.done = 0

    def __call__(self):
        self.done += 1
        thread = new_thread(self.ctx.user, "made")
        reply = MessageAccepted(
            thread_id=str(thread.pk), message_id="m", run_id="r", status="running", duplicate=False
        )
        return reply, "left to do"


def make(ctx, message=HELLO):
    work = Work(ctx)
    return once(ctx, message, MessageAccepted, work), work


def test_a_first_message_does_its_work():
    done, work = make(a_context())

    assert (done.reply.duplicate, done.work, work.done) == (False, "left to do", 1)


def test_a_repeated_message_gets_the_same_answer_and_does_nothing():
    """Row 23: the second answer equals the first with duplicate true."""
    ctx = a_context()
    first, _ = make(ctx)

    second, work = make(ctx)

    assert second.reply == msgspec.structs.replace(first.reply, duplicate=True)
    assert (second.work, work.done) == (None, 0)


def test_the_same_id_of_another_user_is_another_message():
    ctx = a_context()
    first, _ = make(ctx)

    other, _ = make(a_context(id=ctx.request.id))

    assert not other.reply.duplicate
    assert other.reply.thread_id != first.reply.thread_id


@pytest.mark.parametrize(
    "message", [UserMessage(content="other"), UserMessage(content="hello", on_busy="reject"),
                StopAgent(run_id="00000000-0000-0000-0000-000000000000")],
)  # fmt: skip
def test_the_same_id_with_another_type_or_payload_is_refused(message):
    """The same id with another type or payload is invalid_frame, field id."""
    ctx = a_context()
    make(ctx)

    with pytest.raises(InvalidFrame) as refused:
        make(ctx, message)

    assert refused.value.field == "id"


def test_the_same_payload_written_differently_is_the_same():
    ctx = a_context()
    first = b'{"content":"h\\u00e9","thread_id":"6b0a8f5e-1111-4222-8333-abcdefabcdef"}'
    second = (
        b'{ "on_busy": "queue", "thread_id": "6B0A8F5E-1111-4222-8333-ABCDEFABCDEF",'
        b' "content": "h\xc3\xa9" }'
    )
    make(ctx, decode_payload(first, UserMessage))

    again, _ = make(ctx, decode_payload(second, UserMessage))

    assert again.reply.duplicate


def test_eight_at_once_do_the_work_once():
    """Row 23: also concurrently, from two sockets."""
    ctx, gate = a_context(), threading.Barrier(8)

    def say(_):
        gate.wait(10)
        try:
            return make(ctx)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(say, range(8)))

    assert sum(done.work is not None for done, _ in found) == 1
    assert {done.reply.thread_id for done, _ in found} == {found[0][0].reply.thread_id}
    assert sorted(done.reply.duplicate for done, _ in found) == [False] + [True] * 7
    assert Thread.objects.filter(owner_id=ctx.user.id).count() == 1


def test_one_that_comes_while_the_first_is_at_work_waits_for_it():
    ctx, begun, go = a_context(), threading.Event(), threading.Event()

    class SlowWork(Work):
        def __call__(self):
            begun.set()
            assert go.wait(10)
            return super().__call__()

    def slowly():
        try:
            return once(ctx, HELLO, MessageAccepted, SlowWork(ctx))
        finally:
            connection.close()

    def meanwhile():
        assert begun.wait(10)
        threading.Timer(0.05, go.set).start()
        try:
            return make(ctx)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(slowly), threads.submit(meanwhile)

    assert second.result().reply == msgspec.structs.replace(first.result().reply, duplicate=True)


def test_an_error_leaves_no_receipt_and_nothing_done():
    """Errors are not kept: the same id may be tried again."""
    ctx = a_context()

    def fail():
        new_thread(ctx.user, "half")
        raise Busy

    with pytest.raises(Busy):
        once(ctx, HELLO, MessageAccepted, fail)
    assert not Thread.objects.filter(owner_id=ctx.user.id).exists()

    done, work = make(ctx)

    assert (done.reply.duplicate, work.done) == (False, 1)


def test_an_id_of_an_error_may_be_used_for_another_message():
    ctx = a_context()

    def fail():
        raise Busy

    with pytest.raises(Busy):
        once(ctx, HELLO, MessageAccepted, fail)

    assert not make(ctx, UserMessage(content="other"))[0].reply.duplicate


@pytest.mark.parametrize(("older", "duplicate"), [(-5, True), (5, False)])
def test_a_receipt_is_kept_for_a_day(older, duplicate):
    ctx = a_context()
    make(ctx)
    age = timedelta(seconds=chat_settings().receipt_seconds + older)
    Receipt.objects.filter(user_id=ctx.user.id).update(created_at=timezone.now() - age)

    assert make(ctx)[0].reply.duplicate is duplicate


def test_an_expired_receipt_does_not_refuse_another_message():
    ctx = a_context()
    make(ctx)
    age = timedelta(seconds=chat_settings().receipt_seconds + 5)
    Receipt.objects.filter(user_id=ctx.user.id).update(created_at=timezone.now() - age)

    done, _ = make(ctx, UserMessage(content="other"))

    assert not done.reply.duplicate
    assert Receipt.objects.filter(user_id=ctx.user.id).count() == 1


def test_receipts_of_one_person_are_counted_by_id():
    person = a_person()
    for _ in range(3):
        make(a_context(person))

    assert Receipt.objects.filter(user_id=person.id).count() == 3
