"""Hold music: any source, levelled and looped, to one caller, decoded once for all of them."""

from __future__ import annotations

from livetransfer._livekit.source_sink import SourceSink

from .play.comfort_lines import Comfort, Held
from .play.handle import PlayHandle
from .play.hold_events import (
    ComfortFailed,
    ComfortSpoken,
    HoldEvent,
    HoldSourceFailed,
    HoldSourceLate,
    HoldSourceReady,
)
from .play.player import HoldMusicPlayer
from .sound.samples import AudioError
from .sources.builtin import BUILTIN
from .sources.fetch import FetchLimits
from .sources.program import HoldSource

__all__ = [
    "BUILTIN",
    "AudioError",
    "Comfort",
    "ComfortFailed",
    "ComfortSpoken",
    "FetchLimits",
    "Held",
    "HoldEvent",
    "HoldMusicPlayer",
    "HoldSource",
    "HoldSourceFailed",
    "HoldSourceLate",
    "HoldSourceReady",
    "PlayHandle",
    "SourceSink",
]
