"""Settings: how one call's music is to be played, gathered from the player and its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livetransfer.hold.sources.accepted_sources import Track
from livetransfer.hold.sources.clips import Rendering

from .comfort_lines import Comfort, Held, Synthesise
from .hold_events import HoldEvent

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How to play; see `HoldMusicPlayer`.

    Attributes:
        rendering: How clips are made ready for the sink.
        start: Where the first clip begins.
        fade_in: Seconds.
        fade_out: Seconds.
        comfort: Lines, or None.
        synthesise: Speaks lines of text, or None.
        voice: Which voice that has.
        facts: Returns what is known of the call, for lines that a callable makes.
        tell: Called with every event; never raises.
        taken: Called with each track that begins.
    """

    rendering: Rendering
    start: str
    fade_in: float
    fade_out: float
    comfort: Comfort | None
    synthesise: Synthesise | None
    voice: str
    facts: Callable[[], Held]
    tell: Callable[[HoldEvent], None]
    taken: Callable[[Track], None]

    @property
    def rate(self) -> int:
        """Samples per second, in Hz."""
        return self.rendering.rate
