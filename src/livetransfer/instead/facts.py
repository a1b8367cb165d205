"""Facts: what a step after a failed transfer knows of it."""

from __future__ import annotations

from dataclasses import dataclass

from livetransfer.privacy import Privacy

__all__ = ["Facts"]


@dataclass(frozen=True)
class Facts:
    """What is known of the call and of the transfer that has failed.

    Attributes:
        call: What names the call: the room's name.
        privacy: What may be told of him.
        call_id: The SIP Call-ID of the caller's leg, where it is known.
        number: The caller's number, where the network told it.
        department: What was asked for.
        status: What became of the transfer.
        summary: What a human would have been told of the caller, where it was written.
        priority: The caller's priority in a queue.
        place: The caller's place in the queue, where he has waited in one.
    """

    call: str
    privacy: Privacy
    call_id: str | None = None
    number: str | None = None
    department: str | None = None
    status: str | None = None
    summary: str | None = None
    priority: int = 0
    place: int | None = None
