"""A thread for blocking work that nothing waits for, not even the end of the process."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

__all__ = ["Daemon"]

T = TypeVar("T")


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
        self._work: queue.Queue[tuple[Future[Any], Callable[[], Any]]] | None = None
        self._pid = 0

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Do `fn` in the thread.

        Raises:
            RuntimeError: Too much is waiting.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._work is None or self._pid != os.getpid():
                # Threads are not there any more in a process that was forked off.
                self._work, self._pid = queue.Queue(self._most), os.getpid()
                threading.Thread(
                    target=_serve, args=(self._work,), name=self._name, daemon=True
                ).start()
            try:
                self._work.put_nowait((future, lambda: fn(*args, **kwargs)))
            except queue.Full:
                raise RuntimeError(f"{self._name} does not keep up") from None
        return future


def _serve(work: queue.Queue[tuple[Future[Any], Callable[[], Any]]]) -> None:
    while True:
        future, task = work.get()
        if not future.set_running_or_notify_cancel():
            continue
        try:
            found = task()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(found)
