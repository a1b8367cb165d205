"""WarmTransfer: announce, hold, dial, brief, bridge."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from ._checks import check_choice, check_seconds, check_text
from ._flow.adapter import Bridge
from ._flow.after import After
from ._flow.answer_watch import AnswerOptions
from ._flow.caller_session import Context
from ._flow.cold_protocol import ColdProtocol
from ._flow.course import Ring
from ._flow.taking_back import RETURN_INSTRUCTIONS
from ._flow.transfer import Transfer
from ._flow.warm_protocol import WarmOptions, WarmProtocol, WhileRinging
from .answering import AnswerDetector, AnswerPolicy, ToneAndPhraseDetector
from .answering.policy import WhenAnswered, check_answer_policy
from .briefing import BriefingAgent, Verdict
from .destination import Allowed
from .errors import ConfigurationError
from .events import TransferEvent
from .fallback.policy import Fallback
from .guard import DestinationGuard
from .hold import BUILTIN, HoldMusicPlayer, HoldSource
from .outcome import TransferOutcome
from .privacy import Privacy
from .record import Records
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
        announcement: What the caller hears first. None when the tool has said it already.
        hold_music: A URL, path, bytes or other source; None for quiet; default: a built-in clip.
        ring_timeout: Seconds that a phone may ring; never longer than `max_hold`.
        ring: ``"in_order"``: one phone after the other. ``"all"``: all at once; each human who
            answers is briefed, and the first who accepts takes the call.
        ring_next_after: Seconds after which the next phone rings too, while those before go on;
            not while somebody who has answered is being briefed.
        briefing_timeout: Seconds from the answer until the human has to have decided.
        trunk_id: The outbound trunk. Default: the environment's ``LIVEKIT_SIP_OUTBOUND_TRUNK``.
        briefing: A BriefingAgent, of which each attempt gets a fresh one, or a factory of them.
        fallback: What follows an attempt that failed. Default: the next destination, then the AI.
        bridge: How the two are joined: ``"auto"``, ``"shared_room"`` or ``"consult_room"``.
        after: ``"end"``: when one leaves, the other is hung up. ``"return"``: when the human
            leaves, the caller is back with the AI. ``"leave"``: the AI leaves at the bridge, and
            nobody watches.
        return_instructions: What the AI is asked to say to a caller whom it has back, where no
            tool's result makes it speak; None leaves all words to the application.
        caller: The identity of the caller's participant, where it cannot be found by itself.
        caller_grace: Seconds in which a caller who has left may come back, as a browser does that
            reloads its page. Default: 0 for a phone, 5 for others. A session that closes when its
            participant leaves talks with nobody then: start it with ``close_on_disconnect=False``.
        answer_detector: Finds out whether a person, a mailbox, a screener, a menu or an
            announcement has answered, while the briefing already speaks; None: only the
            briefing's model does.
        when_answered: What follows each: an AnswerPolicy, or a function of a verdict.
        introduction: A sentence that both hear at the bridge; it needs a TTS.
        department: What a Router is asked for.
        skills: What a Team asks of the member: for each skill the lowest level.
        priority: The caller's priority in a Team's queue: a higher one is served first.
        allowed: A list of patterns (``["+1*"]``) or a predicate; other destinations are refused.
        max_attempts: How many attempts are made at most, several phones that ring together being
            one. Default: 10, or as many as there are destinations.
        route_timeout: Seconds that a Router may take.
        guard: A DestinationGuard that is asked before every dial and every REFER.
        max_hold: Seconds that the caller may be on hold, over all attempts. While the AI goes on
            talking with the caller, nobody is dialled any more that long after the first dial.
        while_ringing: ``"music"``: on hold. ``"conversation"``: the AI goes on talking with the
            caller, who is put on hold only when a person has answered; the tool answers the LLM
            at once and reports later. What is said meanwhile is in the briefing.
        exit_key: A key that brings the caller, while on hold, back to the AI; None for none.
        records: Where the records of transfers go; see the how-to on records.
        privacy: What a briefing may not be told of, and what records keep. Default: that of
            `records`, or ``Privacy()``: no card numbers, dates of birth or passwords.
        on_event: Called with each TransferEvent; plain or async.

    Raises:
        DestinationError: A destination cannot be dialled, or is not allowed.
        ConfigurationError: Another option cannot be used; the message names it.
    """

    _kind = "warm"

    def __init__(
        self,
        to: Target,
        *,
        instructions: str | None = None,
        announcement: str | None = None,
        hold_music: HoldSource | HoldMusicPlayer = BUILTIN,
        ring_timeout: float = 30.0,
        ring: Ring = "in_order",
        ring_next_after: float | None = None,
        briefing_timeout: float = 90.0,
        trunk_id: str | None = None,
        briefing: BriefingAgent | Callable[[], BriefingAgent] | None = None,
        fallback: Fallback | None = None,
        bridge: Bridge = "auto",
        after: After = "end",
        return_instructions: str | None = RETURN_INSTRUCTIONS,
        caller: str | None = None,
        caller_grace: float | None = None,
        introduction: str | None = None,
        answer_detector: AnswerDetector | None = DETECTOR,
        when_answered: AnswerPolicy | WhenAnswered | None = None,
        department: str | None = None,
        skills: Mapping[str, int] | None = None,
        priority: int = 0,
        allowed: Allowed | None = None,
        guard: DestinationGuard | None = None,
        max_hold: float = 180.0,
        max_attempts: int | None = None,
        route_timeout: float = 10.0,
        while_ringing: WhileRinging = "music",
        exit_key: str | None = None,
        records: Records | None = None,
        privacy: Privacy | None = None,
        on_event: Callable[[TransferEvent], Awaitable[None] | None] | None = None,
    ) -> None:
        super().__init__(
            to,
            announcement=announcement,
            hold_music=hold_music,
            ring_timeout=ring_timeout,
            ring=ring,
            ring_next_after=ring_next_after,
            route_timeout=route_timeout,
            max_attempts=max_attempts,
            trunk_id=trunk_id,
            fallback=fallback,
            bridge=bridge,
            after=after,
            return_instructions=return_instructions,
            caller=caller,
            caller_grace=caller_grace,
            department=department,
            skills=skills,
            priority=priority,
            allowed=allowed,
            guard=guard,
            max_hold=max_hold,
            exit_key=exit_key,
            records=records,
            privacy=privacy,
            on_event=on_event,
        )
        self._instructions = check_text("instructions", instructions)
        self._introduction = check_text("introduction", introduction)
        self._briefing_timeout = check_seconds("briefing_timeout", briefing_timeout, 1, 3600)
        self._briefing = _factory(briefing)
        if answer_detector is not None and not isinstance(answer_detector, AnswerDetector):
            remedy = "give an AnswerDetector, such as ToneAndPhraseDetector(), or None"
            raise ConfigurationError("answer_detector", answer_detector, remedy)
        self._answers = AnswerOptions(answer_detector, check_answer_policy(when_answered))
        self._while_ringing: WhileRinging = check_choice(
            "while_ringing", while_ringing, WhileRinging
        )

    def _cold(self) -> ColdProtocol:
        return ColdProtocol(
            self._ways,
            play_dialtone=False,
            privacy=self._privacy,
            talking=self._while_ringing == "conversation",
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
                    exit_key=self._exit_key,
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
