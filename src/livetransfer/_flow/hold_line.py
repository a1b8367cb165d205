"""The caller on hold: the sink for the music, the music, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from livekit.agents import AgentSession
from livekit.agents.tts import TTS

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer.control import AudioSink, CallControl
from livetransfer.hold import (
    ComfortFailed,
    ComfortSpoken,
    Held,
    HoldEvent,
    HoldMusicPlayer,
    HoldSourceFailed,
    PlayHandle,
)

from .caller_session import CallerSession

__all__ = ["TAIL_LIMIT", "HoldLine"]

logger = logging.getLogger("livetransfer")

OPEN_LIMIT = 1.0
"""Seconds that the transfer waits for the music to begin; it may begin later."""

SAY_LIMIT = 20.0
"""Seconds that a line between two attempts may take, its synthesis included."""

TAIL_LIMIT = 6.0
"""Seconds that the music goes on at most after the caller was given back, until the AI speaks."""

FADE = 0.1
"""Seconds over which the music fades when a voice takes over."""

_tails: WeakKeyDictionary[AgentSession[Any], HoldLine] = WeakKeyDictionary()
_voices: WeakKeyDictionary[TTS[Any], str] = WeakKeyDictionary()
_count = itertools.count()


class HoldLine:
    """Plays the hold music to the caller, and to nobody else.

    Args:
        control: The call.
        session: The caller's session; its voice ends the music when the caller is given back.
        player: What to play.
        problem: Called with a sentence when there can be no music.
        spoken: Called with the words of each comfort line that is heard.
        facts: What comfort lines are told of the call.
    """

    def __init__(
        self,
        control: CallControl,
        session: AgentSession[Any],
        player: HoldMusicPlayer,
        *,
        problem: Callable[[str], None],
        spoken: Callable[[str], None],
        facts: Callable[[], Held],
    ) -> None:
        self._control, self._session = control, session
        self._player, self._problem, self._spoken = player, problem, spoken
        self._facts = facts
        self._opening: asyncio.Task[AudioSink] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._sink: AudioSink | None = None
        self._handle: PlayHandle | None = None
        self._faded = self._ended = False
        self._began = 0.0

    @property
    def music(self) -> str | None:
        """What is to play, in a word; None where it is to be quiet."""
        return self._player.music

    @property
    def handle(self) -> PlayHandle | None:
        """What plays now."""
        return self._handle

    @property
    def longest_silence(self) -> float | None:
        """The longest time, in seconds, in which nothing was played; None without music."""
        if self._handle is None or self.music is None:
            return None
        return self._handle.longest_silence(self._began)

    def prepare(self) -> None:
        """Begin to open the sink, so that the music can start at once. Needs a running loop."""
        if self._opening is None:
            self._opening = asyncio.create_task(
                self._control.open_audio([self._control.caller.identity], name="hold-music"),
                name="livetransfer-hold-open",
            )

    async def start(self) -> None:
        """Start the music. Where it cannot be, the problem is told and the transfer goes on."""
        if self._starting is not None or self._ended:
            return
        self._began = asyncio.get_running_loop().time()
        self.prepare()
        self._starting = asyncio.create_task(self._start(), name="livetransfer-hold-start")
        done, _ = await asyncio.wait({self._starting}, timeout=OPEN_LIMIT)
        if not done:
            self._problem(f"the hold music did not begin within {OPEN_LIMIT:g} s")

    async def _start(self) -> None:
        assert self._opening is not None
        try:
            self._sink = await asyncio.shield(self._opening)
        except Exception as error:
            logger.warning("there can be no hold music", **logged())
            self._problem(f"the hold music cannot be played: {error}")
            return
        if self._faded:
            return
        tts = CallerSession(self._session).tts
        self._handle = self._player.play(
            self._sink,
            synthesise=tts.synthesize if tts is not None else None,
            voice=_voice(tts) if tts is not None else "",
            on_event=self._on_event,
            facts=self._facts,
        )
        tail = _tails.get(self._session)
        if tail is not None and tail is not self:
            del _tails[self._session]
            keep(asyncio.create_task(tail.stop(), name="livetransfer-hold-stop"))
        # What happens next, in the room and between its tracks, must not hold up the first bar.
        await self._sink.ready()

    def _on_event(self, event: HoldEvent) -> None:
        if isinstance(event, (HoldSourceFailed, ComfortFailed)):
            self._problem(str(event))
        elif isinstance(event, ComfortSpoken):
            self._spoken(event.text)

    async def say(self, text: str) -> None:
        """Speak a line over the music; return when it was heard, or cannot be, in any case soon."""
        if self._handle is None:
            self._problem("a line could not be spoken: nothing plays that it could be spoken over")
            return
        heard = self._handle.say(text)
        await asyncio.wait({heard}, timeout=SAY_LIMIT)
        if not heard.done():
            heard.cancel()
            self._problem(f"a line was not heard within {SAY_LIMIT:g} s")
        elif not heard.cancelled():
            if (error := heard.exception()) is not None:
                self._problem(f"a line could not be spoken: {error}")
            else:
                self._spoken(text)

    def fade(self, seconds: float = FADE) -> None:
        """Let the music end within `seconds`, without waiting for it; it does not begin again."""
        self._faded = True
        if self._handle is not None:
            self._handle.stop(fade=seconds)

    async def stop(self, fade: float = FADE) -> None:
        """End the music and release the sink. Idempotent; a cancelled stop is finished later."""
        if self._ended:
            return
        self._ended = True
        await asyncio.shield(keep(asyncio.create_task(self._stop(fade))))

    async def _stop(self, fade: float) -> None:
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._opening is not None and self._sink is None:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                self._sink = await self._opening
        if self._handle is not None:
            self._handle.stop(fade=fade)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._handle.wait(), fade + 0.5)
        if self._sink is not None:
            await self._sink.aclose()

    async def until_voice(self, limit: float = TAIL_LIMIT) -> None:
        """Let the music go on until the AI or the caller speaks, at most `limit` seconds."""
        if self._starting is None or self._ended:
            await self.stop()
            return
        voice = asyncio.get_running_loop().create_future()

        def on_state(event: Any) -> None:
            if event.new_state == "speaking" and not voice.done():
                voice.set_result(None)

        def on_close(_: Any) -> None:
            if not voice.done():
                voice.set_result(None)

        session = self._session
        _tails[session] = self
        session.on("agent_state_changed", on_state)
        session.on("user_state_changed", on_state)
        session.on("close", on_close)
        try:
            if session.agent_state != "speaking":
                await asyncio.wait({voice}, timeout=limit)
        finally:
            session.off("agent_state_changed", on_state)
            session.off("user_state_changed", on_state)
            session.off("close", on_close)
            if _tails.get(session) is self:
                del _tails[session]
            await self.stop()


def _voice(tts: TTS[Any]) -> str:
    """Return what names this very object, also when it is gone: an `id` is used again then."""
    return _voices.setdefault(tts, f"{tts.label}/{next(_count)}")
