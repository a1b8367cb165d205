"""Fault: what something that LiveKit answered, or did not answer, means for a transfer."""

from __future__ import annotations

from dataclasses import dataclass

from livetransfer.status import TransferStatus

__all__ = ["Fault", "unclear"]


@dataclass(frozen=True)
class Fault:
    """What an exception means for a transfer.

    Attributes:
        status: The status it leads to.
        sip_code: The SIP response code behind it, where there was one.
        sip_reason: The reason phrase that came with the code.
        indeterminate: Whether the request may have had an effect all the same.
        target_reached: Whether the target of a REFER answered it itself.
        text: For people; holds no number and no name.
    """

    status: TransferStatus
    sip_code: int | None = None
    sip_reason: str | None = None
    indeterminate: bool = False
    target_reached: bool = False
    text: str = ""


def unclear(text: str) -> Fault:
    """Return the fault of a request that may have had an effect all the same."""
    return Fault(TransferStatus.INDETERMINATE, indeterminate=True, text=text)
