"""What is read from the kernel's files."""

import os
import time

from tests.benchmarks.kernel import cpu_seconds, family, memory_kb


def a_process(proc, pid, *, schedstat, children="", pss=0):
    """A process of these threads, as the kernel shows it."""
    for number, text in enumerate(schedstat):
        thread = proc / str(pid) / "task" / str(pid + number)
        thread.mkdir(parents=True)
        (thread / "schedstat").write_text(text)
        (thread / "children").write_text(children if number == 0 else "")
    head = "55d041a65000-7ffc98e43000 ---p 00000000 00:00 0   [rollup]"
    smaps = f"{head}\nRss:   9000 kB\nPss:    {pss} kB\nPss_Dirty:  1 kB\n"
    (proc / str(pid) / "smaps_rollup").write_text(smaps)


def test_time_on_the_cpu_is_that_of_all_threads_and_children(tmp_path):
    a_process(tmp_path, 10, schedstat=["1500000000 7 3\n", "500000000 9 1\n"], children="20 ")
    a_process(tmp_path, 20, schedstat=["250000000 0 1\n"])

    assert list(family(10, tmp_path)) == [10, 20]
    assert cpu_seconds(10, tmp_path) == 2.25


def test_memory_is_the_share_of_each_process(tmp_path):
    a_process(tmp_path, 10, schedstat=["1 0 1"], children="20", pss=4000)
    a_process(tmp_path, 20, schedstat=["1 0 1"], pss=500)

    assert memory_kb(10, tmp_path) == 4500


def test_a_process_that_is_gone_has_used_nothing(tmp_path):
    a_process(tmp_path, 10, schedstat=["1000000000 0 1"], children="30")

    assert cpu_seconds(10, tmp_path) == 1.0
    assert memory_kb(30, tmp_path) == 0


def test_the_kernel_tells_our_own_time():
    before, spent = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() < spent + 0.05:
        pass

    assert cpu_seconds(os.getpid()) >= before + 0.04
    assert memory_kb(os.getpid()) > 1_000
