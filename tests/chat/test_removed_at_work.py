"""A message that a member has at work while they are removed is not stored."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from chatrouting.chat import conversation
from chatrouting.chat.messages import UserMessage
from chatrouting.testing.system import wait_until
from chatrouting.threads.membership import remove
from chatrouting.threads.models import ThreadMember, ThreadMessage
from routing_core.errors import NotFound
from tests.agents.accepted import a_person, a_thread
from tests.agents.at_once import stands_at_a_lock
from tests.chat.asking import a_context


def test_what_was_at_work_when_its_author_was_removed_is_not_stored():
    owner, member = a_person(), a_person()
    thread = a_thread(owner)
    ThreadMember.objects.create(thread=thread, user_id=member.id)
    begun = threading.Event()

    def say():
        begun.set()
        try:
            message = UserMessage(content="late", thread_id=thread.pk)
            conversation._accept(a_context(member), message)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            remove(owner.id, thread.pk, member.name)
            saying = pool.submit(say)
            assert begun.wait(5)
            wait_until(stands_at_a_lock, "the message to wait for the thread")
        with pytest.raises(NotFound):
            saying.result(20)

    assert not ThreadMessage.objects.filter(thread=thread).exists()
