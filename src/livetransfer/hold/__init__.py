"""Hold music: any source, levelled and looped, to one caller, decoded once for all of them."""

from __future__ import annotations

from livetransfer._livekit.source_sink import SourceSink

from .play.comfort_lines import Comfort, Held
from .play.hold_events import (
    ComfortFailed,
    ComfortSpoken,
    HoldEvent,
    HoldSourceFailed,
    HoldSourceLate,
    HoldSourceReady,
)
from .play.play_handle import PlayHandle
from .play.player import HoldMusicPlayer
from .sound.samples import AudioError
from .sources.accepted_sources import HoldSource
from .sources.builtin import BUILTIN
from .sources.fetch import FetchLimits

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
