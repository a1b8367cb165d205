"""Place: the room that a leg is in, with the requests and the events of that room."""

from __future__ import annotations

from dataclasses import dataclass

from livekit import rtc

from .signalling.room_events import RoomEvents
from .signalling.server_api import Wire

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """One room, as this agent is connected to it."""

    wire: Wire
    events: RoomEvents

    @property
    def room(self) -> rtc.Room:
        """The connection."""
        return self.events.room
