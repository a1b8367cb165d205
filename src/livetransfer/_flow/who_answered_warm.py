"""AnswerWatch: listens to a leg that is being briefed, and does what its answer class asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer._user_code import CodeFailed, ask_now
from livetransfer.answer_class import AnswerClass
from livetransfer.answering import (
    AnswerAction,
    AnswerDetector,
    AnswerPolicy,
    AnswerSession,
    AnswerVerdict,
    Brief,
    End,
    Introduce,
    LeaveMessage,
    Navigate,
    SendKeys,
    Situation,
    WaitSilently,
    decide_answer,
    timed_out,
)
from livetransfer.answering.policy import Policy
from livetransfer.briefing.accept_by_key_or_voice import ANSWER_PATIENCE, Heard
from livetransfer.control import LegAudio
from livetransfer.errors import CallControlError
from livetransfer.events import HookFailed, PhoneClassified

from .attempt import LiveAttempt
from .briefing_session import BriefingLine
from .endings import AttemptOver
from .leg import HumanLeg

__all__ = ["AnswerOptions", "AnswerWatch"]

logger = logging.getLogger("livetransfer")

RATE = 8_000
"""Samples per second that are listened to, in Hz: a telephone's."""

TICK = 0.25
"""Seconds between two looks at the time that has passed."""

LATE = 0.5
"""Seconds that frames may come late before time without them counts as silence."""

TURN_OVER = 0.9
"""Seconds of silence after which the far end's turn is over; a session's own limit is below it."""

TURN_WITHIN = 10.0
"""Seconds that a screener may go on speaking before it is told who calls all the same."""

HELLO_WITHIN = 3.0
"""Seconds that a person may go on speaking before the briefing begins afresh all the same."""

VOICE = "a voice"
"""What stands for words where nothing writes them down."""


@dataclass(frozen=True)
class AnswerOptions:
    """How it is found out what has answered, and what follows.

    Attributes:
        detector: Finds it out; None where nobody listens.
        policy: What follows.
    """

    detector: AnswerDetector | None
    policy: Policy


