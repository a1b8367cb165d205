"""A thread for blocking work that nothing waits for, not even the end of the process."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeAlias, TypeVar

__all__ = ["Daemon"]

T = TypeVar("T")
_Work: TypeAlias = "queue.SimpleQueue[Callable[[], object]]"


class Daemon(Executor):
    """One thread, started when there is work, that does it in its order.

    A disk that hangs holds up this thread and nothing else: unlike those of a thread pool it is
    not waited for when the process ends.

    Args:
        name: What it is called.
        most: How much may wait; more is refused.
    """

    def __init__(self, name: str, *, most: int = 1000) -> None:
        self._name, self._most = name, most
        self._lock = threading.Lock()
        self._work: _Work | None = None
        self._pid = 0

    def post(self, work: Callable[[], object]) -> None:
        """Do `work` in the thread; what it raises is its own affair.

        Raises:
            RuntimeError: Too much is waiting.
        """
        with self._lock:
            if self._work is None or self._pid != os.getpid():
                # Threads are not there any more in a process that was forked off.
                self._work, self._pid = queue.SimpleQueue(), os.getpid()
                threading.Thread(
                    target=_serve, args=(self._work,), name=self._name, daemon=True
                ).start()
            if self._work.qsize() >= self._most:
                raise RuntimeError(f"{self._name} does not keep up")
            self._work.put(work)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Do `fn` in the thread.

        Raises:
            RuntimeError: Too much is waiting.
        """
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                found = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(found)

        self.post(work)
        return future


def _serve(work: _Work) -> None:
    while True:
        task = work.get()
        with contextlib.suppress(BaseException):
            task()
        del task
