"""Writes the folder that the demo leaves behind: two recordings and the page."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from .lines import RATE, Samples
from .page import page
from .recording import EARS, Recording

__all__ = ["PAGE", "check_folder", "encoded", "write"]

PAGE = "timeline.html"
SMALLNESS = 0.4
"""Of the embedded audio, 0 to 1: about 45 kbit/s."""


def check_folder(folder: Path) -> None:
    """Make `folder`, and see that files can be written into it.

    Raises:
        OSError: It cannot be made, or not be written into.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def write(recording: Recording, folder: Path) -> list[Path]:
    """Write the files of `recording` into `folder`, which is made, and return their paths.

    Raises:
        OSError: The folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    html = folder / PAGE
    html.write_text(
        page(recording, {ear: encoded(recording.audio[ear]) for ear in EARS}), encoding="utf-8"
    )
    written = [html]
    for ear in ("caller", "human"):
        path = folder / f"{ear}.wav"
        with path.open("wb") as file:
            soundfile.write(file, recording.audio[ear], RATE, format="WAV", subtype="PCM_16")
        written.append(path)
    return written


def encoded(samples: Samples) -> tuple[str, bytes]:
    """Return `samples` as a small file that every browser plays: media type and bytes."""
    out = BytesIO()
    if "MP3" in soundfile.available_formats():
        with soundfile.SoundFile(
            out,
            "w",
            RATE,
            1,
            format="MP3",
            subtype="MPEG_LAYER_III",
            bitrate_mode="VARIABLE",
            compression_level=SMALLNESS,
        ) as file:
            file.write(samples)
        return "audio/mpeg", out.getvalue()
    # An old libsndfile: 12 kHz with 8 bits is small, and every browser plays it.
    pairs = samples[: len(samples) // 2 * 2].reshape(-1, 2).mean(axis=1).astype(np.int16)
    soundfile.write(out, pairs, RATE // 2, format="WAV", subtype="PCM_U8")
    return "audio/wav", out.getvalue()
