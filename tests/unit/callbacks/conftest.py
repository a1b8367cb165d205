"""Fixtures for tests of promised calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .rigs import KINDS, Rig, ledgers


@pytest.fixture(params=KINDS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """Each kind of store."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    async with ledgers(request.param, tmp_path, server) as found:
        yield found
