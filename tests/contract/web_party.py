"""WebParty: a caller in a browser, who says a tone, hears what comes, and may reload the page."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import numpy as np
from livekit import api, rtc

from tests.e2e import tones
from tests.e2e.stack import Stack

_RATE = 8000
_WINDOW = 160


class WebParty:
    """A participant who is no phone; its client subscribes to all that is published.

    Args:
        stack: The servers.
        room_name: Which room.
        identity: Its own; the same after a reload.
        voice: The tone that it says, in Hz.
    """

    def __init__(self, stack: Stack, room_name: str, identity: str, voice: int) -> None:
        self._stack, self._room_name, self.identity, self._voice = stack, room_name, identity, voice
        self._heard: list[tuple[float, frozenset[int]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.room = rtc.Room()

    @classmethod
    @contextlib.asynccontextmanager
    async def there(
        cls, stack: Stack, room_name: str, identity: str, voice: int
    ) -> AsyncIterator[WebParty]:
        """Join; leave in the end."""
        party = cls(stack, room_name, identity, voice)
        await party.join()
        try:
            yield party
        finally:
            await party.leave()

    async def join(self) -> None:
        """Open the page."""
        self.room = rtc.Room()
        self.room.on("track_subscribed", self._on_track)
        grants = api.VideoGrants(room_join=True, room=self._room_name)
        token = api.AccessToken(self._stack.api_key, self._stack.api_secret)
        token = token.with_identity(self.identity).with_grants(grants)
        await self.room.connect(self._stack.url, token.to_jwt())
        source = rtc.AudioSource(24_000, 1, queue_size_ms=200)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        await self.room.local_participant.publish_track(track, rtc.TrackPublishOptions())
        self._spawn(self._speak(source))

    async def leave(self) -> None:
        """Close the page."""
        tasks, self._tasks = self._tasks, set()
        await self.room.disconnect()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self, away: float) -> float:
        """Close the page and be back in it after `away` seconds; when it was back."""
        await self.leave()
        await asyncio.sleep(away)
        await self.join()
        return time.monotonic()

    def heard(self, voice: int, since: float, before: float = tones.NEVER) -> int:
        """How many ms of a tone it has heard."""
        return 20 * sum(voice in what and since <= at < before for at, what in self._heard)

    async def hears(self, voice: int, within: float = 3.0) -> float:
        """Wait for a tone; when it came."""
        began = time.monotonic()
        while time.monotonic() < began + within:
            if self.heard(voice, began) >= 40:
                return time.monotonic()
            await asyncio.sleep(0.01)
        raise TimeoutError(f"{voice} Hz was not heard within {within} s")

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)

    async def _speak(self, source: rtc.AudioSource) -> None:
        samples = tones.tone(self._voice, 0.1, rate=24_000)
        frame = rtc.AudioFrame(samples.tobytes(), 24_000, 1, len(samples))
        while True:
            await source.capture_frame(frame)

    def _on_track(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._spawn(self._listen(track))

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=_RATE, num_channels=1, frame_size_ms=20)
        try:
            async for event in stream:
                window = np.frombuffer(event.frame.data, np.int16)
                if len(window) == _WINDOW:
                    level = tones.levels(window)
                    loud = frozenset((np.flatnonzero(level >= tones.AUDIBLE) * 50).tolist())
                    self._heard.append((time.monotonic(), loud))
        finally:
            await stream.aclose()
