"""What a HoldMusicPlayer tells while it plays: small frozen facts, given to ``on_event``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ComfortFailed",
    "ComfortSpoken",
    "HoldEvent",
    "HoldSourceFailed",
    "HoldSourceLate",
    "HoldSourceReady",
]


@dataclass(frozen=True)
class HoldSourceFailed:
    """A source cannot be played; the built-in clip, or the rest of the playlist, plays instead.

    Attributes:
        source: Which one; of a URL without what could be secret in it.
        reason: Why, for people.
    """

    source: str
    reason: str

    def __str__(self) -> str:
        return f"the hold music {self.source} cannot be played: {self.reason}"


@dataclass(frozen=True)
class HoldSourceLate:
    """A source is not there yet; the built-in clip plays until it is."""

    source: str

    def __str__(self) -> str:
        return f"the hold music {self.source} is not there yet; the built-in clip plays meanwhile"


@dataclass(frozen=True)
class HoldSourceReady:
    """A source that was late is there; the music changes over to it."""

    source: str

    def __str__(self) -> str:
        return f"the hold music {self.source} is there now"


@dataclass(frozen=True)
class ComfortSpoken:
    """A comfort line begins.

    Attributes:
        text: Its words; empty if it was given as audio.
    """

    text: str


@dataclass(frozen=True)
class ComfortFailed:
    """A comfort line was left out; the music goes on.

    Attributes:
        reason: Why, for people.
    """

    reason: str

    def __str__(self) -> str:
        return f"a comfort line was left out: {self.reason}"


HoldEvent = HoldSourceFailed | HoldSourceLate | HoldSourceReady | ComfortSpoken | ComfortFailed
"""What `HoldMusicPlayer(on_event=...)` is called with."""
