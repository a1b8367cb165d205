"""What a SIP response code means for a transfer: 486 is busy, 603 declined."""

from __future__ import annotations

from .status import TransferStatus

__all__ = ["status_for_sip"]

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


def status_for_sip(code: int) -> TransferStatus:
    """Return what a final SIP response code (RFC 3261, section 21) means for a transfer."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if 500 <= code <= 599:
        return TransferStatus.TRUNK_UNAVAILABLE
    return TransferStatus.FAILED
