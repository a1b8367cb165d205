"""RecordSink: where records go."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from livetransfer.privacy import Privacy
from livetransfer.record.model import TransferRecord

__all__ = ["RecordSink"]


@runtime_checkable
class RecordSink(Protocol):
    """Where records go. One serves any number of transfers at the same time.

    A transfer never waits for it: what it raises is logged, what takes too long is given up, and
    the records of one transfer come in their order.
    """

    @property
    def takes_open_records(self) -> bool:
        """Whether it wants a record from its beginning on, and again where it was handed over.

        The same `id` is written again then, and the later one replaces the one before.
        """

    async def write(self, record: TransferRecord, privacy: Privacy) -> None:
        """Keep `record`, in which words and numbers are as `privacy` says already.

        Args:
            record: The record.
            privacy: Its `retention` says how long it may be kept.

        On cancellation it may or may not have been kept.
        """

    async def aclose(self) -> None:
        """Release what it holds, for example at the end of a process. May be called again."""
