"""The floor under every figure of a delivery."""

import os
import subprocess

from tests.benchmarks.rows import FLOOR, ROOT


def test_a_bare_write_takes_a_little_time_and_all_of_it_is_read():
    cores = sorted(os.sched_getaffinity(0))
    command = [*FLOOR, "300", str(cores[0]), str(cores[-1])]

    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, check=True)

    assert 0.1 < float(said.stdout) < 1_000
