"""The status of a transfer, and the one table that turns SIP codes into it."""

from __future__ import annotations

from enum import Enum

__all__ = ["RETRYABLE", "TransferStatus", "status_for_sip"]


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


_BY_CODE = {
    401: TransferStatus.TRUNK_UNAVAILABLE,
    403: TransferStatus.TRUNK_UNAVAILABLE,
    404: TransferStatus.INVALID_DESTINATION,
    407: TransferStatus.TRUNK_UNAVAILABLE,
    408: TransferStatus.NO_ANSWER,
    410: TransferStatus.INVALID_DESTINATION,
    480: TransferStatus.NO_ANSWER,
    482: TransferStatus.TRUNK_UNAVAILABLE,  # a repeated INVITE met its own CANCEL
    484: TransferStatus.INVALID_DESTINATION,
    486: TransferStatus.BUSY,
    487: TransferStatus.NO_ANSWER,
    600: TransferStatus.BUSY,
    603: TransferStatus.DECLINED,
    604: TransferStatus.INVALID_DESTINATION,
}

RETRYABLE = frozenset(
    {TransferStatus.BUSY, TransferStatus.NO_ANSWER, TransferStatus.TRUNK_UNAVAILABLE}
)
"""The statuses after which dialling the same destination again may help."""


def status_for_sip(code: int) -> TransferStatus:
    """Return what a final SIP response code (RFC 3261, section 21) means for a transfer."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if 500 <= code <= 599:
        return TransferStatus.TRUNK_UNAVAILABLE
    return TransferStatus.FAILED
