"""RoomLegAudio: what one leg sends into a room, in frames, for whoever listens to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from livekit import rtc

from livetransfer.control import CallLost, ControlEvent, LegLeft

from .leg_room import Place
from .tasks import Tasks

__all__ = ["RoomLegAudio"]

FRAME_MS = 20
# What waits to be taken, at most: the port says 2 s.
QUEUED = 2000 // FRAME_MS
CLOSE = 1.0


def _stream(track: rtc.Track, rate: int) -> rtc.AudioStream:
    return rtc.AudioStream(
        track, sample_rate=rate, num_channels=1, frame_size_ms=FRAME_MS, capacity=QUEUED
    )


class RoomLegAudio:
    """A [`LegAudio`][livetransfer.control.LegAudio] of the tracks that a participant publishes.

    Args:
        place: The room of the leg, which need not be there yet.
        identity: Whose audio.
        sample_rate: Of the frames, in Hz.
        stream: Opens the frames of a track.
    """

    def __init__(
        self,
        place: Place,
        identity: str,
        sample_rate: int,
        stream: Callable[[rtc.Track, int], Any] = _stream,
    ) -> None:
        self._room, self._identity = place.room, identity
        self._rate, self._stream = sample_rate, stream
        self._frames: deque[rtc.AudioFrame] = deque()
        self._dropped = 0.0
        self._over = self._iterating = False
        self._changed = asyncio.Event()
        self._tasks = Tasks()
        self._track: rtc.Track | None = None
        self._reading: asyncio.Task[None] | None = None
        self._unsubscribe = place.events.subscribe(self._on_event)
        self._handlers: dict[Any, Callable[..., None]] = {
            "track_published": self._on_published,
            "track_subscribed": self._on_subscribed,
            # A subscription that is asked for while the connection is made anew is lost.
            "reconnected": self._look,
            # When we disconnect ourselves, "disconnected" does not always come.
            "connection_state_changed": self._on_state,
        }
        for name, handler in self._handlers.items():
            self._room.on(name, handler)
        self._look()

    @property
    def sample_rate(self) -> int:
        """Samples per second of every frame, in Hz."""
        return self._rate

    @property
    def dropped(self) -> float:
        """Seconds that nobody took in time."""
        return self._dropped

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self._over

    def __aiter__(self) -> RoomLegAudio:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        if self._iterating:
            raise RuntimeError("two tasks iterate over the audio of one leg: listen to it twice")
        self._iterating = True
        try:
            while not self._frames:
                if self._over:
                    raise StopAsyncIteration
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._iterating = False
        return self._frames.popleft()

    async def aclose(self) -> None:
        """Stop, at once. May be called again."""
        self._frames.clear()
        self._end()
        await self._tasks.aclose(CLOSE)

    def _end(self) -> None:
        """Nothing more comes; what is queued can still be taken."""
        if self._over:
            return
        self._over = True
        self._unsubscribe()
        for name, handler in self._handlers.items():
            self._room.off(name, handler)
        if self._reading is not None:
            self._reading.cancel()
        self._changed.set()

    def _look(self) -> None:
        participant = self._room.remote_participants.get(self._identity)
        if participant is None:
            return
        for each in participant.track_publications.values():
            if each.track is not None:
                self._on_subscribed(each.track, each, participant)
            else:
                self._on_published(each, participant)

    def _on_published(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if participant.identity == self._identity and publication.kind == rtc.TrackKind.KIND_AUDIO:
            publication.set_subscribed(True)

    def _on_subscribed(
        self,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        """Read the newest track of the leg: after a reconnect that is the one."""
        if participant.identity != self._identity or track is self._track:
            return
        if publication.kind != rtc.TrackKind.KIND_AUDIO:
            return
        self._track = track
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self._tasks.start(self._read(track), "listen")

    async def _read(self, track: rtc.Track) -> None:
        stream = self._stream(track, self._rate)
        try:
            async for event in stream:
                self._put(event.frame)
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(asyncio.shield(stream.aclose()), CLOSE)

    def _put(self, frame: rtc.AudioFrame) -> None:
        if self._over:
            return
        if len(self._frames) >= QUEUED:
            self._dropped += self._frames.popleft().duration
        self._frames.append(frame)
        self._changed.set()

    def _on_event(self, event: ControlEvent) -> None:
        if isinstance(event, CallLost) or (
            isinstance(event, LegLeft) and event.identity == self._identity
        ):
            self._end()

    def _on_state(self, state: rtc.ConnectionState.ValueType) -> None:
        if state == rtc.ConnectionState.CONN_DISCONNECTED:
            self._end()
