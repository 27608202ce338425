"""Everything fails while people write: two web processes, two workers and a Valkey of their own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 400
SEED = int(os.environ.get("TEST_SEED", "1"))


@pytest.fixture
def soak(report):
    async def run(*arguments):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults", *arguments, cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            out, error = await asyncio.wait_for(process.communicate(), SECONDS)
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
        for line in out.decode().splitlines():
            report(f"soak: {line}")
        assert process.returncode == 0, error.decode()

    return run


async def test_nothing_is_lost_doubled_or_crossed_whatever_fails(soak):
    """Rows 42, 45, 51, 53, 59, 66, 69, 70, 79, 119: every fault once, in an order of its seed."""
    users = "20" if os.environ.get("TEST_LONG") else "5"
    await soak("--seed", str(SEED), "--users", users)
