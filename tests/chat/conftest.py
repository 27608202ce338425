"""What the tests of the chat leave behind is closed."""

from collections.abc import Iterator

import pytest

from tests.agents.leftovers import closed_afterwards


@pytest.fixture(scope="package", autouse=True)
def leftovers(services: None) -> Iterator[None]:
    """No run of these tests is left for the worker of later tests."""
    yield from closed_afterwards()
