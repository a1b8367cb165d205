"""Fixtures that several unit tests share."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from livetransfer.testing import virtual_time
from livetransfer.testing.clock import Clock

from . import postgres as postgresql
from .hold.hold_kit import CAPACITIES


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Put back the levels that a command line sets: the next test of this process has logs."""
    loggers = [logging.getLogger(name) for name in ("livekit", "livetransfer")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL, with ``{name}`` for that of a database."""
    if reason := postgresql.why_not():
        pytest.skip(reason)
    with postgresql.running() as url:
        yield url
