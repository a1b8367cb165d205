"""Recording: what the caller says while a message is taken, as audio."""

from __future__ import annotations

import io
import wave
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.voice.io import AudioInput

__all__ = ["Recording"]


class _Tap(AudioInput):
    """Passes the session's audio on, and keeps it."""

    def __init__(self, source: AudioInput, recording: Recording) -> None:
        super().__init__(label="livetransfer-message", source=source)
        self._recording = recording

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await super().__anext__()
        self._recording.add(frame)
        return frame


class Recording:
    """Keeps what a session hears of its caller, from `begin` to `end`.

    Args:
        session: The caller's session.
        limit: Seconds that are kept, at most; what comes later is not.
    """

    def __init__(self, session: AgentSession[Any], limit: float) -> None:
        self._session, self._limit = session, limit
        self._tap: _Tap | None = None
        self._parts: list[bytes] = []
        self._rate = self._channels = 0
        self._seconds = 0.0

    def begin(self) -> None:
        """Begin to keep. A session without audio has nothing to keep."""
        source = self._session.input.audio
        if source is not None and self._tap is None:
            self._tap = _Tap(source, self)
            self._session.input.audio = self._tap

    def add(self, frame: rtc.AudioFrame) -> None:
        """Keep one frame."""
        if not self._parts:
            self._rate, self._channels = frame.sample_rate, frame.num_channels
        if (frame.sample_rate, frame.num_channels) != (self._rate, self._channels):
            return  # a caller's line does not change its rate within a message
        if self._seconds < self._limit:
            self._seconds += frame.samples_per_channel / frame.sample_rate
            self._parts.append(bytes(frame.data))

    def end(self) -> None:
        """Keep no more, and leave the session as it was. Idempotent."""
        tap, self._tap = self._tap, None
        if tap is not None and self._session.input.audio is tap:
            self._session.input.audio = tap.source

    def wav(self) -> bytes | None:
        """Return what was kept as a WAV file; None for nothing."""
        if not self._parts:
            return None
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(self._channels)
            file.setsampwidth(2)
            file.setframerate(self._rate)
            file.writeframes(b"".join(self._parts))
        return buffer.getvalue()
