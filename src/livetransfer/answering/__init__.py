"""Answering: who or what has answered a phone, and what follows from it."""

from __future__ import annotations

from .detector import LANGUAGES, ToneAndPhraseDetector
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
    "AnswerDetector",
    "AnswerSession",
    "AnswerVerdict",
    "Evidence",
    "OnChange",
    "ToneAndPhraseDetector",
]
