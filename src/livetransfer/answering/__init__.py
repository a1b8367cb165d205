"""Answering: who or what has answered a phone, and what follows from it."""

from __future__ import annotations

from .detector import LANGUAGES, ToneAndPhraseDetector
from .policy import (
    AnswerAction,
    AnswerPolicy,
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
from .port import (
    MACHINES,
    AnswerDetector,
    AnswerSession,
    AnswerVerdict,
    Evidence,
    OnChange,
)

__all__ = [
    "LANGUAGES",
    "MACHINES",
    "AnswerAction",
    "AnswerDetector",
    "AnswerPolicy",
    "AnswerSession",
    "AnswerVerdict",
    "Brief",
    "End",
    "Evidence",
    "Introduce",
    "LeaveMessage",
    "Navigate",
    "OnChange",
    "SendKeys",
    "Situation",
    "ToneAndPhraseDetector",
    "WaitSilently",
    "decide_answer",
    "timed_out",
]
