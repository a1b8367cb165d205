"""The legs of a call, and what happens to them: small frozen facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .destination import Destination

__all__ = [
    "ROOM_DELETED",
    "CallLost",
    "ControlEvent",
    "KeyPressed",
    "Leg",
    "LegAnswered",
    "LegKind",
    "LegLeft",
    "LegReturned",
    "LegRinging",
    "SealBroken",
]

LegKind = Literal["phone", "web"]
"""How a party is connected: by telephone, or by a browser or an app. Only a phone can be sent
elsewhere with a REFER, and who has reloaded a page comes back with the same identity."""

ROOM_DELETED = "room_deleted"
"""The reason of a `LegLeft` or a `CallLost` where somebody has deleted the room of the call."""


@dataclass(frozen=True)
class Leg:
    """One party's connection.

    Attributes:
        identity: Unique in the call, also over several attempts at the same destination.
        destination: Whom it was dialled to; None for the caller.
        kind: How the party is connected. Two legs of one identity are equal whatever it says.
    """

    identity: str
    destination: Destination | None = None
    kind: LegKind = field(default="phone", compare=False)


@dataclass(frozen=True)
class LegRinging:
    """The phone of a leg rings (a 180 or 183 came)."""

    identity: str


@dataclass(frozen=True)
class LegAnswered:
    """The phone of a leg was answered."""

    identity: str


@dataclass(frozen=True)
class LegLeft:
    """A leg is gone: its party hung up, or it was hung up.

    Attributes:
        reason: For people: what the carrier of the call said.
    """

    identity: str
    reason: str = ""


@dataclass(frozen=True)
class LegReturned:
    """A leg that was told to have left is there again: a browser that has reloaded its page.

    What was opened for its identity, and the seal, hold for it as before.
    """

    identity: str


@dataclass(frozen=True)
class KeyPressed:
    """A party pressed a key: one of ``0-9``, ``A-D``, ``*`` and ``#``."""

    identity: str
    digit: str


@dataclass(frozen=True)
class SealBroken:
    """A leg that has to be sealed could not be; it must not be spoken to any more."""

    identity: str
    reason: str = ""


@dataclass(frozen=True)
class CallLost:
    """The connection to the call itself is gone for good: the room is closed or unreachable.

    Attributes:
        reason: Why, in the server's word; `ROOM_DELETED` where somebody has deleted the room.
    """

    reason: str = ""


ControlEvent = LegRinging | LegAnswered | LegLeft | LegReturned | KeyPressed | SealBroken | CallLost
