"""Takes records to one sink, in the background, in their order, each within a bound."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import deque
from functools import partial

from livetransfer._tasks import keep
from livetransfer._user_code import CodeFailed, ask
from livetransfer.privacy import Privacy

from .model import TransferRecord
from .sinks.lines_file import JsonLinesSink
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
        # The first is the event loop's, the second the thread's of a file.
        self._put = self._written = 0

    def add(self, record: TransferRecord) -> None:
        """Write `record`, once those before it are written or given up."""
        if type(self._sink) is JsonLinesSink:
            self._hand_over(self._sink, record)
            return
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

    @property
    def pending(self) -> bool:
        """Whether something is not written yet."""
        return self._put != self._written or (self._task is not None and not self._task.done())

    async def done(self) -> None:
        """Wait until nothing is waiting."""
        if self._put != self._written and isinstance(self._sink, JsonLinesSink):
            await self._sink.written()
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    def _hand_over(self, sink: JsonLinesSink, record: TransferRecord) -> None:
        """Leave the rest to the sink's thread: the event loop does not turn for it."""
        try:
            sink.put(record, self._privacy, partial(self._handed_over, record.id))
        except RuntimeError as error:
            self._failed(record.id, error, str(error))
        else:
            self._put += 1

    def _handed_over(self, record_id: str, error: BaseException | None) -> None:
        self._written += 1
        if error is not None:
            self._failed(record_id, error, f"raised {type(error).__name__}: {error}")

    async def _deliver(self) -> None:
        while self._waiting:
            record = self._waiting.popleft()
            write = partial(self._sink.write, record, self._privacy)
            try:
                await ask("record sink", write, WRITE_LIMIT)
            except CodeFailed as failed:
                self._failed(record.id, failed.__cause__, failed.reason)

    def _failed(self, record_id: str, error: BaseException | None, reason: str) -> None:
        logger.error(
            "the record of a transfer could not be written: %s",
            _remedy(error),
            extra={
                "sink": type(self._sink).__name__,
                "record": record_id,
                "lk.pii.reason": reason,
            },
        )


def _remedy(error: BaseException | None) -> str:
    """Return what is wrong and what mends it; no word of the error, which may have a number."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; make room, and those after it are written again"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "the worker may not write there; let its user do so, or give another path"
    return "its sink has failed; what it said is in the field lk.pii.reason"
