"""Progress: how the transfer of one call stands, kept for a model that asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from livetransfer.events import CallEnded, PhaseChanged, TransferEvent, WaitingInQueue
from livetransfer.outcome import CallEnd
from livetransfer.phases import Phase

from .wording import stage

__all__ = ["Progress"]


class Progress:
    """How one transfer stands.

    Args:
        department: Whom it is to.

    Attributes:
        result: What a model is told of how it ended; None while it is under way.
    """

    def __init__(self, department: str) -> None:
        self.department = department
        self.result: str | None = None
        self._phase = Phase.IDLE
        self._waiting: WaitingInQueue | None = None
        self._end: CallEnd | None = None

    def listener(
        self, others: Callable[[TransferEvent], Awaitable[None] | None] | None
    ) -> Callable[[TransferEvent], Awaitable[None] | None]:
        """Return what follows the events of the transfer, and passes them on to `others`."""

        def on_event(event: TransferEvent) -> Awaitable[None] | None:
            if isinstance(event, PhaseChanged):
                self._phase = event.new
                if event.new is not Phase.WAITING:
                    self._waiting = None
            elif isinstance(event, WaitingInQueue):
                self._waiting = event
            elif isinstance(event, CallEnded):
                self._end = event.end
            return None if others is None else others(event)

        return on_event

    def __str__(self) -> str:
        """How it stands, in words that hold no number of anybody."""
        if self._end is not None and self._end.returned and self._phase is Phase.BRIDGED:
            return (
                f"The caller has talked with {self.department} for {self._end.seconds:.0f} seconds "
                "and is with you again."
            )
        if self.result is not None:
            return f"The last transfer was to {self.department}. {self.result}"
        text = f"A transfer to {self.department} is under way: {stage(self._phase)}"
        if self._waiting is not None:
            if self._waiting.position is not None:
                text += f", at position {self._waiting.position}"
            if self._waiting.estimate is not None:
                text += f", for about {max(1, round(self._waiting.estimate / 60))} more minutes"
        return text + ". The caller is not connected yet."
