"""Hold music: any source, levelled and looped, to one caller, decoded once for all of them."""

from __future__ import annotations

from ._samples import AudioError
from .builtin import BUILTIN
from .comfort import Comfort, Held
from .events import (
    ComfortFailed,
    ComfortSpoken,
    HoldEvent,
    HoldSourceFailed,
    HoldSourceLate,
    HoldSourceReady,
)
from .fetch import FetchLimits
from .player import HoldMusicPlayer
from .playing import PlayHandle
from .sink import SourceSink
from .sources import HoldSource

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