class AnswerWatch:
    """Listens to one leg from its answer to the decision; the briefing does not wait for it.

    Args:
        attempt: The attempt.
        human: The leg.
        line: Its briefing.
        options: How it is found out, and what follows.
    """

    def __init__(
        self, attempt: LiveAttempt, human: HumanLeg, line: BriefingLine, options: AnswerOptions
    ) -> None:
        self._attempt, self._human, self._line = attempt, human, line
        self._call, self._agent = attempt.call, line.agent
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._said: list[str] = []
        self._speaking = False
        self._class = AnswerClass.UNKNOWN
        self._session: AnswerSession | None = None
        self._audio: LegAudio | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._acting: asyncio.Task[None] | None = None
        self._closed = False
        self._agent.knows(self._heard)

    def begin(self) -> None:
        """Listen from now on: the phone was answered."""
        detector = self._options.detector
        if detector is not None:
            try:
                self._session = ask_now(
                    "answer_detector", lambda: detector.begin(on_change=self._changed)
                )
            except CodeFailed as failed:
                self._tell(failed, "nobody listens to what has answered")
        if self._session is not None:
            self._start(self._listen())
        self._start(self._watch_time())

    def _start(self, step: Any) -> asyncio.Task[None]:
        task = keep(asyncio.create_task(step, name="livetransfer-answer"))
        self._tasks.append(task)
        return task

    @property
    def _since(self) -> float:
        return self._loop.time() - self._began

    # -- what is heard ---------------------------------------------------------------------

    def _heard(self) -> Heard:
        session = self._session
        return Heard(
            tuple(self._said),
            self._class,
            None if session is None else session.suspected,
            True if session is None else session.replied,
            self._since,
            self._speaking,
        )

    def on_words(self, text: str, final: bool) -> None:
        """The far end has said something."""
        if self._closed or not text.strip():
            return
        self._speaking = not final
        if final:
            self._said.append(text)
        self._push(lambda session: session.push_transcript(text, final=final))
        self._agent.look()

    def on_voice(self, speaking: bool, written: bool) -> None:
        """The far end has begun, or ceased, to speak.

        Args:
            speaking: Which.
            written: Whether its words are written down.
        """
        if self._closed:
            return
        self._speaking = speaking
        if speaking and not written:
            self._said.append(VOICE)

    def _push(self, push: Callable[[AnswerSession], object]) -> None:
        session = self._session
        if session is None:
            return
        try:
            ask_now("answer_detector", lambda: push(session))
        except CodeFailed as failed:
            self._session = None
            self._tell(failed, "nobody listens to what has answered any more")

    async def _listen(self) -> None:
        control = self._call.control
        try:
            audio = self._audio = await control.listen(self._human.leg.identity, sample_rate=RATE)
        except CallControlError:
            logger.warning("a leg could not be listened to", **logged())
            return
        late = self._since
        self._push(lambda session: session.pass_time(late))
        async for frame in audio:
            self._push(methodcaller("push_frame", frame))

    async def _watch_time(self) -> None:
        patience = self._began + ANSWER_PATIENCE
        while True:
            await asyncio.sleep(TICK)
            if self._since > LATE:
                self._push(methodcaller("pass_time", self._since - LATE))
            if self._loop.time() >= patience:
                self._agent.look()

    # -- what follows ----------------------------------------------------------------------

    def _changed(self, verdict: AnswerVerdict) -> None:
        if self._closed:
            return
        before, self._class = self._class, verdict.answered_by
        call, human = self._call, self._human
        human.answered_by = verdict.answered_by
        call.emit(PhoneClassified(call.at, human.leg.identity, verdict.answered_by))
        situation = Situation(human.destination.dtmf, self._line.navigates)
        policy: Policy = self._options.policy
        try:
            action = ask_now(
                "when_answered", lambda: decide_answer(policy, before, verdict, situation)
            )
        except CodeFailed as failed:
            self._tell(failed, "the default decides")
            action = decide_answer(AnswerPolicy(), before, verdict, situation)
        if self._acting is not None:
            self._acting.cancel()
        self._acting = keep(
            asyncio.create_task(self._carry_out(action), name="livetransfer-answer-action")
        )
        self._agent.look()

    async def _carry_out(self, action: AnswerAction) -> None:
        try:
            await self._do(action)
        except (RuntimeError, CallControlError) as error:
            logger.warning("what follows an answer could not be done", **logged())
            self._ends(End(timed_out(action).status, f"the machine could not be handled: {error}"))

    async def _do(self, action: AnswerAction) -> None:
        agent = self._agent
        if isinstance(action, End):
            self._ends(action)
            return
        if isinstance(action, (Brief, Navigate)):
            if isinstance(action, Navigate) or action.afresh:
                await self._turn(HELLO_WITHIN)
                await agent.go_on()
            if isinstance(action, Navigate):
                await asyncio.sleep(action.at_most)
                self._ends(timed_out(action))
            return
        agent.be_silent()
        at_most: float | None
        if isinstance(action, LeaveMessage):
            await self._beep(action.beep_within)
            await agent.say_aside(action.say)
            at_most = 0.0
        elif isinstance(action, Introduce):
            await self._turn(TURN_WITHIN)
            await agent.say_aside(action.say)
            at_most = action.at_most
        elif isinstance(action, SendKeys):
            # Those of the destination were pressed at the answer.
            if action.keys != self._human.destination.dtmf:
                await self._call.control.send_dtmf(self._human.leg, action.keys)
            at_most = action.at_most
        else:
            assert isinstance(action, WaitSilently)
            at_most = action.at_most
        if at_most is None:
            at_most = self._human.destination.ring_timeout or self._attempt.ring_timeout
        await asyncio.sleep(at_most)
        self._ends(timed_out(action))

    async def _turn(self, within: float) -> None:
        """Wait until the far end has said what it says: it does not listen meanwhile.

        What it says then is not answered any more, and does not interrupt what follows.
        """
        await asyncio.wait({self._start(self._silence())}, timeout=within)

    async def _silence(self) -> None:
        quiet = 0.0
        while quiet < TURN_OVER:
            await asyncio.sleep(TICK / 2)
            quiet = 0.0 if self._speaking else quiet + TICK / 2

    async def _beep(self, within: float) -> None:
        """Wait for the mailbox's beep, or for a greeting that is long over."""
        until = self._loop.time() + within
        while self._loop.time() < until:
            session = self._session
            if session is not None and session.beep is not None:
                return
            await asyncio.sleep(TICK / 2)

    def _ends(self, end: End) -> None:
        self._human.breaks(AttemptOver(end.status, end.why or None, answered_by=self._class))

    def _tell(self, failed: CodeFailed, instead: str) -> None:
        self._call.emit(HookFailed(self._call.at, failed.hook, failed.reason, instead))

    # -- its end ---------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Listen no more, at once. May be called again."""
        if self._closed:
            return
        self._closed = True
        for task in (*self._tasks, *([self._acting] if self._acting is not None else [])):
            task.cancel()
        if self._audio is not None:
            await self._audio.aclose()
        session, self._session = self._session, None
        if session is not None:
            try:
                await asyncio.wait_for(session.aclose(), TICK)
            except Exception:
                logger.warning("an answer detector could not be closed", **logged())
