"""Teardown: closes what a transfer opened, in reverse order, once, shielded and bounded."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from livetransfer._logged import logged
from livetransfer._tasks import awaiting, finish, keep

__all__ = ["Teardown"]

logger = logging.getLogger("livetransfer")

LAST = 1.0
"""Seconds of the total that are left for the step that waits for the others."""


class Teardown:
    """What has to be undone, and the one run that undoes it.

    Steps are started in the reverse order of their pushes. A step that takes longer than
    `stagger` does not hold up the next one, so that a telephone network that does not answer
    cannot keep the caller on hold; each step ends after `step` seconds, all of it after `total`.
    A step pushed as `last` begins when the others are done: what they work with may not go away
    under them.

    Args:
        step: Seconds that one step may take.
        total: Seconds that all of it may take.
        stagger: Seconds that the next step waits for one that has not ended.
    """

    def __init__(self, *, step: float = 3.0, total: float = 5.0, stagger: float = 0.1) -> None:
        self._step, self._total, self._stagger = step, total, stagger
        self._steps: list[tuple[str, Callable[[], object], bool]] = []
        self._task: asyncio.Task[None] | None = None

    def push(
        self, name: str, undo: Callable[[], object], *, last: bool = False
    ) -> Callable[[], None]:
        """Remember to call `undo`, which may return an awaitable; the result takes that back."""
        entry = (name, undo, last)
        self._steps.append(entry)

        def dismiss() -> None:
            if entry in self._steps:
                self._steps.remove(entry)

        return dismiss

    async def run(self) -> None:
        """Undo everything. Later calls wait for the first. Cancellation waits for the end of it."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="livetransfer-teardown")
        await finish(self._task)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._total
        pending: dict[asyncio.Task[None], str] = {}
        while self._steps:
            name, undo, last = self._steps.pop()
            if last and pending:
                await asyncio.wait(pending, timeout=max(0.0, deadline - LAST - loop.time()))
            try:
                result = undo()
            except Exception as error:
                logger.warning("a teardown step failed", **logged(error, step=name))
                continue
            if inspect.isawaitable(result):
                task = asyncio.create_task(_bounded(result, self._step, name))
                pending[task] = name
                await asyncio.wait({task}, timeout=self._stagger)
        if pending:
            await asyncio.wait(pending, timeout=max(0.0, deadline - loop.time()))
        for task, name in pending.items():
            if not task.done():
                task.cancel()
                keep(task)
                logger.warning("a teardown step did not end in time", extra={"step": name})
            elif not task.cancelled() and (failure := task.exception()) is not None:
                logger.warning("a teardown step failed", **logged(failure, step=name))


async def _bounded(step: Awaitable[Any], seconds: float, name: str) -> None:
    task = asyncio.ensure_future(awaiting(step))
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if done:
        task.result()
        return
    task.cancel()
    keep(task)
    raise TimeoutError(f"{name} not done after {seconds:g} s")
