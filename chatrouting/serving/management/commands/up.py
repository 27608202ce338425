"""`manage.py up`: everything on one machine, for as long as this command runs."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from chatrouting.conf import chat_settings
from chatrouting.serving.address import Address, demand_no_demo_accounts
from chatrouting.serving.children import Child, Children
from chatrouting.serving.demo_accounts import (
    OPERATOR,
    PASSWORD,
    make_demo_accounts,
    open_demo_accounts,
)
from chatrouting.serving.parent import Lifeline
from chatrouting.serving.valkey import NOT_STARTED, EmbeddedValkey

WATCH_SECONDS = 0.5
# What a child gets to end, beside the time of a drain, and beside the grace of runs.
WEB_STOP_SECONDS = 2.0
WORKER_STOP_SECONDS = 4.0


class Command(BaseCommand):
    help = (
        "Start Valkey (unless REDIS_URL is set), the web process and a worker; keep them running."
    )

    def handle(self, *args: object, **options: object) -> None:
        address = Address.from_environment()
        with contextlib.ExitStack() as stack:
            valkey = (
                None if os.environ.get("REDIS_URL") else EmbeddedValkey(Path(settings.DATA_DIR))
            )
            if valkey is not None:
                self._start(valkey)
                stack.callback(valkey.stop)
            address.listen().close()  # after the folder: who holds both is named by the folder's lock
            accounts = self._prepare(address)
            asyncio.run(self._keep(address, valkey, accounts))
        self.stdout.write("stopped")

    def _start(self, valkey: EmbeddedValkey) -> None:
        try:
            valkey.start()
        except NOT_STARTED as error:
            raise CommandError(str(error)) from None

    def _prepare(self, address: Address) -> list[str]:
        """Returns the demo accounts that may sign in."""
        call_command("migrate", verbosity=0)
        demand_no_demo_accounts(address)
        if not (settings.DEBUG and address.is_loopback):
            return []
        make_demo_accounts()
        return open_demo_accounts()

    async def _keep(
        self, address: Address, valkey: EmbeddedValkey | None, accounts: Sequence[str]
    ) -> None:
        lifeline = Lifeline()
        children = Children(self._say, lifeline)
        place = {"HOST": address.host, "PORT": str(address.port), "PYTHONUNBUFFERED": "1"}
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with asyncio.TaskGroup() as tasks:
            for name, command, seconds in _processes():
                child = Child(name, (sys.executable, sys.argv[0], command), place, seconds)
                tasks.create_task(children.keep(child))
            watch = tasks.create_task(self._watch(valkey))
            greet = tasks.create_task(self._greet(address, accounts))
            await stopped.wait()
            if valkey is not None:
                valkey.give_up()
            for task in (watch, greet):
                task.cancel()
            await children.stop()
        lifeline.close()

    async def _watch(self, valkey: EmbeddedValkey | None) -> None:
        """Start Valkey again where it ended."""
        while valkey is not None:
            await asyncio.sleep(WATCH_SECONDS)
            if not valkey.alive:
                self._say("valkey", "valkey ended; it starts again")
                try:
                    await asyncio.to_thread(valkey.restart)
                except NOT_STARTED as error:
                    self._say("valkey", str(error))

    async def _greet(self, address: Address, accounts: Sequence[str]) -> None:
        """Say where to go, once somebody is there."""
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(address.host, address.port)
                writer.close()
                break
            await asyncio.sleep(0.1)
        self.stdout.write(f"\n  The chat is at {address.url}\n")
        if settings.SECURE_SSL_REDIRECT:
            self.stdout.write(
                "  A proxy is to end TLS before it: who comes without is sent to https."
            )
        if people := " or ".join(name for name in accounts if name != OPERATOR):
            self.stdout.write(f"  Sign in as {people}, password: {PASSWORD}")
        if OPERATOR in accounts:
            self.stdout.write(
                f"  The operator is {OPERATOR}, password: {PASSWORD}, at {address.url}admin/"
            )
        self.stdout.write("  Ctrl-C stops everything.\n\n")
        self.stdout.flush()

    def _say(self, name: str, line: str) -> None:
        self.stdout.write(f"{name:<6} | {line}")
        self.stdout.flush()


def _processes() -> tuple[tuple[str, str, float], ...]:
    """Name, command, and what it gets to end."""
    conf = chat_settings()
    return (
        ("web", "run_web", conf.drain_seconds + WEB_STOP_SECONDS),
        ("worker", "run_agents", conf.run_grace_seconds + WORKER_STOP_SECONDS),
    )
