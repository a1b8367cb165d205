"""The `rig` fixture: every test of the contract runs on every store."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from .rigs import NO_REDIS, Rig, local_rig, memory_rig, redis_rig, running_redis


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real redis-server; without one the test is skipped, and says so loudly."""
    if shutil.which("redis-server") is None:
        pytest.skip(NO_REDIS)
    with running_redis() as server:
        yield server.url


@pytest_asyncio.fixture(params=["memory", "local", "redis"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """A store, empty."""
    if request.param == "memory":
        found = memory_rig()
    elif request.param == "local":
        found = local_rig(tmp_path)
    else:
        found = redis_rig(request.getfixturevalue("redis_url"), uuid.uuid4().hex)
    yield found
    await found.close()
