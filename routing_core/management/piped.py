"""A command whose output may go to a program that reads only its beginning, as `head` does."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand

READER_LEFT = 141  # what a shell shows of a program that SIGPIPE ended


class PipedCommand(BaseCommand):
    """Ends without a word where nobody reads on."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """As Django's. Raises `SystemExit` where the reader has left."""
        try:
            output = super().execute(*args, **options)
            self.stdout.flush()
        except BrokenPipeError:
            # What is left in the buffer is written at exit, and would be refused again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(READER_LEFT) from None
        return output
