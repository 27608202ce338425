"""An account that is deleted, by whatever code: its runs end, its threads go, and their members are told.

All of it is of the transaction that deletes the account, and takes the locks of `agents.admission` in their
order: those of all accounts that one statement deletes at once. The rows go with the account's, so what they
are told of is read before, and told after the commit; that somebody lost a thread or a fellow member is a
`MembershipChange`, which the sweep tells at the latest.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import pre_delete
from redis.exceptions import RedisError

from chatrouting.accounts import account_tables
from chatrouting.agents.departure import Ends, end_runs, hold, hold_all, tell_ends
from chatrouting.agents.ending import tell_positions
from chatrouting.chat.turnover import tell_turnover
from chatrouting.threads import membership, rules
from chatrouting.threads.models import Thread

logger = logging.getLogger(__name__)


def watch() -> None:
    """Begin to listen for accounts that are deleted."""
    for model in account_tables():
        pre_delete.connect(_departs, model, dispatch_uid="chatrouting.departure")


def _departs(
    sender: Any, instance: Any, origin: Any = None, using: str | None = None, **kwargs: Any
) -> None:
    user_id = str(instance.pk)
    if len(together := _together(instance, origin, using)) > 1:
        hold_all(together)
    held = hold([user_id])
    for thread in held:
        if str(thread.owner_id) == user_id and thread.deleted_at is None:
            rules.delete(thread)
    ends = end_runs(user_id, held)
    membership.depart(user_id, held)
    if held:
        transaction.on_commit(partial(_tell, held, ends), robust=True)


def _together(user: Any, origin: Any, using: str | None) -> list[str]:
    """The accounts that one statement deletes, where this is the first of them: they depart by id.

    Those that go with something else, which they hang on, are not known here.
    """
    if not isinstance(origin, QuerySet) or not issubclass(origin.model, type(user)):
        return []
    found = origin.using(using)
    if found.filter(pk__lt=user.pk).exists():
        return []
    return [str(pk) for pk in found.values_list("pk", flat=True)]


def _tell(threads: Sequence[Thread], ends: Ends) -> None:
    try:
        async_to_sync(_tell_all)(threads, ends)
    except RedisError as error:
        logger.warning("who left which threads is told later, the ends of runs not: %s", error)


async def _tell_all(threads: Sequence[Thread], ends: Ends) -> None:
    """The ends of its runs come before the thread is out of its members' sight."""
    await tell_ends(ends.news)
    await tell_positions(ends.moved)
    for thread in threads:
        await tell_turnover(thread.pk)
