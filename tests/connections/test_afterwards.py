"""What a request has to tell sockets waits for its answer, and is told whatever becomes of it."""

import asyncio
import contextvars
import time

import pytest
from django.test import AsyncRequestFactory, RequestFactory

from chatrouting.connections import afterwards
from chatrouting.connections.afterwards import keep, tell_afterwards
from tests.agents.waiting import until

DELAY = 0.1


@pytest.fixture(autouse=True)
def short_delay(monkeypatch):
    monkeypatch.setattr(afterwards, "ANSWER_SECONDS", DELAY)


class Bell:
    """Knows which rings came, and when the first did."""

    def __init__(self):
        self.rung = []
        self.at = 0.0

    def ring(self, name):
        def ring():
            self.at = self.at or time.monotonic()
            self.rung.append(name)
            if name == "broken":
                raise OSError("nobody answers")

        return ring

    async def rang(self, *names):
        async def as_told():
            return self.rung == list(names)

        await until(as_told)


@pytest.fixture
def bell():
    return Bell()


def middleware(view):
    async def get_response(request):
        return await asyncio.to_thread(view)

    return tell_afterwards(get_response)


def request():
    return AsyncRequestFactory().post("/")


async def test_a_ring_waits_until_the_answer_is_on_its_way(bell):
    """Row 12: the browser has its new cookie before its sockets close."""
    answer = await middleware(lambda: keep(bell.ring("one")))(request())

    answered = time.monotonic()
    assert (answer, bell.rung) == (True, [])
    await bell.rang("one")
    assert bell.at - answered >= DELAY * 0.9


async def test_all_rings_are_told_in_order_also_past_one_that_fails(bell, caplog):
    def view():
        for name in ("one", "broken", "two"):
            keep(bell.ring(name))

    await middleware(view)(request())

    await bell.rang("one", "broken", "two")
    assert "the sweep will find them" in caplog.text


async def test_a_view_that_fails_has_told_all_the_same(bell):
    def view():
        keep(bell.ring("one"))
        raise ValueError("a broken view")

    with pytest.raises(ValueError, match="a broken view"):
        await middleware(view)(request())

    await bell.rang("one")


async def test_what_a_view_tells_after_its_client_has_left_is_told_at_once(bell):
    """Row 12: closing the tab keeps no socket open."""
    kept, context = asyncio.Event(), []

    async def get_response(request):
        keep(bell.ring("one"))
        context.append(contextvars.copy_context())
        kept.set()
        await asyncio.Event().wait()

    asked = asyncio.create_task(tell_afterwards(get_response)(request()))
    await kept.wait()
    asked.cancel()
    await asyncio.wait([asked])

    assert context[0].run(keep, bell.ring("two")) is False
    await bell.rang("one")


async def test_requests_at_once_keep_their_own(bell):
    other = Bell()

    await asyncio.gather(
        middleware(lambda: keep(bell.ring("one")))(request()),
        middleware(lambda: keep(other.ring("two")))(request()),
    )

    await bell.rang("one")
    await other.rang("two")


def test_outside_of_a_request_nothing_is_kept(bell):
    assert keep(bell.ring("one")) is False


async def test_a_request_whose_event_loop_ends_with_its_answer_holds_nothing(bell):
    async def get_response(request):
        return keep(bell.ring("one"))

    assert await tell_afterwards(get_response)(RequestFactory().post("/")) is False


def test_where_pages_are_not_asynchronous_nothing_is_put_between():
    def get_response(request):
        return request

    assert tell_afterwards(get_response) is get_response
