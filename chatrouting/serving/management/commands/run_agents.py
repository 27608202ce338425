"""`manage.py run_agents`: work on runs until told to stop."""

import asyncio
import signal
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from prometheus_client import start_http_server

from chatrouting.agents.host import Intake
from chatrouting.agents.queue import QUEUES
from chatrouting.agents.worker import run_worker
from chatrouting.chat import broadcasting, outbox
from chatrouting.conf import chat_settings
from chatrouting.console.pruning import keep_pruning
from chatrouting.serving.exiting import exit_after
from chatrouting.serving.parent import end_with_parent
from chatrouting.stream.availability import demand_valkey

# Beside the grace of its runs: then the process ends, whatever does not. Their leases run out, others take them.
EXIT_SECONDS = 8.0
MOST_RUNS = 10_000


class Command(BaseCommand):
    help = "Run agents: take runs from the queue until SIGTERM or SIGINT, then end them or hand them over."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency", type=_count, default=100, help="how many runs at a time (default 100)"
        )
        parser.add_argument(
            "--queues",
            type=_queues,
            default=QUEUES,
            help=f"which queues to take from, with commas: {', '.join(QUEUES)} (default: all)",
        )

        parser.add_argument(
            "--metrics-port", type=int, help="serve this worker's /metrics here (default: nowhere)"
        )
        parser.add_argument(
            "--metrics-host", default="127.0.0.1", help="on this address (default 127.0.0.1)"
        )

    def handle(
        self, *args: object, concurrency: int, queues: tuple[str, ...], **options: Any
    ) -> None:
        demand_valkey()
        if options["metrics_port"]:
            start_http_server(options["metrics_port"], options["metrics_host"])
        end_with_parent(chat_settings().run_grace_seconds)
        asyncio.run(self._work(Intake(concurrency, queues)))

    async def _work(self, intake: Intake) -> None:
        stopped = _stop_asked()
        names = ", ".join(intake.queues)
        self.stdout.write(f"takes runs, {intake.concurrency} at a time, of {names}")
        self.stdout.flush()
        await run_worker(intake, stopped, [outbox.sweep, broadcasting.keep_telling, keep_pruning])


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_RUNS:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to {MOST_RUNS}")
    return int(text)


def _queues(text: str) -> tuple[str, ...]:
    named = {part.strip() for part in text.split(",")} - {""}
    unknown = sorted(named - set(QUEUES))
    if unknown or not named:
        there = ", ".join(QUEUES)
        raise ArgumentTypeError(f"there is no queue {''.join(unknown[:1])!r}; there are {there}")
    return tuple(name for name in QUEUES if name in named)


def _stop_asked() -> asyncio.Event:
    """Set by SIGTERM or SIGINT; a while later the process ends, whatever does not."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        exit_after(chat_settings().run_grace_seconds + EXIT_SECONDS)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopped
