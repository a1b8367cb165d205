"""AnswerCheck: what has answered a phone that is not briefed, before it joins the caller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from operator import methodcaller

import numpy as np
from livekit import rtc

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer._user_code import CodeFailed, ask_now
from livetransfer.answer_class import AnswerClass
from livetransfer.answering import (
    AnswerDetector,
    AnswerPolicy,
    AnswerSession,
    AnswerVerdict,
    End,
    Situation,
)
from livetransfer.briefing.accept_by_key_or_voice import ANSWER_PATIENCE, NOISE_PATIENCE
from livetransfer.control import LegAudio
from livetransfer.errors import CallControlError
from livetransfer.events import HookFailed, PhoneClassified
from livetransfer.status import TransferStatus

from .attempt import LiveAttempt
from .endings import AttemptOver
from .interrupts import settled
from .leg import HumanLeg

__all__ = ["check_answer"]

logger = logging.getLogger("livetransfer")

RATE = 8_000
"""Samples per second that are listened to, in Hz: a telephone's."""

TICK = 0.1
"""Seconds between two looks at what is known."""

LATE = 0.5
"""Seconds that frames may come late before time without them counts as silence."""

SOUNDS = 0.01
"""Level, of full scale, above which somebody may be speaking (-40 dBFS)."""

PAUSE = 0.8
"""Seconds of quiet after which nobody is."""

_OVER = (AnswerClass.VOICEMAIL, AnswerClass.ANNOUNCEMENT)
"""What no caller is joined with. A screener and a menu can be talked to."""


async def check_answer(
    attempt: LiveAttempt, human: HumanLeg, detector: AnswerDetector | None
) -> None:
    """Return when the caller may be joined with whoever has answered; at once without a detector.

    A person is known by a greeting and the quiet after it; one who says nothing is joined after
    2.5 s, and one who never pauses, or a noise, after 10 s at most. The caller is on hold
    meanwhile, and the phone hears nothing. It is found out by sound alone.

    Raises:
        AttemptOver: A mailbox, an announcement or a busy tone has answered, or it rings on.
    """
    if detector is None:
        return
    check = _Check(attempt, human)
    try:
        check.session = ask_now("answer_detector", lambda: detector.begin(on_change=check.changed))
    except CodeFailed as failed:
        check.tell(failed)
        return
    human.teardown.push("answer check", check.aclose)
    try:
        await attempt.guard(check.decided(), human=human)
    finally:
        keep(asyncio.create_task(check.aclose(), name="livetransfer-answer-end"))


class _Check:
    """One phone that is listened to."""

    def __init__(self, attempt: LiveAttempt, human: HumanLeg) -> None:
        self._attempt, self._human, self._call = attempt, human, attempt.call
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._rings_from = self._sounded = self._began
        self._class = AnswerClass.UNKNOWN
        self._verdict = AnswerVerdict()
        self._audio: LegAudio | None = None
        self._listening: asyncio.Task[None] | None = None
        self._closed = False
        self.session: AnswerSession | None = None

    def changed(self, verdict: AnswerVerdict) -> None:
        """Take a new verdict."""
        if self._closed:
            return
        if verdict.answered_by is AnswerClass.RINGBACK:
            self._rings_from = self._loop.time()
        if self._class is AnswerClass.RINGBACK:  # whoever comes now has just picked up
            self._began = self._loop.time()
        self._verdict, self._class = verdict, verdict.answered_by
        self._human.answered_by = verdict.answered_by
        identity = self._human.leg.identity
        self._call.emit(PhoneClassified(self._call.at, identity, verdict.answered_by))

    def tell(self, failed: CodeFailed) -> None:
        """Tell that the detector failed."""
        instead = "the caller is joined with whoever has answered"
        self._call.emit(HookFailed(self._call.at, failed.hook, failed.reason, instead))

    async def decided(self) -> None:
        """Return when the caller may be joined.

        Raises:
            AttemptOver: He may not.
        """
        control, answered = self._call.control, self._began
        try:
            self._audio = await control.listen(self._human.leg.identity, sample_rate=RATE)
        except CallControlError:
            logger.warning("a leg could not be listened to", **logged())
            return
        self._listening = keep(
            asyncio.create_task(self._listen(self._audio), name="livetransfer-answer")
        )
        while self.session is not None and not self._may_be_joined():
            await asyncio.sleep(TICK)
            since = self._loop.time() - answered
            if since > LATE:
                self._push(methodcaller("pass_time", since - LATE))

    def _may_be_joined(self) -> bool:
        now = self._loop.time()
        if self._class in _OVER:
            action = AnswerPolicy().decide(self._verdict, Situation())
            assert isinstance(action, End)
            raise AttemptOver(action.status, action.why, answered_by=self._class)
        if self._class is AnswerClass.RINGBACK:
            rings = self._human.destination.ring_timeout or self._attempt.ring_timeout
            if now - self._rings_from < rings:
                return False
            why = "it went on ringing"
            raise AttemptOver(TransferStatus.NO_ANSWER, why, answered_by=self._class)
        if self._class is not AnswerClass.UNKNOWN or now - self._began >= NOISE_PATIENCE:
            return True
        return now - self._began >= ANSWER_PATIENCE and now - self._sounded >= PAUSE

    async def _listen(self, audio: LegAudio) -> None:
        async for frame in audio:
            if _level(frame) > SOUNDS:
                self._sounded = self._loop.time()
            self._push(methodcaller("push_frame", frame))

    def _push(self, push: Callable[[AnswerSession], object]) -> None:
        session = self.session
        if session is None:
            return
        try:
            ask_now("answer_detector", lambda: push(session))
        except CodeFailed as failed:
            self.session = None
            self.tell(failed)

    async def aclose(self) -> None:
        """Listen no more. May be called again."""
        if self._closed:
            return
        self._closed = True
        if self._listening is not None:
            self._listening.cancel()
            await settled(self._listening)
        if self._audio is not None:
            await self._audio.aclose()
        session, self.session = self.session, None
        if session is not None:
            try:
                await asyncio.wait_for(session.aclose(), TICK)
            except Exception:
                logger.warning("an answer detector could not be closed", **logged())


def _level(frame: rtc.AudioFrame) -> float:
    samples = np.frombuffer(frame.data, np.int16).astype(np.float32)
    return float(np.sqrt(np.mean(samples**2))) / 32768 if len(samples) else 0.0
