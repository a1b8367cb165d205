"""Fixtures that several unit tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from livetransfer.testing import virtual_time
from livetransfer.testing.clock import Clock

from .hold.hold_kit import CAPACITIES


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    """Virtual time, for the whole test."""
    async with virtual_time() as clock:
        yield clock


@pytest.fixture(params=CAPACITIES)
def capacity(request: pytest.FixtureRequest) -> float:
    """Seconds that a sink queues: what sinks do that say nothing of it, and what a room's does."""
    seconds: float = request.param
    return seconds
