"""What the kernel alone takes for a delivery: one write of a frame's bytes to one of many sockets.

`python -m tests.benchmarks.floor BYTES CORE CORE` says the microseconds: of a writer on the first core, whose
reader is on the second. It writes as the stream phase does: a burst to a part of the sockets, then nothing for
a moment. No server that writes each event for itself can be below it.
"""

import os
import select
import socket
import sys
import time

SOCKETS = 200
BURST = 40
PAUSE_SECONDS = 0.002
ROUNDS = 500
READ_BYTES = 65_536


def floor_us(size: int, writing: int, reading: int) -> float:
    """CPU of the writer, in microseconds, for each write of so many bytes."""
    writers, readers = zip(*(_connected() for _ in range(SOCKETS)), strict=True)
    reader = os.fork()
    if reader == 0:
        os.sched_setaffinity(0, {reading})
        _close(writers)
        _read_all(readers)
        os._exit(0)
    os.sched_setaffinity(0, {writing})
    _close(readers)
    try:
        return _written(writers, b"x" * size)
    finally:
        _close(writers)
        os.waitpid(reader, 0)


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = socket.create_connection(listener.getsockname())
        writer, _ = listener.accept()
    writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return writer, reader


def _close(sockets: tuple[socket.socket, ...]) -> None:
    for each in sockets:
        each.close()


def _read_all(readers: tuple[socket.socket, ...]) -> None:
    """Until every writer has closed."""
    open_ones = {each.fileno(): each for each in readers}
    poller = select.epoll()
    for descriptor in open_ones:
        poller.register(descriptor, select.EPOLLIN)
    while open_ones:
        for descriptor, _ in poller.poll():
            if not open_ones[descriptor].recv(READ_BYTES):
                poller.unregister(descriptor)
                open_ones.pop(descriptor).close()


def _written(writers: tuple[socket.socket, ...], data: bytes) -> float:
    descriptors = [each.fileno() for each in writers]
    used = 0.0
    for round_number in range(ROUNDS):
        begin = round_number * BURST % SOCKETS
        began = time.process_time()
        for descriptor in descriptors[begin : begin + BURST]:
            os.write(descriptor, data)
        used += time.process_time() - began
        time.sleep(PAUSE_SECONDS)
    return used / (ROUNDS * BURST) * 1e6


if __name__ == "__main__":
    sys.stdout.write(f"{floor_us(*map(int, sys.argv[1:])):.2f}\n")
