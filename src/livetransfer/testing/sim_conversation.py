"""The lines of a simulated call that carry sound to chosen parties: sinks and conversations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from livekit.agents import Agent, AgentSession

from livetransfer.errors import CallControlError
from livetransfer.status import TransferStatus

from .ear import Ear
from .session_io import SessionVoice, SimAudioInput, has_voice
from .sounds import RATE, Sound
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livekit import rtc

    from .exchange import Exchange

__all__ = ["SimConversation", "SimSink"]


class SimSink:
    """An `AudioSink` on a tape: takes frames as fast as its queue lets it.

    Attributes:
        name: What it is called as the source of what is heard.
        closed: Whether it was closed.
    """

    def __init__(self, simulation: Exchange, to: Sequence[str], name: str, queue: float) -> None:
        self._tape, self._to = simulation.tape, frozenset(to)
        self._writer = Writer(simulation.tape, name, to)
        self._captions: list[Sound] = []
        self._limit = queue
        self._waiters: set[asyncio.Future[None]] = set()
        self.name = name
        self.closed = False

    @property
    def sample_rate(self) -> int:
        """Samples per second, in Hz, that `write` takes."""
        return RATE

    @property
    def num_channels(self) -> int:
        """Channels that `write` takes."""
        return 1

    @property
    def queued(self) -> float:
        """Seconds of audio written and not yet played."""
        return self._writer.queued

    async def ready(self) -> None:
        """Return: whoever may hear it, hears it at once."""

    async def write(self, frame: rtc.AudioFrame) -> None:
        """Queue `frame`; wait while the queue is full. After `aclose` it does nothing.

        Raises:
            ValueError: The frame has another rate or number of channels.
        """
        if frame.sample_rate != RATE or frame.num_channels != 1:
            raise ValueError(
                f"a frame of {frame.sample_rate} Hz and {frame.num_channels} channels was written "
                f"to a sink of {RATE} Hz and 1 channel"
            )
        if self.closed:
            await asyncio.sleep(0)  # a writer that does not notice must not block the loop
            return
        while not self.closed and self.queued > 0 and self.queued + frame.duration > self._limit:
            # Waking up for every frame would cost much with hundreds of calls.
            room = self.queued + frame.duration - 0.75 * self._limit
            await self._wait(min(room, self.queued))
        if not self.closed:
            self._writer.write(frame)

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        timer = loop.call_later(seconds, _wake, waiter)
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiters.discard(waiter)

    def caption(self, text: str, delay: float, seconds: float) -> None:
        """Words are in what was written: they begin `delay` seconds from now.

        They are on the tape as ``"comfort"``, beside the sound that they are part of.
        """
        start = self._tape.now() + delay
        words = Sound(
            "comfort",
            start,
            start + seconds,
            audience=self._to,
            text=text,
            audible=[[start, start + seconds]],
            keep=False,
        )
        self._tape.add(words)
        self._captions.append(words)

    def clear(self) -> None:
        """Drop what is queued and not yet played."""
        self._writer.clear()
        for words in self._captions:
            words.cut(self._tape.now())
        self._captions = []
        for waiter in self._waiters:
            _wake(waiter)

    async def aclose(self) -> None:
        """Stop, at once. May be called again."""
        self.closed = True
        self.clear()
        self._writer.finish()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class SimConversation:
    """A `Conversation`: an AgentSession that one leg hears and talks to.

    Attributes:
        identity: The leg's identity.
        session: The session, once it was started.
        closed: Whether it was closed.
    """

    def __init__(self, simulation: Exchange, identity: str) -> None:
        self._simulation = simulation
        self._starting: asyncio.Task[None] | None = None
        self.identity = identity
        self.session: AgentSession[Any] | None = None
        self.ear: Ear | None = None
        self.closed = False

    async def start(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start `session` with `agent`, its audio and text going to and from the leg only.

        Raises:
            CallControlError: The session could not be started, or the conversation is closed.
        """
        if self.closed:
            raise _failed("the conversation is closed")

        async def begin() -> None:
            self.session, self.ear = session, Ear(session)
            voice = SessionVoice(self._simulation.tape, "briefing", frozenset({self.identity}))
            voice.attach(session, audio=has_voice(session, agent))
            if session.input.audio is None:
                session.input.audio = SimAudioInput()
            # Its own task, because the session attaches a tracing context to the one it is in.
            self._starting = asyncio.create_task(session.start(agent, record=False))
            try:
                await asyncio.shield(self._starting)
            except Exception as error:
                raise _failed(f"the session could not be started: {error}") from error

        await self._simulation.verb(
            "start_conversation", {"identity": self.identity, "agent": agent}, begin
        )

    async def aclose(self) -> None:
        """Close the session and the line; the leg stays. May be called again."""
        if self.closed:
            return
        self.closed = True
        if self.ear is not None:
            self.ear.release()
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting])
        if self.session is not None:
            await asyncio.shield(asyncio.create_task(self.session.aclose()))


def _failed(message: str) -> CallControlError:
    return CallControlError(message, status=TransferStatus.FAILED)
