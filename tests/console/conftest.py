"""Each test counts from a known state: no made-up process of another test dies in the middle of it."""

import pytest

from chatrouting.connections.models import Process
from tests.console.samples import MADE_UP


@pytest.fixture(autouse=True)
def no_process_left(services):
    yield
    Process.objects.filter(host__startswith=MADE_UP).delete()
