"""The line on which one briefing is held, and the AgentSession on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle

from livetransfer._logged import logged
from livetransfer.briefing import BriefingAgent, Verdict
from livetransfer.briefing.agent import Farewell
from livetransfer.briefing.send_keys_to_phone import NAME as KEYS_TOOL
from livetransfer.briefing.send_keys_to_phone import with_own_keys
from livetransfer.control import Conversation
from livetransfer.phases import Phase
from livetransfer.record import briefing_ended

from .call import Call
from .caller_session import CallerSession, speak
from .leg import HumanLeg

__all__ = ["BriefingLine", "session_options"]

logger = logging.getLogger("livetransfer")

FAREWELL_LIMIT = 5.0
"""Seconds that the last sentence to the human may take before the line is closed."""


TURN_ENDS = 0.8
"""Seconds of silence after which a human's turn ends at the latest. A recording that repeats itself
never pauses for the 3 s that a caller may be given (measured: what the model found took effect
after 7 to 42 s, or never)."""

FALSE_ALARM = 1.0
"""Seconds after which a sentence that noise has interrupted goes on."""


class BriefingLine:
    """Opened while the phone rings, closed with the attempt; the leg is not its own.

    Args:
        call: The call.
        human: The leg.
        agent: Who briefs.

    Attributes:
        on_words: Called with what the human says, and whether he is done with it.
        on_voice: Called when the human begins or ceases to speak, and whether his words are
            written down.
        verdict: What was decided; None where something else has ended the briefing.
    """

    def __init__(self, call: Call, human: HumanLeg, agent: BriefingAgent) -> None:
        self._call, self._human, self.agent = call, human, agent
        self._line: Conversation | None = None
        self._session: AgentSession[Any] | None = None
        self.verdict: str | None = None
        self._told = False
        self.on_words: Callable[[str, bool], None] | None = None
        self.on_voice: Callable[[bool, bool], None] | None = None

    async def open(self, caller: CallerSession) -> None:
        """Open the line and start the briefing's session on it; it greets at the answer."""
        session: AgentSession[Any] = AgentSession(**session_options(caller))
        self._line = await self._call.control.open_conversation(self._human.leg.identity)
        session.on("close", self._on_close)
        session.on("user_input_transcribed", self._on_words)
        session.on("user_state_changed", self._on_state)
        self._session = session
        tools = with_own_keys(self.agent.tools, self._press)
        if tools is not None:
            await self.agent.update_tools(tools)
        await self._line.start(session, self.agent)
        self._call.tell.before_the_end(self._tell_end)

    @property
    def navigates(self) -> bool:
        """Whether the agent can find its way through a menu: it has a tool for keys."""
        return any(getattr(tool, "id", None) == KEYS_TOOL for tool in self.agent.tools)

    def _on_words(self, event: Any) -> None:
        if self.on_words is not None:
            self.on_words(event.transcript, event.is_final)

    def _on_state(self, event: Any) -> None:
        if self.on_voice is not None and self._session is not None:
            self.on_voice(event.new_state == "speaking", self._session.stt is not None)

    async def _press(self, keys: str) -> None:
        await self._call.control.send_dtmf(self._human.leg, keys)

    def _on_close(self, event: Any) -> None:
        error = getattr(event, "error", None)
        self.agent.decide(Verdict("failed", f"the briefing broke down: {error}" if error else None))

    def hush(self) -> None:
        """Say nothing more; the line is about to be joined."""
        if self._session is not None:
            with contextlib.suppress(RuntimeError):
                self._session.interrupt(force=True)
            if self._session.output.audio is not None:
                self._session.output.set_audio_enabled(False)
            if self._session.input.audio is not None:
                self._session.input.set_audio_enabled(False)

    async def farewell(self, reason: Farewell) -> None:
        """Tell the human why the line is about to be closed; bounded, and it never raises."""
        try:
            text = self.agent.last_words(reason)
            if text is None or self._session is None:
                return
            with contextlib.suppress(RuntimeError):
                self._session.interrupt(force=True)
            handle = await self._speak(self._session, text)
            if handle is None:
                return
            gone = asyncio.ensure_future(self._human.left.wait())
            try:
                await asyncio.wait(
                    {asyncio.ensure_future(handle.wait_for_playout()), gone},
                    timeout=FAREWELL_LIMIT,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                gone.cancel()
        except Exception:
            logger.warning("the human could not be told goodbye", **logged())

    async def _speak(self, session: AgentSession[Any], text: str) -> SpeechHandle | None:
        speech = self.agent.standing(text)
        if speech is not None and await speech.ready():
            with contextlib.suppress(RuntimeError):
                return session.say(text, audio=speech.frames(), allow_interruptions=False)
        return speak(session, text, session.llm)

    async def aclose(self, ready: asyncio.Task[None]) -> None:
        """Close the line, also one that is still being opened."""
        await self.agent.release()
        if not ready.done():
            ready.cancel()
            await asyncio.wait({ready})
        if self._session is not None:
            self._session.off("close", self._on_close)
            self._session.off("user_input_transcribed", self._on_words)
            self._session.off("user_state_changed", self._on_state)
        if self._line is not None:
            await self._line.aclose()
        self._tell_end()

    def _tell_end(self) -> None:
        """Tell what was said and used, once; later there is more of it, earlier it is needed."""
        briefed = self._human.stage in (Phase.BRIEFING, Phase.BRIDGING)
        if self._told or self._session is None or not briefed:
            return
        self._told = True
        call = self._call
        call.emit(
            briefing_ended(
                self._session,
                identity=self._human.leg.identity,
                verdict=self.verdict,
                at=call.at,
            )
        )


def session_options(caller: CallerSession) -> dict[str, Any]:
    """Return the keywords of the briefing's session: it listens and speaks as the caller's does.

    The caller's models serve it too; sessions close their streams, never models.
    """
    found = {kind: caller.model(kind) for kind in ("stt", "llm", "tts")}
    endpointing: dict[str, Any] = {**caller.session.options.endpointing}
    endpointing["max_delay"] = min(endpointing.get("max_delay", TURN_ENDS), TURN_ENDS)
    endpointing["min_delay"] = min(endpointing.get("min_delay", TURN_ENDS), TURN_ENDS)
    turns: dict[str, Any] = {
        "endpointing": endpointing,
        # Noise at the human's end has no words: it does not silence the first ones. Nor does it
        # hold them back: where an interruption may be taken back, livekit-agents begins to say
        # nothing while any voice is heard, and babble never ends. Who is interrupted by words that
        # were none says the first ones once more: see `briefing/repeat_first_words.py`.
        "interruption": {
            "min_words": 1 if found["stt"] is not None else 0,
            "resume_false_interruption": found["stt"] is None,
            "false_interruption_timeout": FALSE_ALARM,
        },
    }
    # Turns that the caller's code commits itself would never end here.
    if (detection := caller.model("turn_detection")) != "manual":
        turns["turn_detection"] = detection
    return {
        **{kind: model for kind, model in found.items() if model is not None},
        "vad": caller.vad,
        "turn_handling": turns,
        "aec_warmup_duration": None,
        "user_away_timeout": None,
        # Nobody waits for what the human may have said last: the caller is on hold.
        "session_close_transcript_timeout": 0.0,
    }
