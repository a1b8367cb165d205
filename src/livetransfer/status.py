"""TransferStatus: what became of a transfer, or of one attempt of it."""

from __future__ import annotations

from enum import Enum

__all__ = ["RETRYABLE", "TransferStatus"]


class TransferStatus(str, Enum):
    """What became of a transfer, or of one attempt of it."""

    BRIDGED = "bridged"
    """Caller and human hear each other."""
    REFERRED = "referred"
    """The caller was sent to the destination by SIP REFER, and it was reached."""
    UNAVAILABLE = "unavailable"
    """Nobody is available now: the router found nobody, or failed; nothing was dialled."""
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    """This phone rang together with others, and a colleague took the call."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    VOICEMAIL = "voicemail"
    INVALID_DESTINATION = "invalid_destination"
    TRUNK_UNAVAILABLE = "trunk_unavailable"
    CALLER_LEFT = "caller_left"
    HUMAN_LEFT = "human_left"
    TIMED_OUT = "timed_out"
    INDETERMINATE = "indeterminate"
    """It is unknown whether the far end was reached; nothing was repeated."""
    CANCELLED = "cancelled"
    """The caller pressed the exit key, and is with the AI again."""
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


RETRYABLE = frozenset(
    {TransferStatus.BUSY, TransferStatus.NO_ANSWER, TransferStatus.TRUNK_UNAVAILABLE}
)
"""The statuses after which dialling the same destination again may help."""
