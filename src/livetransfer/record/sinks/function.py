"""FunctionSink: gives each record to a function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from livetransfer.privacy import Privacy
from livetransfer.record.daemon_thread import Daemon
from livetransfer.record.model import TransferRecord

__all__ = ["FunctionSink"]


class FunctionSink:
    """Gives the final record of each transfer to a function.

    Args:
        function: Called with the record. A plain one is called in a thread of its own, one record
            after the other, so that it may block; an async one on the event loop.
        takes_open_records: Whether it is called at the beginning, too, and where the caller was
            handed over.
    """

    def __init__(
        self,
        function: Callable[[TransferRecord], Awaitable[None] | None],
        *,
        takes_open_records: bool = False,
    ) -> None:
        self._function = function
        self._open = takes_open_records
        self._thread = Daemon("livetransfer-record-function")
        called = getattr(type(function), "__call__", None)  # noqa: B004 - of an object, its method
        self._is_async = any(map(inspect.iscoroutinefunction, (function, called)))

    @property
    def takes_open_records(self) -> bool:
        """As it was made."""
        return self._open

    async def write(self, record: TransferRecord, privacy: Privacy) -> None:
        """Call the function."""
        if self._is_async:
            found = self._function(record)
        else:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._thread, self._function, record)
        if inspect.isawaitable(found):
            await found

    async def aclose(self) -> None:
        """Do nothing."""
