"""SimLegAudio: what one leg of a simulated call says, in frames, for whoever listens to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from livekit import rtc

from livetransfer.control import CallLost, ControlEvent

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["SimLegAudio"]

_FRAME = 0.02
"""Seconds of one frame: what a telephone sends at a time."""
_QUEUED = 2.0
"""Seconds that wait to be taken, at most."""
_SAME = 1e-6
"""Seconds that a frame may lack and count as said."""


class SimLegAudio:
    """A `LegAudio`: made of what is on the tape, when it is asked for.

    It begins at the answer and ends at the bridge, with the leg, and with the call.

    Attributes:
        identity: Whose audio.
        closed: Whether it was closed.
    """

    def __init__(self, simulation: Exchange, identity: str, sample_rate: int) -> None:
        self._simulation, self._rate = simulation, sample_rate
        self._opened = simulation.now
        self._begun: float | None = None
        self._frames = 0  # since it began, those that were dropped included
        self._lost = 0
        self._waiter: asyncio.Future[None] | None = None
        self._over_at: float | None = None
        self.identity = identity
        self.closed = False

    @property
    def sample_rate(self) -> int:
        """Samples per second of every frame, in Hz."""
        return self._rate

    @property
    def dropped(self) -> float:
        """Seconds that nobody took in time."""
        return self._lost * _FRAME

    def on_event(self, event: ControlEvent) -> None:
        """Something has happened in the call: see whether it begins or ends this."""
        if isinstance(event, CallLost):
            self.end()
        self._wake()

    def end(self) -> None:
        """Nothing more comes from here on; what is queued can still be taken."""
        if self._over_at is None:
            self._over_at = self._simulation.now
        self._wake()

    def __aiter__(self) -> SimLegAudio:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        if self._waiter is not None:
            raise RuntimeError("two tasks iterate over the audio of one leg: listen to it twice")
        while not self.closed:
            if self._begun is None:
                self._begin()
            due = self._due()
            if due is None and self._over_at is not None:
                break
            if due is not None and due <= self._simulation.now + _SAME:
                frame = self._take(due - _FRAME)
                if frame is not None:
                    return frame
            else:
                await self._wait(None if due is None else due - self._simulation.now)
        raise StopAsyncIteration

    def _begin(self) -> None:
        """Begin where the leg came on the line, or where it was first listened to."""
        presence = self._simulation.tape.presence(self.identity)
        if presence:
            here, gone = presence[-1]
            if gone > self._opened:
                self._begun = max(here, self._opened)

    def _due(self) -> float | None:
        """Return when the next frame is complete; None where none will be."""
        if self._begun is None:
            return None
        tape, now = self._simulation.tape, self._simulation.now
        if self._over_at is None:
            gone = next(end for start, end in tape.presence(self.identity) if end > self._begun)
            over = min(gone, self._simulation.joins.bridged_at(self.identity))
            if over <= now:
                self._over_at = over
        until = now if self._over_at is None else self._over_at
        late = int((until - self._begun - _QUEUED) / _FRAME + _SAME) - self._frames
        if late > 0:
            self._frames += late
            self._lost += late
        due = self._begun + (self._frames + 1) * _FRAME
        return None if self._over_at is not None and due > self._over_at + _SAME else due

    def _take(self, start: float) -> rtc.AudioFrame | None:
        """Return the frame that begins at `start`; None while the AI was cut off."""
        self._frames += 1
        tape = self._simulation.tape
        if tape.muted(start, start + _FRAME):
            return None
        count = round(_FRAME * self._rate)
        samples = tape.speech(self.identity, start, count, self._rate)
        return rtc.AudioFrame(samples.tobytes(), self._rate, 1, count)

    async def _wait(self, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self._wake)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def aclose(self) -> None:
        """Stop, at once. May be called again."""
        self.closed = True
        self._wake()
