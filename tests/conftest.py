"""The servers, which the contract suite and the real calls share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.stack import Stack, unavailable


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The servers; without them the test is skipped, and says loudly what is missing."""
    running = Stack.from_environment()
    if running is not None:
        yield running
        return
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    started = Stack.start(tmp_path_factory.mktemp("stack"))
    try:
        yield started
    finally:
        started.stop()
