"""Recorder: listens to the events of one run, and takes its record to the sinks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from livetransfer._logged import logged
from livetransfer.privacy import Privacy

from .delivery import Delivery
from .events_to_record import told
from .masked_record import Private
from .model import TransferRecord
from .sinks.port import RecordSink
from .telemetry import Observation

__all__ = ["FLUSH_LIMIT", "Recorder"]

logger = logging.getLogger("livetransfer")

FLUSH_LIMIT = 5.0
"""Seconds, at the end of a job, in which the last records are written."""


class Recorder:
    """Builds the record of one run; what it is called with are the run's events.

    Nothing that happens in here reaches the run: an event that cannot be folded is logged and
    left out.

    Args:
        record: The record at the beginning.
        sinks: Where it goes.
        privacy: What is kept.
        observation: What makes the trace and the metrics.
    """

    def __init__(
        self,
        record: TransferRecord,
        sinks: Sequence[RecordSink],
        privacy: Privacy,
        observation: Observation | None = None,
    ) -> None:
        self._record, self._private, self._observation = record, Private(privacy), observation
        self._deliveries = [Delivery(sink, privacy) for sink in sinks]
        self._began = False

    @property
    def record(self) -> TransferRecord:
        """The record so far, as it may be kept."""
        return self._private.record(self._record)

    @property
    def state(self) -> str:
        """Of the record: `"running"`, `"handed_over"` or `"ended"`."""
        return self._record.state

    def __call__(self, event: object) -> None:
        """Take in an event."""
        before = self._record
        try:
            self._record = told(before, event)
        except Exception:
            logger.error("an event could not be recorded", **logged())
            return
        if not self._began or self._record.state != before.state:
            self._began = True
            self._deliver()
        elif before.over and self._record.offered != before.offered:
            # Decided after the end: the record is written once more, with the same id.
            self._deliver(again=True)

    def _deliver(self, *, again: bool = False) -> None:
        if not self._deliveries and not self._record.over:
            return
        try:
            record = self.record
            if record.over and self._observation is not None and not again:
                self._observation.over(record)
            for delivery in self._deliveries:
                delivery.add(record)
        except Exception:
            logger.error("the record of a transfer could not be made", **logged())

    async def finish(self) -> None:
        """The job is about to end: tell what is known, and write what is not written yet.

        Of a call that goes on without the AI nobody sees the end.
        """
        if self._observation is not None and self._record.state == "handed_over":
            self._observation.over(self.record)
        await self.flush()

    async def flush(self, limit: float = FLUSH_LIMIT) -> None:
        """Wait until what was recorded is written, for `limit` seconds at most."""
        waiting = [asyncio.ensure_future(e.done()) for e in self._deliveries if e.pending]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=limit)
            for task in late:
                task.cancel()
