"""Threads: a few of hold music's own, so that no other code's work is waited for."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["Threads", "decoding", "standing_in"]

T = TypeVar("T")


class Threads:
    """At most `count` threads for blocking work, started when there is some.

    May be used from several threads and event loops, and after a fork.

    Args:
        count: How many.
        name: What they are called.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count, self._name = count, name
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0

    def run(self, work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Do `work` with `args` in a thread. Needs a running event loop.

        Raises:
            RuntimeError: There can be no thread: the process is about to end, for example.

        Cancelling the result does not end work that has begun.
        """
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                # Threads are not there any more in a process that was forked off.
                self._pool, self._pid = ThreadPoolExecutor(self._count, self._name), os.getpid()
            pool = self._pool
        return asyncio.get_running_loop().run_in_executor(pool, work, *args)


decoding = Threads(4, "livetransfer-hold")
"""Decode what callers have given: files, and lines."""

standing_in = Threads(2, "livetransfer-hold-builtin")
"""Decode the built-in clips: one of them plays when something else takes long, and must not."""
