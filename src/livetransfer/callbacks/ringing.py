"""The tone that a human hears while the caller's phone rings."""

from __future__ import annotations

import functools
import io

import numpy as np
import soundfile

__all__ = ["ringing_tone"]

RATE = 24_000
"""Samples per second, in Hz."""


@functools.cache
def ringing_tone() -> bytes:
    """Return one period of a ringing tone as a WAV file: 425 Hz, 1 s of tone and 4 s of quiet.

    Those are the tone and the cadence of ETSI TR 101 041-2 for most of Europe; nobody anywhere
    takes them for something else.
    """
    time = np.arange(RATE) / RATE
    edge = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.02)
    tone = np.zeros(5 * RATE)
    tone[:RATE] = 0.1 * np.sin(2 * np.pi * 425 * time) * edge
    file = io.BytesIO()
    soundfile.write(file, tone, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
