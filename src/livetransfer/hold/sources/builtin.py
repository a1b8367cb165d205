"""The built-in clip: what plays unless something else is asked for, or when that fails."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from livekit.agents import BuiltinAudioClip

from livetransfer._logged import logged
from livetransfer.hold.sound.samples import Samples

__all__ = ["BUILTIN", "clip_path", "synthesised"]

logger = logging.getLogger("livetransfer")

BUILTIN = BuiltinAudioClip.HOLD_MUSIC
"""livekit-agents' own hold music."""

_CHORDS = ((57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 60, 64), (55, 59, 62, 67))
"""A minor, F, C, G: MIDI note numbers."""


def clip_path(clip: BuiltinAudioClip) -> Path | None:
    """Return where a clip of livekit-agents is, or None if it is missing."""
    try:
        path = Path(clip.path())
    except Exception:
        logger.warning("a built-in clip of livekit-agents is missing", **logged())
        return None
    return path if path.is_file() else None


def synthesised(rate: int) -> Samples:
    """Return 16 s of soft plucked chords at `rate` Hz: what plays if even the clip is missing."""
    beat = round(0.5 * rate)
    time = np.arange(4 * beat) / rate
    out = np.zeros(beat * 32)
    for index in range(32):
        chord = _CHORDS[index // 8]
        pitch = 440.0 * 2 ** ((chord[(0, 2, 1, 3, 2, 1, 3, 2)[index % 8]] - 69) / 12)
        rise = np.minimum(time / 0.01, 1.0)
        wave = sum(np.sin(2 * np.pi * pitch * k * time) / k**2 for k in (1, 2, 3))
        note = wave * rise * np.exp(-time / 0.5) * np.cos(np.pi / 2 * time / time[-1])
        at = np.arange(index * beat, index * beat + len(note)) % len(out)
        out[at] += note  # round the end: it loops
    samples: Samples = np.rint(out * (9000 / np.abs(out).max())).astype(np.int16)
    return samples
