"""Joining: the seam between the ways of bringing a human to a caller, and the choice of one."""

from __future__ import annotations

from typing import Literal, Protocol
from urllib.parse import urlparse

from livetransfer.control import BridgeMode, Conversation, Leg
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError

from .consult_room.room import ConsultRoom
from .leg_room import Place
from .shared_room.room import SharedRoom
from .signalling.room_events import RoomEvents
from .signalling.server_api import Wire

__all__ = ["Bridge", "Joining", "choose", "is_cloud"]

Bridge = Literal["auto", "shared_room", "consult_room"]


class Joining(Protocol):
    """The verbs of [`CallControl`][livetransfer.control.CallControl] that depend on the way."""

    def check(self, destination: Destination) -> None:
        """Raise ConfigurationError if `destination` cannot be dialled."""

    async def dial(
        self, destination: Destination, *, identity: str, ring_timeout: float, sealed: bool
    ) -> Leg:
        """Ring `destination`; return its leg once it is answered and sealed."""

    def await_caller(self) -> None:
        """The caller is not there yet, and is dialled later."""

    async def dial_caller(self, destination: Destination, *, ring_timeout: float) -> None:
        """Ring the caller, who is not there yet; return once he has answered, sealed."""

    async def open_conversation(self, identity: str) -> Conversation:
        """Open a line to the leg."""

    async def seal(self, leg: Leg) -> None:
        """Keep the leg and the caller apart."""

    async def bridge(self, leg: Leg) -> BridgeMode:
        """Let the leg and the caller hear each other."""

    async def hang_up(self, leg: Leg) -> None:
        """End the leg's call."""

    def place(self, identity: str) -> Place:
        """Return the room that a party is in."""

    async def leave(self) -> None:
        """Take the AI out of the call."""

    async def aclose(self) -> None:
        """Release what it holds; legs stay as they are."""


def is_cloud(url: str) -> bool:
    """Return whether `url` is LiveKit Cloud, which can move participants between rooms."""
    return (urlparse(url).hostname or "").lower().endswith(".livekit.cloud")


def choose(
    bridge: Bridge, wire: Wire, events: RoomEvents, caller: str, trunk_id: str | None
) -> Joining:
    """Return the way that `bridge` asks for; "auto" is decided here, before anything is dialled.

    Raises:
        ConfigurationError: There is no such way.
    """
    if bridge == "auto":
        bridge = "consult_room" if is_cloud(wire.url) else "shared_room"
    if bridge == "shared_room":
        return SharedRoom(wire, events, caller, trunk_id)
    if bridge == "consult_room":
        return ConsultRoom(wire, events, caller, trunk_id)
    raise ConfigurationError("bridge", bridge, 'use "auto", "shared_room" or "consult_room"')
