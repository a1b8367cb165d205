"""The two transfers of a callback: one rings the human, one the caller while the human waits."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any, Protocol

from livekit.agents import AgentSession
from livekit.agents.llm import RealtimeModel

from livetransfer._flow.briefing_session import session_options
from livetransfer._flow.call import Call
from livetransfer._flow.caller_session import CallerSession, speak
from livetransfer._logged import logged
from livetransfer.briefing import BriefingAgent, Verdict
from livetransfer.control import CallControl, Leg
from livetransfer.events import TransferStarted
from livetransfer.fallback import Action, Fallback, GoTo, HangUp, Next, Retry
from livetransfer.fallback.policy import decide
from livetransfer.outcome import Attempt, TransferOutcome
from livetransfer.routing.router import RouteRequest
from livetransfer.warm import WarmTransfer

from .two_legs_of_control import AwaitedCaller

__all__ = ["HumanFirst", "Reach", "ToCaller", "models_of"]

logger = logging.getLogger("livetransfer")

ONE_MOMENT = "Thank you. I am calling them now; please stay on the line."
NOT_REACHED = "I am sorry, they could not be reached. Thank you, goodbye."

LAST_SENTENCE_LIMIT = 8.0
"""Seconds that a sentence to the human may take."""


class ToCaller(WarmTransfer):
    """Rings the caller for a human who waits: guarded, listened to, and told at once who calls.

    Args:
        control: The call, as it is seen from here.
        call: What stands for the call: its record follows that of the human's transfer.
        *args: See `WarmTransfer`.
        **options: See `WarmTransfer`.
    """

    def __init__(self, control: CallControl, *args: Any, call: object, **options: Any) -> None:
        super().__init__(*args, **options)
        self._control, self._call = control, call

    async def _connect(self, session: CallerSession) -> CallControl:
        return self._control

    def _recorded(self, session: CallerSession) -> object:
        return self._call

    def _started(self, control: CallControl) -> TransferStarted:
        return replace(super()._started(control), kind="callback")

    def _counted(self) -> str | None:
        assert isinstance(self._targets, tuple)
        return self._targets[0].number


class Reach(Protocol):
    """Rings the caller while a human waits."""

    @property
    def human_gone(self) -> bool:
        """Whether he who waits has left. It ends by itself then, with a word to the caller."""

    async def ring(self, human: Leg) -> TransferOutcome:
        """Ring the caller for the human of a leg."""


class HumanFirst(WarmTransfer):
    """Rings and briefs the human; when he has accepted, the caller is rung, and the two are joined.

    Args:
        control: The call, as it is seen from here.
        reach: Rings the caller.
        summary: What the human is told.
        decides_within: Seconds from the answer until the human has to have decided.
        reached_within: Seconds that ringing the caller may take.
        seniority: Seconds by which his place in a queue is older than this call.
        *args: See `WarmTransfer`.
        **options: See `WarmTransfer`.

    """

    def __init__(
        self,
        control: AwaitedCaller,
        reach: Reach,
        *args: Any,
        summary: str,
        decides_within: float,
        reached_within: float,
        seniority: float = 0.0,
        fallback: Fallback | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            *args,
            briefing_timeout=decides_within + reached_within,
            fallback=self._what_follows,
            **options,
        )
        self._control, self._reach = control, reach
        self._own_fallback = fallback
        self._summary = summary
        self._decides_within, self._seniority = decides_within, seniority
        self._one = asyncio.Lock()
        self._reaching: asyncio.Task[TransferOutcome] | None = None

    async def _connect(self, session: CallerSession) -> CallControl:
        return self._control

    def _request(self, call: Call) -> RouteRequest:
        return replace(super()._request(call), seniority=self._seniority)

    @property
    def begun(self) -> bool:
        """Whether the caller was about to be rung."""
        return self._reaching is not None

    @property
    def reached(self) -> TransferOutcome | None:
        """What became of ringing the caller, as far as it is known."""
        task = self._reaching
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    async def settled(self) -> None:
        """Wait until ringing the caller has come to its end."""
        if self._reaching is not None:
            await asyncio.wait({self._reaching})

    def _what_follows(self, attempt: Attempt) -> Action:
        """Ring the next human, unless the caller was rung: then it is over for this time."""
        if self.begun:
            return HangUp()
        action = decide(self._own_fallback, attempt)
        return action if isinstance(action, (Next, Retry, GoTo)) else HangUp()

    async def brief(self, agent: BriefingAgent) -> Verdict:
        """Wait for the human's decision; where he accepts, ring the caller."""
        try:
            verdict = await asyncio.wait_for(agent.verdict(), self._decides_within)
        except asyncio.TimeoutError:
            return Verdict("declined", f"no decision within {self._decides_within:g} s")
        if verdict.kind != "accepted":
            return verdict
        async with self._one:  # another human who accepts meanwhile is told that it is taken
            if self.begun:
                return Verdict("failed", "the caller was not reached")
            self._reaching = asyncio.create_task(
                self._ring_the_caller(agent), name="livetransfer-reach"
            )
            try:
                outcome = await asyncio.shield(self._reaching)
            except asyncio.CancelledError:
                if not self._reach.human_gone:
                    self._reaching.cancel()
                raise
        if outcome.succeeded:
            return verdict
        await _say(agent, NOT_REACHED)
        return Verdict("failed", f"the caller was not reached: {outcome.status}")

    async def _ring_the_caller(self, agent: BriefingAgent) -> TransferOutcome:
        request = agent.request
        assert request is not None
        # He has decided: what he says from here on is not for the briefing.
        agent.session.input.set_audio_enabled(False)
        saying = asyncio.ensure_future(_say(agent, ONE_MOMENT))
        try:
            outcome = await self._reach.ring(Leg(request.human, request.destination))
        finally:
            saying.cancel()
        self._control.reached = outcome.succeeded
        return outcome


async def _say(agent: BriefingAgent, text: str) -> None:
    """Say a sentence to the human; bounded, and no failure of a voice is one of the call."""
    try:
        handle = speak(agent.session, text, agent.session.llm)
        if handle is not None:
            await asyncio.wait_for(handle.wait_for_playout(), LAST_SENTENCE_LIMIT)
    except (asyncio.TimeoutError, RuntimeError):
        logger.warning("a sentence could not be spoken to the human", **logged())


def models_of(session: AgentSession[Any]) -> AgentSession[Any]:
    """Return a session that speaks and listens as `session` does, and answers nothing.

    Args:
        session: Where the models come from; it need not have been started.
    """
    options = session_options(CallerSession(session))
    if not isinstance(options.get("llm"), RealtimeModel) or options.get("tts") is not None:
        options.pop("llm", None)
    return AgentSession(**options)
