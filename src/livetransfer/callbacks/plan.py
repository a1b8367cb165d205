"""Plan: how one callback is made, from what was promised and what `make_callback` was told."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from livekit.agents import Agent, AgentSession

from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask_now, checked_text
from livetransfer.answering import AnswerDetector, AnswerPolicy
from livetransfer.briefing import BriefingAgent
from livetransfer.callback_request import CallbackRequest
from livetransfer.control import CallControl
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError
from livetransfer.events import TransferEvent
from livetransfer.fallback import HangUp
from livetransfer.guard import DestinationGuard
from livetransfer.hold import HoldMusicPlayer, HoldSource
from livetransfer.instead.numbers import callback_number
from livetransfer.routing.router import Router, Target
from livetransfer.warm import WarmTransfer

from .call_again import CallAgain
from .human_first import HumanFirst, Reach, ToCaller
from .two_legs_of_control import AwaitedCaller
from .words import CallbackBriefing, CallerGreeting

__all__ = ["GREETING", "Options", "Plan"]

logger = logging.getLogger("livetransfer")

GREETING = "Hello, you asked us to call you back. One moment, I am connecting you."
SORRY = "I am sorry, my colleague has just been called away. We will call you again. Goodbye."

DECIDES_WITHIN = 90.0
"""Seconds from the answer until the human has to have decided, as in a WarmTransfer."""

ANSWERED_WITHIN = 75.0
"""Seconds that may pass between the answer of the caller's phone and the bridge: a screener, or a
mailbox with its greeting and our message."""

LONGEST_WAIT = 24 * 3600.0


@dataclass(frozen=True)
class Options:
    """What `make_callback` was asked for; see there."""

    to: Target | None
    session: AgentSession[Any]
    agent: Agent | None
    caller_first: bool
    greeting: str | Callable[[CallbackRequest], str]
    leave_message: str | None
    again: CallAgain
    ring_timeout: float
    trunk_id: str | None
    guard: DestinationGuard | None
    detector: AnswerDetector | None
    keep_place: bool
    waiting: HoldSource | HoldMusicPlayer
    briefing: BriefingAgent | Callable[[], BriefingAgent] | None
    start: Callable[[AgentSession[Any], str], Awaitable[None]] | None
    transfer: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How one callback is made.

    Attributes:
        request: What was promised.
        options: How it is made.
        told: Called with each event of its transfers.
    """

    request: CallbackRequest
    options: Options
    told: Callable[[TransferEvent], None] | None = None

    def destination(self) -> Destination:
        """Return whom to call back.

        Raises:
            NoCallback: It is no number at which somebody can be called back.
            DestinationError: It is not dialled.
        """
        return Destination(callback_number(self.request.number))

    def check(self, destination: Destination) -> None:
        """Ask the guard's rules about whom to call back; its limits are asked at the dial.

        Raises:
            DestinationNotAllowedError: It refuses.
        """
        options = self.options
        if options.guard is not None:
            options.guard.check(destination, trunk_id=options.trunk_id)

    def begins(self, now: datetime) -> datetime | None:
        """Return from when on the caller may be called, `now` or later; None: not any more."""
        try:
            opens = self.options.again.opens(now)
        except CodeFailed as failed:
            logger.warning("the hours of callbacks could not be asked", **logged(failed))
            opens = now
        return opens if opens is not None and opens < self.request.not_after else None

    def human_first(self, control: AwaitedCaller, reach: Reach, now: datetime) -> HumanFirst:
        """Return the transfer that rings the human, and then the caller.

        Raises:
            TransferError: An option of it cannot be used.
        """
        options = self.options
        more: dict[str, Any] = {**self._placed(), **options.transfer}
        return HumanFirst(
            control,
            reach,
            self._whom(),
            summary=self._about(),
            decides_within=more.pop("briefing_timeout", DECIDES_WITHIN),
            reached_within=options.ring_timeout + ANSWERED_WITHIN,
            seniority=self._seniority(now),
            briefing=options.briefing or CallbackBriefing,
            announcement=None,
            hold_music=None,
            after="end",
            trunk_id=options.trunk_id,
            guard=options.guard,
            max_hold=self._seconds_left(now),
            answer_detector=options.detector,
            on_event=self.told,
            **more,
        )

    @property
    def transfers(self) -> bool:
        """Whether a caller who was called first is to be transferred to somebody."""
        return self.options.to is not None or self.request.destination is not None

    def as_usual(self) -> WarmTransfer:
        """Return the transfer of a caller who is on the line already.

        Raises:
            TransferError: An option of it cannot be used.
        """
        options = self.options
        return WarmTransfer(
            self._whom(),
            trunk_id=options.trunk_id,
            guard=options.guard,
            briefing=options.briefing,
            answer_detector=options.detector,
            on_event=self.told,
            **{**self._placed(), **options.transfer},
        )

    def to_caller(self, control: CallControl, destination: Destination) -> ToCaller:
        """Return the transfer that rings the caller."""
        options = self.options
        kept = ("privacy", "records")
        own = {name: options.transfer[name] for name in kept if name in options.transfer}
        greeting = self._greeting()
        return ToCaller(
            control,
            destination,
            call=options.session,
            on_event=self.told,
            announcement=None,
            hold_music=options.waiting,
            ring_timeout=options.ring_timeout,
            briefing_timeout=ANSWERED_WITHIN,
            briefing=lambda: CallerGreeting(greeting, SORRY),
            fallback=lambda attempt: HangUp(),
            after="end",
            answer_detector=options.detector,
            when_answered=AnswerPolicy(leave_message=options.leave_message, screening_say=greeting),
            guard=options.guard,
            trunk_id=options.trunk_id,
            max_attempts=1,
            max_hold=LONGEST_WAIT,
            caller_grace=0,
            **own,
        )

    def _whom(self) -> Target:
        found = self.options.to or self.request.destination
        if found is None:
            remedy = "name who calls back: the request names nobody"
            raise ConfigurationError("to", None, remedy)
        return found

    def _placed(self) -> dict[str, Any]:
        """Return what a router is asked for, and the priority that he had."""
        found: dict[str, Any] = {}
        if isinstance(self.options.to, Router) and self.request.queue is not None:
            found["department"] = self.request.queue
        if self.options.keep_place:
            found["priority"] = self.request.priority
        return found

    def _seniority(self, now: datetime) -> float:
        made = self.request.made
        if not self.options.keep_place or made is None:
            return 0.0
        return max(0.0, (now - made).total_seconds())

    def _seconds_left(self, now: datetime) -> float:
        """Return for how long a human may be waited for: until the window is over."""
        left = (self.request.not_after - now).total_seconds()
        return min(LONGEST_WAIT, max(left, 1.0) + DECIDES_WITHIN + ANSWERED_WITHIN)

    def _about(self) -> str:
        """Return what the human is told: why, and what is known of the caller."""
        parts = (self.request.reason.strip(), (self.request.summary or "").strip())
        return " ".join(
            part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part
        )

    def _greeting(self) -> str:
        greeting = self.options.greeting
        if isinstance(greeting, str):
            return greeting
        try:
            return checked_text("greeting", ask_now("greeting", lambda: greeting(self.request)))
        except CodeFailed as failed:
            logger.warning("a greeting could not be made", **logged(failed))
            return GREETING
