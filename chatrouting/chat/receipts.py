"""A repeated message does its work once: the receipt is written in the transaction of the work."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from chatrouting.chat.context import Context
from chatrouting.chat.messages import as_stored
from chatrouting.chat.models import Receipt
from chatrouting.conf import chat_settings
from chatrouting.rows import Rows, insert
from routing_core.errors import InvalidFrame, Overloaded, PermissionDenied, RoutingError
from routing_core.messages import Message

# The first may find a receipt that is too old, the second one of another that found it too.
TRIES = 3

R = TypeVar("R", bound=Message)
W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Done(Generic[R, W]):
    """The reply, and what the work left to be done after the commit; None where it was done before."""

    reply: R
    work: W | None


def once(
    ctx: Context, message: Message, reply_type: type[R], work: Callable[[], tuple[R, W]]
) -> Done[R, W]:
    """Do the work of this message, or give the answer it got before with `duplicate` set.

    One that comes while the first is at work waits for it. Errors leave no receipt. Raises
    `InvalidFrame` where the id was used for another message, and `PermissionDenied` where the account is gone.
    """
    digest, mine = _digest(message), _mine(ctx)
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                receipt = _taken(ctx, digest)
                reply, left = work()
                receipt.reply = as_stored(reply)
                receipt.save(update_fields=["reply"])
                return Done(reply, left)
        except _Given:
            given = mine.filter(created_at__gte=_kept_since()).first()
            if given is not None:
                return Done(_repeated(given, digest, reply_type), None)
            mine.filter(created_at__lt=_kept_since()).delete()
        except IntegrityError:
            _demand_account(ctx)
            raise
    raise Overloaded(retry_after_ms=1_000)


def once_among_others(
    ctx: Context, message: Message, reply_type: type[R], work: Callable[[], tuple[R, W]], rows: Rows
) -> Done[R, W]:
    """As `once`, in a transaction that is alone with the database, for work that leaves its rows in these.

    The receipt is one of them. Where there is one already they are not kept, and it is to be done by `once`.
    """
    digest = _digest(message)
    try:
        with transaction.atomic():
            reply, left = work()
    except RoutingError:
        given = _mine(ctx).filter(created_at__gte=_kept_since()).first()
        if given is None:
            raise
        rows.drop()
        return Done(_repeated(given, digest, reply_type), None)
    rows.add(_receipt(ctx, digest, as_stored(reply)))
    return Done(reply, left)


def is_repeated(ctx: Context) -> bool:
    """Whether there is a receipt for this message: what stands before the work need not be done again."""
    return _mine(ctx).filter(created_at__gte=_kept_since()).exists()


def _mine(ctx: Context) -> QuerySet[Receipt]:
    return Receipt.objects.filter(user_id=ctx.user.id, request_id=ctx.request.id)


def _demand_account(ctx: Context) -> None:
    """Its rows name the account, whose sockets are open for a moment after it was deleted: the commit fails."""
    if not get_user_model().objects.filter(pk=ctx.user.id).exists():
        raise PermissionDenied from None


class _Given(Exception):
    """There is a receipt of this id, perhaps one that is too old to count."""


def _taken(ctx: Context, digest: str) -> Receipt:
    """A new receipt. The insert waits for another transaction's of the same id. Raises `_Given`.

    It is the first of its transaction, which it takes with it where it fails.
    """
    receipt = _receipt(ctx, digest)
    try:
        insert(receipt)
    except IntegrityError:
        raise _Given from None
    return receipt


def _receipt(ctx: Context, digest: str, reply: dict[str, Any] | None = None) -> Receipt:
    return Receipt(user_id=ctx.user.id, request_id=ctx.request.id or "", digest=digest, reply=reply)


def _kept_since() -> datetime:
    return timezone.now() - timedelta(seconds=chat_settings().receipt_seconds)


def _repeated(receipt: Receipt, digest: str, reply_type: type[R]) -> R:
    if receipt.digest != digest:
        raise InvalidFrame("This id was used for another message.", field="id")
    return msgspec.convert({**(receipt.reply or {}), "duplicate": True}, reply_type)


def _digest(message: Message) -> str:
    """The same for the same type and payload, however its JSON was written."""
    text = msgspec.json.encode([message.type, message], order="sorted")
    return hashlib.sha256(text).hexdigest()
