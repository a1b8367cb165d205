"""Hanging up: asked again while the telephony fails or does not answer, within a bound."""

from __future__ import annotations

import asyncio
import logging

from ._teardown import keep
from .control import CallControl, Leg

__all__ = ["hang_up"]

logger = logging.getLogger("livetransfer")

PATIENCE = 0.8
"""Seconds after which a hang-up that has not answered is asked for again."""

PAUSE = 0.2
"""Seconds after which one that failed is asked for again."""

TRIES = 3

WITHIN = 2.8
"""Seconds that all of it may take."""


async def hang_up(control: CallControl, leg: Leg) -> bool:
    """End `leg`'s call; return whether that is certain. It never raises but on cancellation.

    A hang-up is idempotent, so one that does not answer may be repeated while it is pending.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + WITHIN
    pending: set[asyncio.Task[None]] = set()
    try:
        for last in [False] * (TRIES - 1) + [True]:
            pending.add(asyncio.create_task(control.hang_up(leg), name="livetransfer-hang-up"))
            again = until if last else loop.time() + PATIENCE
            while pending and loop.time() < again:
                done, pending = await asyncio.wait(
                    pending, timeout=again - loop.time(), return_when=asyncio.FIRST_COMPLETED
                )
                if any(not task.cancelled() and task.exception() is None for task in done):
                    return True
                for task in done:
                    logger.warning("a hang-up failed", exc_info=task.exception())
            if not last and loop.time() < again:
                await asyncio.sleep(PAUSE)
        logger.error("a leg could not be hung up")
        return False
    finally:
        for task in pending:
            task.cancel()
            keep(task)
