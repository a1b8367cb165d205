"""Recording: the record of a run begins with its first event; one that never begins has none."""

from __future__ import annotations

from typing import Any

from livetransfer.events import TransferEvent
from livetransfer.record import Recorder, Records

__all__ = ["Recording"]


class Recording:
    """Takes the events of a run to its record.

    A run that is refused before anything is told, for want of such a department say, leaves no
    record that never ends, and no place in the chain of the call's records.

    Args:
        records: Where records go.
        call: What stands for the call: its records are chained.
    """

    def __init__(self, records: Records, call: object) -> None:
        self._records, self._call = records, call
        self._recorder: Recorder | None = None

    def __call__(self, event: TransferEvent) -> None:
        """Take in an event."""
        if self._recorder is None:
            self._recorder = self._records.begin(self._call)
        self._recorder(event)

    @property
    def record(self) -> Any:
        """The record so far; None before the first event."""
        return None if self._recorder is None else self._recorder.record
