"""Finds the recordings that belong to a record, and reads them for the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from livetransfer.record import TransferRecord

from .lines import RATE, Samples, Who
from .recording import EARS

__all__ = ["SUFFIXES", "SoundError", "sounds_of"]

SUFFIXES = (".wav", ".ogg", ".opus", ".flac", ".mp3")
LONGEST = 3600.0
"""Seconds of audio that a page holds at most."""


class SoundError(Exception):
    """A recording cannot be read."""


def sounds_of(
    record: TransferRecord, folder: Path, *, offset: float = 0.0, only: bool
) -> dict[Who, Samples]:
    """Return what each party heard, from the beginning of the transfer.

    Looked for are ``<record>/caller.wav``, ``<record>.caller.wav`` and, where there is only one
    record, ``caller.wav``; the same with ``ai`` and ``human``, in any format that is decoded.

    Args:
        record: The record.
        folder: Where they are.
        offset: Where in them the transfer begins, in seconds.
        only: Whether there is only one record.

    Raises:
        SoundError: One of them cannot be read.
    """
    found: dict[Who, Samples] = {}
    for ear in EARS:
        stems = [folder / record.id / ear, folder / f"{record.id}.{ear}"]
        if only:
            stems.append(folder / ear)
        paths = [stem.with_name(stem.name + suffix) for stem in stems for suffix in SUFFIXES]
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            found[ear] = _read(path, offset)
    return found


def _read(path: Path, offset: float) -> Samples:
    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = file.samplerate
            # Before the recording began there was silence, as far as anybody knows.
            lead = np.zeros(round(max(0.0, -offset) * RATE), np.float32)
            file.seek(min(file.frames, round(max(0.0, offset) * rate)))
            frames = file.read(round(LONGEST * rate), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise SoundError(f"{path}: {error}") from error
    mono = frames.mean(axis=1) if len(frames) else np.zeros(0, np.float32)
    count = int(len(mono) * RATE / rate)
    at = np.arange(count) * (rate / RATE)
    played = np.interp(at, np.arange(len(mono)), mono) if count else mono
    whole = np.concatenate([lead, played])
    samples: Samples = np.clip(whole * 32767, -32768, 32767).astype(np.int16)
    return samples
