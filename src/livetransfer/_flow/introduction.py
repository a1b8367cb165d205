"""The sentence that caller and human hear together at the bridge."""

from __future__ import annotations

import logging
from typing import Any

from livekit.agents.tts import TTS

from livetransfer._logged import logged
from livetransfer.briefing.presynthesis import PreparedSpeech
from livetransfer.status import TransferStatus

from .attempt import LiveAttempt
from .call import Call
from .endings import AttemptOver, Stopped
from .leg import HumanLeg

__all__ = ["Introduction"]

logger = logging.getLogger("livetransfer")

INTRODUCTION_LIMIT = 15.0
"""Seconds that the introduction may take."""


class Introduction:
    """Speaks one sentence to both; where it cannot be spoken, they just talk.

    Args:
        text: What to say; None for nothing.
    """

    def __init__(self, text: str | None) -> None:
        self._text = text
        self._speech: PreparedSpeech | None = None

    def prepare(self, tts: TTS[Any] | None) -> None:
        """Begin to synthesise it, while it rings. Idempotent."""
        if self._text is not None and self._speech is None:
            self._speech = PreparedSpeech(tts, self._text, standing=True)

    async def speak(self, attempt: LiveAttempt, human: HumanLeg) -> None:
        """Say it to both, and return when it was heard or cut short; it fails nothing."""
        speech = self._speech
        if speech is None:
            return
        if not speech.voiced:
            logger.warning("the introduction needs a TTS; it was left out")
            return
        late = AttemptOver(TransferStatus.TIMED_OUT, "the introduction took too long")
        try:
            await attempt.guard(
                _to_both(attempt.call, human, speech),
                human=human,
                limit=INTRODUCTION_LIMIT,
                late=late,
            )
        except (AttemptOver, Stopped):
            # They were joined; what follows from the end of that, the watch sees to.
            logger.info("the introduction was cut short")
        except Exception:
            logger.warning("the introduction could not be spoken", **logged())

    async def aclose(self) -> None:
        """Stop synthesising what nobody will hear any more."""
        if self._speech is not None:
            await self._speech.aclose()


async def _to_both(call: Call, human: HumanLeg, speech: PreparedSpeech) -> None:
    sink = await call.control.open_audio(
        [call.control.caller.identity, human.leg.identity], name="introduction"
    )
    try:
        await speech.play(sink)
    finally:
        await sink.aclose()
