"""CallbackDispatcher: the port of what brings a promised call to a worker, as a job in a room."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["CallbackDispatcher", "RoomState", "callback_in", "callback_metadata"]

KEY = "livetransfer.callback"
"""What names the callback in the metadata of a job, or of its room."""

LONGEST = 10_000
"""Characters of metadata that are read: what is longer is not ours."""


def callback_metadata(key: str) -> str:
    """Return the metadata that tells a job which callback it is to make."""
    return json.dumps({KEY: key})


def callback_in(metadata: str | None) -> str | None:
    """Return the callback that `metadata` names; None where it is something else."""
    if not metadata or KEY not in metadata or len(metadata) > LONGEST:
        return None
    try:
        found = json.loads(metadata)
    except ValueError:
        return None
    key = found.get(KEY) if isinstance(found, dict) else None
    return key if isinstance(key, str) and key else None


@dataclass(frozen=True)
class RoomState:
    """Who is in a room in which a callback was to be made.

    Attributes:
        agents: How many agents.
        parties: How many others: the human, the caller.
        bridged: Whether a human is marked there as joined with the caller.
    """

    agents: int = 0
    parties: int = 0
    bridged: bool = False


@runtime_checkable
class CallbackDispatcher(Protocol):
    """Brings jobs to workers. Every method is bounded, in seconds.

    Raises:
        DispatchFailed: From every method: it could not be done, and the message says why.
    """

    async def dispatch(self, key: str, room: str) -> None:
        """Ask for a job that makes the callback `key` in a new room called `room`.

        It returns before a worker has taken the job; whether one has, the ledger knows.
        """

    async def look(self, room: str) -> RoomState | None:
        """Return who is in `room`; None: there is no such room."""

    async def delete(self, room: str) -> None:
        """Delete `room`, which hangs up all who are in it. One that is gone is fine."""

    async def aclose(self) -> None:
        """Give up the connections."""
