"""Refusals: what is told of a callback that the guard refuses before anybody is rung."""

from __future__ import annotations

from livetransfer.events import DestinationRefused, TransferEnded, TransferStarted
from livetransfer.outcome import TransferOutcome
from livetransfer.record import Records
from livetransfer.status import TransferStatus

__all__ = ["record_refusal"]


def record_refusal(
    records: Records, call: object, refused: DestinationRefused, *, room: str
) -> None:
    """Write a record of the transfer that was not begun, which counts the refusal.

    Args:
        records: Where records go.
        call: What stands for the call.
        refused: Whom the guard has refused, and why.
        room: The room of the job.
    """
    recorder = records.begin(call)
    number = refused.destination.number
    recorder(TransferStarted(refused.at, "callback", "", caller_number=number, room=room))
    recorder(refused)
    outcome = TransferOutcome(TransferStatus.UNAVAILABLE, reason=refused.reason)
    recorder(TransferEnded(refused.at, outcome))
