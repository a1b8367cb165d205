"""transfer_agent, killed at the worst moment: the caller has just been made deaf for the answer."""

from __future__ import annotations

import os
import signal
from typing import Any

from livetransfer._livekit.shared_room.mute_for_one import Gate

from .transfer_agent import entrypoint

__all__ = ["entrypoint", "setup"]


def setup(_: object) -> None:
    """Die after the caller's gate has closed."""
    close = Gate.close

    async def close_and_die(self: Any) -> None:
        await close(self)
        if self._identity.startswith("sip_") and self._shut:
            os.kill(os.getpid(), signal.SIGKILL)

    Gate.close = close_and_die  # type: ignore[method-assign]
