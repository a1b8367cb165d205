"""AnswerClass: what has answered a phone."""

from __future__ import annotations

from enum import Enum

__all__ = ["MACHINES", "AnswerClass"]


class AnswerClass(str, Enum):
    """What has answered a phone, as far as it was heard."""

    PERSON = "person"
    SCREENING = "screening"
    """A screener asks who is calling, and a person may follow."""
    IVR = "ivr"
    """A menu that wants keys."""
    VOICEMAIL = "voicemail"
    ANNOUNCEMENT = "announcement"
    """The network says that there is nobody: not in service, no such number."""
    RINGBACK = "ringback"
    """The provider answered early: it still rings."""
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


MACHINES = frozenset(
    {AnswerClass.SCREENING, AnswerClass.IVR, AnswerClass.VOICEMAIL, AnswerClass.ANNOUNCEMENT}
)
"""The classes that are a machine which speaks."""
