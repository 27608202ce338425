"""A turn of the event loop writes one line of the log: the first at once, in order, none lost."""

import asyncio
import io
import logging
import threading

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from chatrouting import loglines
from chatrouting.loglines import LineATurn


@pytest.fixture
def log():
    """A logger of its own; `text()` is what was written so far."""
    written = io.StringIO()
    handler = LineATurn(written)
    logger = logging.Logger("a log")
    logger.addHandler(handler)
    logger.handler, logger.text = handler, lambda: written.getvalue().split()
    yield logger
    handler.close()


async def test_the_first_line_of_a_turn_is_written_at_once(log):
    """Row 105."""
    log.info("first")
    assert log.text() == ["first"]


async def test_the_others_follow_one_a_turn_in_order(log):
    """Rows 36, 105: whoever waits for something else has their turn between them."""
    seen = []
    for number in range(5):
        log.info("%d", number)
    for _ in range(5):
        seen.append(len(log.text()))
        await asyncio.sleep(0)

    assert seen == [1, 2, 3, 4, 5]
    assert log.text() == ["0", "1", "2", "3", "4"]


async def test_a_line_in_a_later_turn_is_written_at_once_again(log):
    log.info("first")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    log.info("second")
    assert log.text() == ["first", "second"]


async def test_a_line_that_waited_has_its_own_ids(log):
    """Row 105."""
    chain = [structlog.contextvars.merge_contextvars]
    shown = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain, processor=lambda _, __, event: f"{event['event']}={event['id']}"
    )
    log.handler.setFormatter(shown)
    for number in range(3):
        with bound_contextvars(id=number):
            log.info("line")
    with bound_contextvars(id="later"):
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert log.text() == ["line=0", "line=1", "line=2"]


def test_a_thread_without_a_loop_writes_at_once(log):
    for number in range(3):
        log.info("%d", number)
    assert log.text() == ["0", "1", "2"]


def test_what_waits_when_a_loop_ends_is_not_lost(log):
    async def say(*words):
        for word in words:
            log.info(word)

    asyncio.run(say("a", "b", "c"))
    asyncio.run(say("d", "e"))
    log.handler.close()

    assert sorted(log.text()) == ["a", "b", "c", "d", "e"]


def test_two_loops_write_each_line_once(log):
    async def say(word):
        for number in range(200):
            log.info("%s%d", word, number)
            await asyncio.sleep(0)

    threads = [threading.Thread(target=asyncio.run, args=[say(word)]) for word in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    log.handler.close()

    assert sorted(log.text()) == sorted(f"{word}{n}" for word in "ab" for n in range(200))


async def test_no_more_than_so_many_wait(log, monkeypatch):
    monkeypatch.setattr(loglines, "MOST_WAITING", 10)
    for number in range(100):
        log.info("%d", number)

    assert log.text() == [str(number) for number in range(90)]
