"""Takes records to one sink, in the background, in their order, each within a bound."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial

from livetransfer._tasks import keep
from livetransfer._user_code import CodeFailed, ask
from livetransfer.privacy import Privacy

from .model import TransferRecord
from .sinks.port import RecordSink

__all__ = ["WRITE_LIMIT", "Delivery"]

logger = logging.getLogger("livetransfer")

WRITE_LIMIT = 30.0
"""Seconds that a sink may take for one record."""


class Delivery:
    """Writes the records of one transfer to one sink.

    Args:
        sink: The sink.
        privacy: What the records were made with.
    """

    def __init__(self, sink: RecordSink, privacy: Privacy) -> None:
        self._sink, self._privacy = sink, privacy
        self._waiting: deque[TransferRecord] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, record: TransferRecord) -> None:
        """Write `record`, once those before it are written or given up."""
        try:
            wanted = record.over or bool(self._sink.takes_open_records)
        except Exception:
            wanted = record.over
        if not wanted:
            return
        self._waiting.append(record)
        if self._task is None or self._task.done():
            task = asyncio.create_task(self._deliver(), name="livetransfer-record")
            self._task = keep(task)

    async def done(self) -> None:
        """Wait until nothing is waiting."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def _deliver(self) -> None:
        while self._waiting:
            record = self._waiting.popleft()
            try:
                await ask(
                    "record sink", partial(self._sink.write, record, self._privacy), WRITE_LIMIT
                )
            except CodeFailed as failed:
                logger.error(
                    "the record of a transfer could not be written",
                    extra={
                        "sink": type(self._sink).__name__,
                        "record": record.id,
                        "lk.pii.reason": failed.reason,
                    },
                )
