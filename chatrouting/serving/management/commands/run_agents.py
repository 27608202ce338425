"""`manage.py run_agents`: work on runs until told to stop."""

import asyncio
import os
import signal
import threading

from django.core.management.base import BaseCommand, CommandParser

from chatrouting.agents.worker import run_worker
from chatrouting.chat import broadcasting, outbox
from chatrouting.console.pruning import keep_pruning
from chatrouting.serving.parent import end_with_parent
from chatrouting.stream.availability import demand_valkey

# The process ends after this long, whatever does not: its runs' leases run out, others take them.
EXIT_SECONDS = 8.0


class Command(BaseCommand):
    help = "Run agents: take runs from the queue until SIGTERM or SIGINT, then hand over what still runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency", type=int, default=100, help="how many runs at a time (default 100)"
        )

    def handle(self, *args: object, concurrency: int, **options: object) -> None:
        demand_valkey()
        end_with_parent()
        asyncio.run(_work(concurrency))


async def _work(concurrency: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        last_resort = threading.Timer(EXIT_SECONDS, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await run_worker(concurrency, stopped, [outbox.sweep, broadcasting.keep_telling, keep_pruning])
