"""A session that ends closes its sockets: told at once by whatever ended it, found by a sweep at the latest.

Logout and deletion of a session name the session; a change to the account makes every socket of the
person look at its session anew.
"""

import functools
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from chatrouting.accounts import account_models, account_tables
from chatrouting.connections.afterwards import Ring, keep, told
from chatrouting.connections.sessions import session_digest
from chatrouting.stream.doorbell import Dismissal, ring_check_now, ring_dismissal_now
from routing_core.closing import CloseCode

# Written at every sign-in; says nothing about who may stay.
HARMLESS = frozenset({"last_login"})


def watch() -> None:
    """Begin to listen for what ends sessions."""
    user_logged_out.connect(_logged_out, dispatch_uid="chatrouting.revocation")
    post_delete.connect(_session_deleted, Session, dispatch_uid="chatrouting.revocation")
    for model in account_models():
        post_save.connect(_account_saved, model, dispatch_uid="chatrouting.revocation")
    for model in account_tables():
        post_delete.connect(_account_deleted, model, dispatch_uid="chatrouting.revocation")


def _logged_out(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    key = request.session.session_key
    if user is not None and key:
        _dismiss_session(str(user.pk), key)


def _session_deleted(sender: Any, instance: Session, **kwargs: Any) -> None:
    user_id = instance.get_decoded().get(SESSION_KEY)
    if user_id is not None:
        _dismiss_session(str(user_id), instance.session_key)


def _account_saved(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
    fields = kwargs.get("update_fields")
    if not created and (fields is None or not HARMLESS.issuperset(fields)):
        _tell(functools.partial(ring_check_now, str(instance.pk)))


def _account_deleted(sender: Any, instance: Any, **kwargs: Any) -> None:
    _tell(functools.partial(ring_check_now, str(instance.pk)))


def _dismiss_session(user_id: str, key: str) -> None:
    dismissal = Dismissal(CloseCode.NO_SESSION, session_digest=session_digest(key))
    _tell(functools.partial(ring_dismissal_now, user_id, dismissal))


def _tell(ring: Ring) -> None:
    """Once the change is committed, and the answer to its request is on its way."""
    transaction.on_commit(functools.partial(_run, ring))


def _run(ring: Ring) -> None:
    if not keep(ring):
        told(ring)
