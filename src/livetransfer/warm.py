"""WarmTransfer: announce, hold, dial, brief, bridge."""

from __future__ import annotations

import logging
from collections.abc import Callable

from typing_extensions import Unpack

from ._checks import check_choice, check_seconds, check_text
from ._flow.caller_session import Context
from ._flow.cold_protocol import ColdProtocol
from ._flow.options import TransferOptions
from ._flow.transfer import Transfer
from ._flow.warm_protocol import WarmOptions, WarmProtocol, WhileRinging
from ._flow.who_answered_warm import AnswerOptions
from .answering import AnswerDetector, AnswerPolicy, ToneAndPhraseDetector
from .answering.policy import WhenAnswered, check_answer_policy
from .answering.port import check_answer_detector
from .briefing import BriefingAgent, Verdict
from .errors import ConfigurationError
from .outcome import TransferOutcome
from .routing.router import Target

__all__ = ["DETECTOR", "WarmTransfer"]

DETECTOR = ToneAndPhraseDetector()
"""Finds out what has answered, without a model; one for all calls of a process."""

logger = logging.getLogger("livetransfer")


class WarmTransfer(Transfer):
    """Hands the caller to a person who has been told who is calling and why.

    `run` may be called several times, also for different calls: all state is the run's own.

    Args:
        to: Whom to dial: a number or SIP URI, a Destination, a sequence of them tried in order,
            or a Router.
        instructions: What the briefing must stress.
        briefing_timeout: Seconds from the answer until the human has to have decided.
        briefing: A BriefingAgent, of which each attempt gets a fresh one, or a factory of them.
        answer_detector: Finds out whether a person, a mailbox, a screener, a menu or an
            announcement has answered, while the briefing already speaks; None: only the
            briefing's model does. One that is given is also waited for where somebody is not
            briefed (a member with ``method="cold"``): see `ColdTransfer`.
        when_answered: What follows each: an AnswerPolicy, or a function of a verdict.
        introduction: A sentence that both hear at the bridge; it needs a TTS.
        department: What a Router is asked for.
        while_ringing: ``"music"``: on hold. ``"conversation"``: the AI goes on talking with the
            caller, who is put on hold only when a person has answered; the tool answers the LLM
            at once and reports later. What is said meanwhile is in the briefing.
        **options: What every transfer can be told: see `TransferOptions`.

    Raises:
        DestinationError: A destination cannot be dialled, or is not allowed.
        ConfigurationError: Another option cannot be used; the message names it.
    """

    _kind = "warm"
    _summary: str | None = None
    """What the human is told, where it was written before the call, as for a callback."""

    def __init__(
        self,
        to: Target,
        *,
        instructions: str | None = None,
        briefing_timeout: float = 90.0,
        briefing: BriefingAgent | Callable[[], BriefingAgent] | None = None,
        introduction: str | None = None,
        answer_detector: AnswerDetector | None = DETECTOR,
        when_answered: AnswerPolicy | WhenAnswered | None = None,
        department: str | None = None,
        while_ringing: WhileRinging = "music",
        **options: Unpack[TransferOptions],
    ) -> None:
        super().__init__(to, department=department, **options)
        self._instructions = check_text("instructions", instructions)
        self._introduction = check_text("introduction", introduction)
        self._briefing_timeout = check_seconds("briefing_timeout", briefing_timeout, 1, 3600)
        self._briefing = _factory(briefing)
        check_answer_detector(answer_detector)
        self._answers = AnswerOptions(answer_detector, check_answer_policy(when_answered))
        # The default one delays nobody.
        self._unbriefed = None if answer_detector is DETECTOR else answer_detector
        self._while_ringing: WhileRinging = check_choice(
            "while_ringing", while_ringing, WhileRinging
        )

    def _cold(self) -> ColdProtocol:
        return ColdProtocol(
            self._ways,
            play_dialtone=False,
            privacy=self._privacy,
            talking=self._while_ringing == "conversation",
            detector=self._unbriefed,
        )

    async def brief(self, agent: BriefingAgent) -> Verdict:
        """Wait for the human's decision; the briefing is under way. An override may decide."""
        return await agent.verdict()

    async def run(self, context: Context) -> TransferOutcome:
        """Transfer the caller; return at the bridge, or at the final failure.

        After the bridge the AI says and hears nothing, and the tool's result causes no reply.
        After a failure the session is as it was before, and the caller is with the AI.

        Args:
            context: The RunContext of the function tool, or the AgentSession.

        Returns:
            What became of it. Only `str` of it is meant for an LLM.

        Raises:
            ConfigurationError: `context` has no room, or no trunk is set.
            CallerNotFoundError: Nobody to transfer; or several, of whom the session is linked to
                none and ``caller=`` names none.
            DestinationError: A department is unknown, or somebody in it is not allowed.
            TransferInProgressError: This call is being transferred already; that goes on.

        On cancellation the human is hung up, the caller is back with the AI within 0.5 s, and
        the cancellation is raised again.
        """
        return await self._run(
            context,
            lambda session: WarmProtocol(
                WarmOptions(
                    instructions=self._instructions,
                    introduction=self._introduction,
                    briefing_timeout=self._briefing_timeout,
                    new_briefing=self._briefing,
                    brief=self.brief,
                    while_ringing=self._while_ringing,
                    privacy=self._privacy,
                    answers=self._answers,
                    unbriefed=self._unbriefed,
                    exit_key=self._exit_key,
                    summary=self._summary,
                ),
                session,
            ),
            talking=self._while_ringing == "conversation",
        )

    __call__ = run


def _factory(
    briefing: BriefingAgent | Callable[[], BriefingAgent] | None,
) -> Callable[[], BriefingAgent]:
    if briefing is None:
        return BriefingAgent
    if isinstance(briefing, BriefingAgent):
        return briefing.fresh
    if callable(briefing):
        return briefing
    raise ConfigurationError("briefing", briefing, "pass a BriefingAgent, or a factory of them")
