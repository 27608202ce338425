"""Writers take turns before they ask SQLite, which lets one write at a time."""

import time
from collections.abc import Callable
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from chatrouting.sqlite.turns import Turn

WRITES = ("INSERT", "UPDATE", "DELETE")
LOCKING = ("IMMEDIATE", "EXCLUSIVE")
TIMEOUT_SECONDS = 5.0  # that of Python's sqlite3, where the settings name none

_turns: dict[str, Turn] = {}


# What is called of Django's backend below, django-stubs does not know.
_Backend: Any = base.DatabaseWrapper


class DatabaseWrapper(_Backend):  # type: ignore[misc]  # reason: as above
    """Has the turn from the beginning of a transaction to its end, or for one statement that writes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = self._turn_of(str(self.settings_dict["NAME"]))
        self._has_turn = False
        self.execute_wrappers.append(self._in_turn)

    def _turn_of(self, name: str) -> Turn:
        """That of all connections to this database."""
        return _turns.setdefault(name, Turn(None if self.is_in_memory_db() else f"{name}-turn"))

    def _take_turn(self) -> None:
        """Raises `OperationalError` as SQLite would, where it takes longer than the `timeout` of the settings.

        What is left of that time SQLite may wait for who takes no turns: another program.
        """
        until = time.monotonic() + self.settings_dict["OPTIONS"].get("timeout", TIMEOUT_SECONDS)
        if not self._turn.take(until - time.monotonic()):
            raise OperationalError("database is locked")
        self._has_turn = True
        left = max(until - time.monotonic(), 0)
        self.connection.execute(f"PRAGMA busy_timeout = {round(left * 1000)}")

    def _pass_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turn.give()

    def _in_turn(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if self.in_atomic_block or self._has_turn or not sql.startswith(WRITES):
            return execute(sql, params, many, context)
        try:
            self._take_turn()
            return execute(sql, params, many, context)
        finally:
            self._pass_turn()

    def _start_transaction_under_autocommit(self) -> None:
        try:
            if self.transaction_mode in LOCKING:
                self._take_turn()
            super()._start_transaction_under_autocommit()
        except BaseException:
            self._pass_turn()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()
        finally:
            self._pass_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._pass_turn()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self._pass_turn()
