"""Decoding: a file or bytes become samples of one channel at one rate, within bounds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from livetransfer.hold.sound.samples import AudioError, Resampler, Samples, check_rate, mono

__all__ = ["MAX_SECONDS", "MIN_SECONDS", "decode", "decode_start"]

MAX_SECONDS = 600.0
"""The longest clip: 10 minutes, 58 MB at 48 kHz. Callers wait minutes; longer ones are refused."""

MIN_SECONDS = 0.1
"""The shortest clip; less is a click and not music."""

MAX_CHANNELS = 64

FIRST_FRAME = 4096
"""Bytes that surely hold the first frame of an MP3, and some that do not belong before it."""


def decode(source: Path | bytes, rate: int) -> Samples:
    """Decode all of `source`: WAV, AIFF, FLAC, OGG (Vorbis, Opus), MP3, ... mixed to one channel.

    Blocking: call it in a thread. Uses libsndfile.

    Args:
        source: A path, or the bytes of a file.
        rate: Hz of the result.

    Raises:
        AudioError: Not audio that libsndfile knows, empty, damaged, or out of bounds.
    """
    with _opened(source) as sound:
        _, stated = _properties(sound, source)
        samples, total = _read(sound, rate, MAX_SECONDS)
    if total > MAX_SECONDS:
        raise AudioError(f"it is longer than {MAX_SECONDS:.0f} s, the most that can be played")
    if stated is not None and total < stated - max(0.2, 0.02 * stated):
        raise AudioError(f"it is damaged: {total:.1f} s of {stated:.1f} s are there")
    if total < MIN_SECONDS:
        raise AudioError(f"it is {total:.3f} s long; music has at least {MIN_SECONDS} s")
    return samples


def decode_start(
    source: Path | bytes, rate: int, seconds: float, skip: float = 0.0
) -> tuple[Samples, int] | None:
    """Decode a first part of `source`.

    Args:
        source: A path, or the bytes of a file.
        rate: Hz of the result.
        seconds: How much.
        skip: Where to begin, as a fraction of the whole.

    Returns:
        The samples, and the number of the first one of them in the whole; None if `source` is
        not much longer than `seconds`.

    Raises:
        AudioError: As `decode`, as far as this part shows it.
    """
    with _opened(source) as sound:
        source_rate, stated = _properties(sound, source)
        if stated is not None and stated < 2 * seconds:
            return None
        first = 0
        if stated is not None and skip > 0 and sound.seekable():
            first = sound.seek(round(min(skip, 0.95) * sound.frames))
        samples, _ = _read(sound, rate, seconds)
        return samples, round(first * rate / source_rate)


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Any]:
    import soundfile

    try:
        if (len(source) if isinstance(source, bytes) else source.stat().st_size) == 0:
            raise AudioError("it is empty")
        file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
        with soundfile.SoundFile(file) as sound:
            yield sound
    except soundfile.LibsndfileError as error:
        raise AudioError(f"it cannot be decoded: {error.error_string}") from error
    except OSError as error:
        raise AudioError(f"it cannot be read: {error.strerror or error}") from error
    except (RuntimeError, ValueError) as error:
        raise AudioError(f"it cannot be decoded: {error}") from error


def _properties(sound: Any, source: Path | bytes) -> tuple[int, float | None]:
    """Return the rate in Hz and the length in seconds that the file states, if it does."""
    rate = check_rate(sound.samplerate)
    if sound.channels > MAX_CHANNELS:
        raise AudioError(f"it has {sound.channels} channels; at most {MAX_CHANNELS} can be mixed")
    if not 0 < sound.frames < 1 << 60 or (sound.format == "MP3" and not _says_its_length(source)):
        return rate, None
    stated = sound.frames / rate
    if stated > MAX_SECONDS:
        raise AudioError(f"it is {stated:.0f} s long; at most {MAX_SECONDS:.0f} s can be played")
    return rate, stated


def _says_its_length(source: Path | bytes) -> bool:
    """Whether an MP3 begins with a frame that holds their number.

    For one that does not, libsndfile makes a guess from the first frames and the size of the file,
    its pictures included.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        at = 0
        while (tag := file.read(10))[:3] == b"ID3" and len(tag) == 10:
            a, b, c, d = tag[6:]
            at += 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if tag[5] & 0x10 else 0)
            file.seek(at)
        file.seek(at)
        first = file.read(FIRST_FRAME)
    found = re.search(rb"(?:Xing|Info)...(.)", first, re.DOTALL)
    return found is not None and bool(found[1][0] & 1)


def _read(sound: Any, rate: int, limit: float) -> tuple[Samples, float]:
    """Return up to `limit` seconds and a little more, and how many seconds were read."""
    resampler = Resampler(sound.samplerate, rate)
    parts: list[Samples] = []
    total = 0
    while total <= limit * sound.samplerate:
        block = sound.read(sound.samplerate, dtype="float32", always_2d=True)
        if not len(block):
            break
        total += len(block)
        parts.append(resampler.push(mono(block)))
    return np.concatenate([*parts, resampler.flush()]), total / sound.samplerate
