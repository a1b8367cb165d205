"""Hanging up: asked again and again while the telephony fails or does not answer."""

from __future__ import annotations

import asyncio
import logging

from livetransfer._tasks import keep
from livetransfer.control import CallControl, CallLost, ControlEvent, Leg

__all__ = ["WITHIN", "HangUps"]

logger = logging.getLogger("livetransfer")

PATIENCE = 0.8
"""Seconds after which a hang-up that has not answered is asked for again, at first."""

PAUSE = 0.2
"""Seconds after which one that failed is asked for again, at first."""

SLOWEST = 5.0
"""Seconds between two hang-ups, at most."""

WITHIN = 2.8
"""Seconds that are waited for it."""

PURSUED = 60.0
"""Seconds for which a human's leg is pursued, so that nobody is left on a dead line."""


class HangUps:
    """The hang-ups of one run, and the end of its control, which waits for them.

    Args:
        control: The call.
    """

    def __init__(self, control: CallControl) -> None:
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._pursuits: set[asyncio.Task[bool]] = set()
        self._lost = self._loop.create_future()
        self._unsubscribe = control.subscribe(self._on_event)

    def _on_event(self, event: ControlEvent) -> None:
        if isinstance(event, CallLost) and not self._lost.done():
            self._lost.set_result(None)

    async def leg(self, leg: Leg) -> bool:
        """End `leg`'s call; return within `WITHIN` seconds whether that is certain.

        Where it is not, it is pursued in the background. Never raises but on cancellation.
        """
        pursuit = keep(asyncio.create_task(self._pursue(leg, PURSUED), name="livetransfer-hang-up"))
        self._pursuits.add(pursuit)
        pursuit.add_done_callback(self._pursuits.discard)
        await asyncio.wait({pursuit}, timeout=WITHIN)
        return pursuit.done() and pursuit.result()

    async def caller(self) -> bool:
        """End the caller's call; return whether that is certain.

        It is not pursued: a caller who could not be hung up goes on talking with the AI.
        """
        return await self._pursue(self._control.caller, WITHIN)

    async def _pursue(self, leg: Leg, seconds: float) -> bool:
        """A hang-up is idempotent, so one that does not answer may be repeated meanwhile."""
        until = self._loop.time() + seconds
        pending: set[asyncio.Future[None]] = set()
        patience, pause = PATIENCE, PAUSE
        try:
            while True:
                pending.add(asyncio.ensure_future(self._control.hang_up(leg)))
                again = min(until, self._loop.time() + patience)
                while pending and self._loop.time() < again and not self._lost.done():
                    done, _ = await asyncio.wait(
                        pending | {self._lost},
                        timeout=again - self._loop.time(),
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    done &= pending
                    pending -= done
                    # Each is looked at: an exception that nobody saw is logged as an error.
                    worked = [not task.cancelled() and task.exception() is None for task in done]
                    if any(worked):
                        return True
                if self._lost.done():
                    return False
                if self._loop.time() < again:
                    await asyncio.sleep(min(pause, again - self._loop.time()))
                if self._loop.time() >= until:
                    logger.error("a leg could not be hung up")
                    return False
                patience, pause = min(1.5 * patience, SLOWEST), min(1.5 * pause, SLOWEST)
        finally:
            for task in pending:
                task.cancel()
            if pending:
                ended, _ = await asyncio.wait(pending, timeout=PAUSE)
                for task in ended:
                    if not task.cancelled():
                        task.exception()  # one that failed in the same tick

    async def aclose(self) -> None:
        """Close the control; in the background while a leg is pursued with it."""
        if self._pursuits:
            keep(asyncio.create_task(self._close_later(), name="livetransfer-close"))
        else:
            await self._close()

    async def _close_later(self) -> None:
        while self._pursuits:
            await asyncio.wait(set(self._pursuits))
        await self._close()

    async def _close(self) -> None:
        self._unsubscribe()
        await self._control.aclose()
