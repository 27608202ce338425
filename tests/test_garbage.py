"""What a process has loaded is not looked at by the collector again; what comes later is."""

import gc
import weakref

import pytest
from django.core.management import call_command

from chatrouting.agents import worker
from chatrouting.garbage import spare_what_is_loaded
from chatrouting.serving.management.commands import run_web


@pytest.fixture(autouse=True)
def unfrozen():
    """The tests' own process looks at everything again."""
    yield
    gc.unfreeze()


class Loop:
    """Something that refers to itself."""

    def __init__(self):
        self.itself = self


def dropped():
    return weakref.ref(Loop())


def test_a_later_look_is_at_what_came_later_alone():
    spare_what_is_loaded()
    later = Loop()

    assert not any(each is Loop for each in gc.get_objects())
    assert any(each is later for each in gc.get_objects())


def test_what_is_of_no_use_any_more_is_dropped_before_and_after():
    before = dropped()
    spare_what_is_loaded()
    after = dropped()
    gc.collect()

    assert (before(), after()) == (None, None)


class Server:
    """Notes how much is spared when it begins to serve."""

    spared = 0

    def __init__(self, application, listener):
        listener.close()

    def run(self):
        Server.spared = gc.get_freeze_count()


def test_a_web_process_spares_what_it_has_loaded_before_it_serves(monkeypatch, services):
    monkeypatch.setitem(run_web.SERVERS, "daphne", f"{__name__}.Server")

    call_command("run_web", "--port", "0", "--server", "daphne")

    assert Server.spared > 50_000


async def test_a_worker_spares_its_agents_once_they_are_ready(monkeypatch):
    spared_before = []

    async def prepare():
        spared_before.append(gc.get_freeze_count())

    monkeypatch.setattr(worker, "prepare_agents", prepare)

    await worker._prepare()

    assert spared_before == [0]
    assert gc.get_freeze_count() > 50_000
