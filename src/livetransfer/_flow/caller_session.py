"""The caller's AgentSession during a transfer: announce, silence it, give it back as it was."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from livekit import rtc
from livekit.agents import (
    AgentSession,
    ErrorEvent,
    FunctionToolsExecutedEvent,
    RunContext,
    SpeechCreatedEvent,
)
from livekit.agents.llm import LLM, RealtimeModel
from livekit.agents.stt import STT
from livekit.agents.tts import TTS
from livekit.agents.utils import is_given
from livekit.agents.vad import VAD
from livekit.agents.voice import SpeechHandle

from livetransfer._logged import logged
from livetransfer.errors import ConfigurationError

__all__ = ["CallerSession", "Context", "session_of", "speak"]

logger = logging.getLogger("livetransfer")

Context = RunContext[Any] | AgentSession[Any]

ANNOUNCEMENT_LIMIT = 30.0
"""Seconds that an announcement, or what is still being said, may take before the hold begins."""

CLOSING_SEEN = 0.2
"""Seconds between two looks at whether the session is being closed, where nothing tells it."""

_NEVER_AWAY = 1e9
_ANY_NUMBER = 1_000_000


def session_of(context: Context) -> AgentSession[Any]:
    """Return the session of a RunContext, or the session itself.

    Raises:
        ConfigurationError: `context` is neither.
    """
    if isinstance(context, RunContext):
        return context.session
    if isinstance(context, AgentSession):
        return context
    raise ConfigurationError(
        "context", context, "pass the RunContext of your function tool, or the AgentSession"
    )


class CallerSession:
    """The caller's session while a transfer runs.

    Args:
        context: What `run()` was given.
    """

    def __init__(self, context: Context) -> None:
        self.session = session_of(context)
        self._context = context if isinstance(context, RunContext) else None
        self._undo: list[Callable[[], None]] = []
        self._reply_guard: Callable[[FunctionToolsExecutedEvent], None] | None = None
        self._reported = False

    @property
    def in_tool(self) -> bool:
        """Whether a function tool transfers, whose result is told to the LLM."""
        return self._context is not None

    @property
    def turn(self) -> SpeechHandle | None:
        """The turn of the AI in which that tool was called."""
        return self._context.speech_handle if self._context is not None else None

    @property
    def call_id(self) -> str | None:
        """The id of the LLM's call of that tool."""
        return self._context.function_call.call_id if self._context is not None else None

    @property
    def answers_at_the_end(self) -> bool:
        """Whether the tool's result is told when the tool ends, in the turn that called it."""
        if self._context is None or self._reported:
            return False
        handle = self._context.speech_handle
        return not handle.interrupted and not handle.done()

    async def end_of_turn(self) -> None:
        """Return when the turn that called the tool is over, its reply included."""
        if self._context is not None:
            over = asyncio.get_running_loop().create_future()
            handle = self._context.speech_handle
            handle.add_done_callback(lambda _: None if over.done() else over.set_result(None))
            if not handle.done():
                await over

    def model(self, kind: str) -> Any:
        """Return the `stt`, `vad`, `llm` or `tts` that the current agent uses, or None."""
        with contextlib.suppress(RuntimeError):
            own = getattr(self.session.current_agent, kind)
            if is_given(own):
                return own
        return getattr(self.session, kind)

    @property
    def userdata(self) -> Any:
        """What the application keeps on the session, or None."""
        with contextlib.suppress(ValueError):
            return self.session.userdata
        return None

    @property
    def llm(self) -> LLM[Any] | RealtimeModel | None:
        """The model that talks with the caller."""
        model: LLM[Any] | RealtimeModel | None = self.model("llm")
        return model

    @property
    def tts(self) -> TTS[Any] | None:
        """The voice that the caller hears."""
        model: TTS[Any] | None = self.model("tts")
        return model

    @property
    def stt(self) -> STT[Any] | None:
        """What transcribes the caller."""
        model: STT[Any] | None = self.model("stt")
        return model

    @property
    def vad(self) -> VAD | None:
        """What detects the caller's voice."""
        model: VAD | None = self.model("vad")
        return model

    def hold_the_floor(self) -> None:
        """See to it that the caller, talking into the announcement, does not cancel the tool."""
        if self._context is not None:
            # Raises when the turn was interrupted already; the transfer goes on all the same.
            with contextlib.suppress(RuntimeError):
                self._context.disallow_interruptions()

    async def keep_talking(self, report: str) -> None:
        """Answer the LLM's tool call with `report` now, so that the AI goes on talking."""
        if self._context is not None:
            self._reported = True
            await self._context.update(report)

    async def quiet(self, limit: float) -> None:
        """Let the AI end its sentence, for at most `limit` seconds, then interrupt it."""
        speech = self.session.current_speech
        if speech is None:
            return
        await asyncio.wait({asyncio.ensure_future(speech.wait_for_playout())}, timeout=limit)
        with contextlib.suppress(RuntimeError):
            await self.session.interrupt(force=True)

    async def announce(self, text: str | None) -> None:
        """Let what is being said play out, then say `text`, and wait until it was heard.

        Bounded by `ANNOUNCEMENT_LIMIT` seconds in all. A voice that fails does not stop the
        transfer: it is logged.
        """
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._announce(text), ANNOUNCEMENT_LIMIT)

    async def _announce(self, text: str | None) -> None:
        if self._context is not None:
            # Raises where the tool was called outside of a generation (in a test, by hand).
            with contextlib.suppress(RuntimeError):
                await self._context.wait_for_playout()
        elif (current := self.session.current_speech) is not None:
            await current.wait_for_playout()
        handle = self._after_what_is_queued() if text is None else self.speak(text)
        if handle is not None:
            try:
                await handle.wait_for_playout()
            except asyncio.CancelledError:
                # Detaching the output stops nothing that is queued already.
                with contextlib.suppress(RuntimeError):
                    handle.interrupt(force=True)
                raise
            if (error := handle.exception()) is not None:
                logger.warning("the announcement could not be spoken", **logged(error))

    def _after_what_is_queued(self) -> SpeechHandle | None:
        """Return a handle that is done when what the tool has queued with `say` was heard."""
        if self.session.output.audio is None or self.tts is None:
            return None
        return self.session.say(
            "", audio=_nothing(), allow_interruptions=False, add_to_chat_ctx=False
        )

    def speak(self, text: str) -> SpeechHandle | None:
        """Say `text` to the caller in the AI's voice; None where it has none."""
        return speak(self.session, text, self.llm)

    def detach(self) -> None:
        """From now on the session hears and says nothing, until `restore`. Idempotent."""
        if self._undo:
            return
        session = self.session
        with contextlib.suppress(RuntimeError):
            session.clear_user_turn()
        pairs = (
            (session.input, "audio", session.input.audio),
            (session.input, "video", session.input.video),
            (session.output, "audio", session.output.audio),
            (session.output, "transcription", session.output.transcription),
            (session.output, "video", session.output.video),
        )
        for side, medium, stream in pairs:
            if stream is not None and getattr(side, f"{medium}_enabled"):
                switch = getattr(side, f"set_{medium}_enabled")
                switch(False)
                self._undo.append(partial(switch, True))
        away, session.options.user_away_timeout = session.options.user_away_timeout, _NEVER_AWAY
        session.reset_away_timer()

        def arm_away_timer() -> None:
            session.options.user_away_timeout = away
            session.reset_away_timer()

        self._undo.append(arm_away_timer)
        session.on("speech_created", _silence)
        self._undo.append(lambda: session.off("speech_created", _silence))
        self._undo.append(self._outlive_errors())

    def _outlive_errors(self) -> Callable[[], None]:
        """Let no error close the session meanwhile; the result undoes that.

        It uses no model now: what fails is the briefing, with the same models, and a session
        closes after some errors of its models, whoever used them. The errors meanwhile are
        counted, because the session has counted them too.
        """
        session, options = self.session, self.session.conn_options
        errors: Counter[str] = Counter()

        def on_error(event: ErrorEvent) -> None:
            if not getattr(event.error, "recoverable", True):
                errors[getattr(event.error, "type", "")] += 1

        def undo() -> None:
            session.off("error", on_error)
            options.max_unrecoverable_errors += max(errors.values(), default=0) - _ANY_NUMBER

        session.on("error", on_error)
        options.max_unrecoverable_errors += _ANY_NUMBER
        return undo

    def restore(self) -> None:
        """Give the session back exactly as `detach` found it. Idempotent; never raises."""
        while self._undo:
            undo = self._undo.pop()
            try:
                undo()
            except Exception:
                logger.warning("a part of the session could not be given back", **logged())

    def answer_anyway(self, report: str) -> None:
        """Let the AI speak of `report` where the tool's result will not make it speak.

        That of a tool whose turn was interrupted, by force or before it began, is never told to
        the LLM.
        """
        handle = self._context.speech_handle if self._context is not None else None
        if handle is not None and handle.interrupted and not self.is_closing:
            with contextlib.suppress(RuntimeError):
                self.session.generate_reply(instructions=report)

    def answer_nothing(self) -> None:
        """The tool's result, and any other tool's, shall cause no reply, until `answer_again`."""
        if self._reply_guard is None:
            self._reply_guard = _cancel_reply
            self.session.on("function_tools_executed", _cancel_reply)

    def answer_again(self) -> None:
        """Undo `answer_nothing`. Idempotent."""
        if self._reply_guard is not None:
            self.session.off("function_tools_executed", self._reply_guard)
            self._reply_guard = None

    def _room_options(self) -> Any:
        """Return the options of the session's RoomIO, which has no public reader for them."""
        with contextlib.suppress(RuntimeError):
            return getattr(self.session.room_io, "_options", None)
        return None

    def forget_room(self) -> None:
        """See to it that closing the session does not delete the room the two still talk in."""
        options = self._room_options()
        if options is not None:
            options.delete_room_on_close = False

    def close_as_if_caller_left(self) -> None:
        """Close the session if it closes when the caller leaves.

        A leg that was hung up by us leaves for a reason that the session does not close on.
        """
        options = self._room_options()
        if options is not None and options.close_on_disconnect:
            self.session.shutdown(drain=False)

    @property
    def is_closing(self) -> bool:
        """Whether the session is being closed, or is closed. It has no public reader for that."""
        closing: Callable[[], bool] = getattr(self.session, "_is_closing", lambda: False)
        return closing()

    async def closing(self) -> None:
        """Return when the session is being closed. Cancel it when it is no longer of interest."""
        closed = asyncio.get_running_loop().create_future()

        def on_close(_: object) -> None:
            if not closed.done():
                closed.set_result(None)

        self.session.on("close", on_close)
        try:
            handle = self._context.speech_handle if self._context is not None else None
            if handle is not None and not (handle.interrupted or handle.allow_interruptions):
                # Closing waits for the tool before it says so, but interrupts its speech at once.
                # Others may interrupt it by force, and that ends nothing.
                await handle.wait_if_not_interrupted([closed])
            while not closed.done() and not self.is_closing:
                await asyncio.wait({closed}, timeout=CLOSING_SEEN)
        finally:
            self.session.off("close", on_close)


def speak(
    session: AgentSession[Any], text: str, llm: LLM[Any] | RealtimeModel | None
) -> SpeechHandle | None:
    """Say `text`, uninterrupted, by the TTS or else by a realtime `llm`; None by neither."""
    try:
        return session.say(text, allow_interruptions=False)
    except RuntimeError:
        if not isinstance(llm, RealtimeModel):
            logger.warning("there is no voice to speak with", **logged())
            return None
    try:
        return session.generate_reply(
            instructions=f"Say exactly this and nothing else: {text}", allow_interruptions=False
        )
    except RuntimeError:
        logger.warning("there is no session to speak in any more", **logged())
        return None


def _silence(event: SpeechCreatedEvent) -> None:
    event.speech_handle.interrupt(force=True)


def _cancel_reply(event: FunctionToolsExecutedEvent) -> None:
    event.cancel_tool_reply()


async def _nothing() -> AsyncIterator[rtc.AudioFrame]:
    return
    yield
