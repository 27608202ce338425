"""Work that writes to the database, and many who ask for some at the same time."""

import asyncio
import threading
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection, transaction

from chatrouting.database import in_database
from chatrouting.threads.rules import Person, new_thread
from chatrouting.writes import Writes

ONE_WRITER = connection.vendor == "sqlite"
only_together = pytest.mark.skipif(not ONE_WRITER, reason="each has a transaction of its own")


def named():
    return f"writes-{uuid.uuid4()}"


def make(name, error=None):
    """Work that makes a user of this name, and fails afterwards where there is an error."""

    def work(rows):
        with transaction.atomic():
            get_user_model().objects.create(username=name)
            if error is not None:
                raise error
        return name

    return work


def make_of_nobody(name=""):
    """Work that leaves a thread of a user who is not there: it is the commit that refuses it. And a user."""

    def work(rows):
        with transaction.atomic():
            new_thread(Person("0", "nobody"), "title")
            if name:
                make(name)(rows)

    return work


def add(name, error=None):
    """Work that leaves a group of this name for the end, and fails afterwards where there is an error."""

    def work(rows):
        rows.add(Group(name=name))
        if error is not None:
            raise error

    return work


def see(names):
    """Work that tells which of these groups are there."""

    def work(rows):
        return set(Group.objects.filter(name__in=names).values_list("name", flat=True))

    return work


async def exist(*names):
    found = get_user_model().objects.filter(username__in=names).values_list("username", flat=True)
    return set(await in_database(lambda: list(found)))


async def together(*works):
    """Ask for all while one that came before is at work. What came of each, errors too.

    A pair is work and what it touches.
    """
    writes, goes_on = Writes(), threading.Event()
    first = asyncio.create_task(writes.do(lambda rows: goes_on.wait(5)))
    await asyncio.sleep(0)
    named = [work if isinstance(work, tuple) else (work, ()) for work in works]
    others = [asyncio.create_task(writes.do(work, frozenset(what))) for work, what in named]
    await asyncio.sleep(0)
    goes_on.set()
    assert await first
    return await asyncio.gather(*others, return_exceptions=True)
