"""A command whose reader has left."""

import os
import sys

import pytest

from routing_core.management.piped import PipedCommand


class Words(PipedCommand):
    """Says something."""

    requires_system_checks = ()

    def handle(self, *args, **options):
        self.stdout.write("words")


def test_who_reads_nothing_more_ends_the_command_without_a_word(monkeypatch):
    """141 is what a shell shows of a program that SIGPIPE ended."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as ended:
            Words(stdout=stdout).run_from_argv(["manage.py", "words"])

    assert ended.value.code == 141
