"""The `rig` fixture: every test of the contract runs on every implementation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from livetransfer._livekit import Bridge
from tests.e2e.stack import Stack, unavailable

from .livekit_rig import LiveKitRig
from .rigs import Rig
from .sim_rig import SimRig


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


@pytest_asyncio.fixture(params=["livekit", "consult_room", "simulator"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """A call with a control over it."""
    opened: LiveKitRig | SimRig
    if request.param == "simulator":
        opened = await SimRig().open()
    else:
        bridge: Bridge = "consult_room" if request.param == "consult_room" else "shared_room"
        opened = await LiveKitRig(request.getfixturevalue("stack"), bridge).open()
    try:
        yield opened
    finally:
        await opened.aclose()
