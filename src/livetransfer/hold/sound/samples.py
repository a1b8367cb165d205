"""Samples: one channel of int16 from whatever holds audio, resampled where it has to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from livekit import rtc

__all__ = [
    "AudioError",
    "FrameResampler",
    "Resampler",
    "Samples",
    "check_rate",
    "collect",
    "from_array",
    "mono",
]

Samples = npt.NDArray[np.int16]
"""One channel, shape (n,), full scale 32767."""

MAX_RATE = 384_000
"""The highest sampling rate, in Hz, that is taken for one."""

MAX_FLOAT = 16.0
"""Beyond this, floating-point samples are taken for integers that were converted."""


class AudioError(Exception):
    """Something given as audio cannot be played; the text says why, for people."""


def check_rate(rate: float) -> int:
    """Return `rate` in Hz.

    Raises:
        AudioError: No rate of audio.
    """
    if not 1_000 <= rate <= MAX_RATE or int(rate) != rate:
        raise AudioError(f"{rate} Hz is no sampling rate between 1000 and {MAX_RATE}")
    return int(rate)


def mono(block: npt.NDArray[Any]) -> Samples:
    """Mix a block of shape (n,) or (n, channels) into one channel of int16.

    Floats are full scale at 1.0 (what lies beyond is cut off), integers at their type's limit.
    """
    if block.ndim == 2:
        block = block[:, 0] if block.shape[1] == 1 else _average(block)
    if block.dtype == np.int16:
        return np.ascontiguousarray(block)
    if np.issubdtype(block.dtype, np.unsignedinteger):
        half = 2.0 ** (8 * block.dtype.itemsize - 1)
        scaled = (block.astype(np.float64) - half) * (32768.0 / half)
    elif np.issubdtype(block.dtype, np.integer):
        scaled = block.astype(np.float64) * 2.0 ** (16 - 8 * block.dtype.itemsize)
    else:
        scaled = np.nan_to_num(block, posinf=0.0, neginf=0.0) * block.dtype.type(32767.0)
    return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)


def _average(block: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if np.issubdtype(block.dtype, np.floating):
        weight = np.full(block.shape[1], 1.0 / block.shape[1], block.dtype)
        mixed: npt.NDArray[Any] = block @ weight
        return mixed
    mean: npt.NDArray[Any] = np.rint(block.mean(axis=1)).astype(block.dtype)
    return mean


class Resampler:
    """Turns one channel of int16 from one rate into another, block by block.

    Args:
        source: Rate of what is pushed, in Hz.
        target: Rate of what comes out, in Hz.
    """

    def __init__(self, source: int, target: int) -> None:
        self._resampler = (
            None
            if source == target
            else rtc.AudioResampler(source, target, quality=rtc.AudioResamplerQuality.HIGH)
        )

    def push(self, block: Samples) -> Samples:
        """Return what is ready after `block`; some of it may come with the next one."""
        if self._resampler is None or not len(block):
            return block
        return _joined(self._resampler.push(bytearray(block.tobytes())))

    def flush(self) -> Samples:
        """Return the rest."""
        return _joined([] if self._resampler is None else self._resampler.flush())


def _joined(frames: list[rtc.AudioFrame]) -> Samples:
    if not frames:
        return np.empty(0, np.int16)
    return np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])


def from_array(samples: Any, source_rate: float, rate: int) -> Samples:
    """Return `samples`, shape (n,) or (n, channels), of `source_rate` Hz at `rate` Hz.

    Raises:
        AudioError: Not an array of numbers, or not a rate.
    """
    array = np.asarray(samples)
    if array.ndim == 2 and array.shape[0] < array.shape[1] and array.shape[0] <= 8:
        array = array.T  # (channels, n), as some libraries have it
    floats = np.issubdtype(array.dtype, np.floating)
    if array.ndim not in (1, 2) or not (floats or np.issubdtype(array.dtype, np.integer)):
        raise AudioError("samples have to be an array of numbers of shape (n,) or (n, channels)")
    if array.dtype.itemsize == 8 and not floats:  # Python's numbers
        if array.size and max(array.max(), -array.min()) > 32768:
            raise AudioError("whole numbers beyond 32767 need a dtype that says their full scale")
        array = array.astype(np.int16)
    elif floats and array.size and np.nanmax(np.abs(array)) > MAX_FLOAT:
        raise AudioError("floating-point samples have to be between -1 and 1")
    resampler = Resampler(check_rate(source_rate), rate)
    step = 1 << 18
    parts = [resampler.push(mono(array[i : i + step])) for i in range(0, len(array), step)]
    return np.concatenate([*parts, resampler.flush()])


def frame_samples(frame: rtc.AudioFrame) -> Samples:
    """Return the samples of a frame, one channel, at the frame's own rate."""
    return mono(np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels))


