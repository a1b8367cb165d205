"""The `rig` fixture: every test of the contract runs on every implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from livetransfer._livekit import Bridge

from .livekit_rig import LiveKitRig
from .rigs import Rig
from .sim_rig import SimRig


@pytest_asyncio.fixture(params=["livekit", "consult_room", "simulator"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A call with a control over it."""
    opened: LiveKitRig | SimRig
    if request.param == "simulator":
        opened = await SimRig().open()
    else:
        bridge: Bridge = "consult_room" if request.param == "consult_room" else "shared_room"
        opened = await LiveKitRig(request.getfixturevalue("stack"), bridge).open()
    async with aclosing(opened):
        yield opened