class FrameResampler:
    """Turns frames into one channel of one rate, whatever their rates and channels.

    Args:
        rate: Of what comes out, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._source = rate
        self._resampler = Resampler(rate, rate)

    def push(self, frame: rtc.AudioFrame) -> Samples:
        """Return what is ready after `frame`; some of it may come with the next one."""
        samples = frame_samples(frame)
        if frame.sample_rate == self._source:
            return self._resampler.push(samples)
        rest = self._resampler.flush()
        self._source = frame.sample_rate
        self._resampler = Resampler(check_rate(self._source), self._rate)
        return np.concatenate([rest, self._resampler.push(samples)])

    def flush(self) -> Samples:
        """Return the rest."""
        return self._resampler.flush()


async def collect(audio: Any, rate: int, limit: float) -> Samples:
    """Return all of `audio` at `rate` Hz.

    `audio` is an `AudioFrame`, a pair of samples and their rate in Hz, an iterable or async
    iterable of frames (or of objects with a ``frame``, as a TTS gives them), or an awaitable of
    any of these.

    Args:
        audio: See above.
        rate: In Hz.
        limit: The most, in seconds.

    Raises:
        AudioError: None of these, nothing in it, or longer than `limit`.
    """
    if isinstance(audio, Awaitable):
        audio = await audio
    if isinstance(audio, tuple) and len(audio) == 2 and not isinstance(audio[1], rtc.AudioFrame):
        parts = [from_array(audio[0], audio[1], rate)]
    else:
        parts = await _collect_frames(audio, rate, limit)
    samples = np.concatenate(parts) if parts else np.empty(0, np.int16)
    if not len(samples):
        raise AudioError("there is no audio in it")
    if len(samples) > limit * rate:
        raise AudioError(f"it is longer than {limit:g} s")
    return samples


async def _collect_frames(audio: Any, rate: int, limit: float) -> list[Samples]:
    parts: list[Samples] = []
    resampler = FrameResampler(rate)
    total = 0

    def add(item: Any) -> None:
        nonlocal total
        frame = item if isinstance(item, rtc.AudioFrame) else getattr(item, "frame", None)
        if not isinstance(frame, rtc.AudioFrame):
            raise AudioError(f"{type(item).__name__} is not an audio frame")
        parts.append(resampler.push(frame))
        total += len(parts[-1])
        if total > limit * rate:
            raise AudioError(f"it is longer than {limit:g} s")

    if isinstance(audio, rtc.AudioFrame):
        add(audio)
    elif isinstance(audio, AsyncIterable):
        iterator = aiter(audio)
        try:
            async for item in iterator:
                add(item)
                await asyncio.sleep(0)  # it may never wait itself
        finally:
            if (close := getattr(audio, "aclose", None)) is not None:
                await close()
    elif isinstance(audio, Iterable) and not isinstance(audio, (str, bytes)):
        for item in audio:
            add(item)
            await asyncio.sleep(0)
    else:
        raise AudioError(f"{type(audio).__name__} is not audio")
    parts.append(resampler.flush())
    return parts
