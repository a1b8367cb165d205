"""RingGroup: the phones of one offer ring together; the first who can be joined wins."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from livetransfer._logged import logged
from livetransfer._tasks import awaiting, keep
from livetransfer.status import TransferStatus

from .attempt import LiveAttempt
from .endings import AttemptOver, Stopped
from .interrupts import settled
from .leg import HumanLeg

__all__ = ["RingGroup", "deciding"]

logger = logging.getLogger("livetransfer")

OTHERS_WAIT = 0.15
"""Seconds for which the others ring on at most, while the winner is joined with the caller
(measured: the server's answer takes 0.03 s with five phones)."""


class RingGroup:
    """The phones of an attempt, one or several.

    Args:
        attempt: The attempt, which owns their legs.
    """

    def __init__(self, attempt: LiveAttempt) -> None:
        self._attempt = attempt

    async def race(self, phone: Callable[[HumanLeg], Awaitable[None]]) -> HumanLeg:
        """Ring the phones of the offer; return the leg of the first whose `phone` returns.

        The others stop ringing, or are told that a colleague has taken the call, in the
        background. A phone that is over is closed while the others go on. While somebody who has
        answered is talked to, no further phone begins to ring.

        Args:
            phone: Rings one and returns once he can be joined with the caller.

        Raises:
            AttemptOver: All are over; of several, the one that decides.
            Stopped: The transfer is over.
        """
        waiting = deque(range(len(self._attempt.offer.destinations)))
        live: dict[asyncio.Task[None], HumanLeg] = {}
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        try:
            while waiting or live:
                while waiting and (
                    not live
                    or (loop.time() >= next_at and not any(h.answered for h in live.values()))
                ):
                    human = self._attempt.new_leg(waiting.popleft())
                    task = asyncio.ensure_future(awaiting(phone(human)))
                    live[task] = human
                    next_at = loop.time() + self._attempt.offer.ring_next_after
                more = waiting and loop.time() < next_at
                pause = next_at - loop.time() if more else None
                done, _ = await asyncio.wait(
                    live, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                ended = {task: live.pop(task) for task in done}
                for task in list(ended):
                    over = _failure(task)
                    if isinstance(over, AttemptOver) and over.instead is not None:
                        fresh = self._attempt.instead(ended.pop(task), over, over.instead)
                        live[asyncio.ensure_future(awaiting(phone(fresh)))] = fresh
                winner = self._look_at(ended, bool(live or waiting))
                if winner is not None:
                    ringing, live = list(live), {}
                    self._answered_elsewhere(winner, ringing)
                    return winner
            raise deciding(self._attempt.legs).over or AttemptOver(TransferStatus.FAILED)
        finally:
            for task in live:
                task.cancel()
                self._attempt.teardown.push("unfinished phone", partial(settled, task))

    def _look_at(self, done: dict[asyncio.Task[None], HumanLeg], others: bool) -> HumanLeg | None:
        """Return the leg that has won, if one has; the first that was rung, of several."""
        winner: HumanLeg | None = None
        ends = [(human, _failure(task)) for task, human in done.items()]
        for human, error in sorted(ends, key=lambda end: self._attempt.legs.index(end[0])):
            if error is None:
                winner = winner or human
                continue
            if isinstance(error, AttemptOver):
                self._attempt.is_over(human, error)
            elif isinstance(error, Stopped) or not isinstance(error, Exception):
                raise error
            else:
                self._attempt.is_over(human, AttemptOver.by_error(error))
                if not others and winner is None and len(self._attempt.legs) == 1:
                    raise error
                logger.error("a phone of a transfer failed because of an error", **logged(error))
            if others or winner is not None:
                self._attempt.close_in_background(human)
                self._attempt.follow()
        return winner

    def _answered_elsewhere(self, winner: HumanLeg, ringing: Sequence[asyncio.Task[None]]) -> None:
        lost = [one for one in self._attempt.legs if one is not winner and one.over is None]
        for human in lost:
            self._attempt.is_over(human, AttemptOver(TransferStatus.ANSWERED_ELSEWHERE))
        if not lost:
            return
        letting_go = keep(
            asyncio.create_task(self._let_go(winner, lost, ringing), name="livetransfer-others")
        )

        def at_once() -> Awaitable[None]:
            winner.met.set()
            return settled(letting_go)

        self._attempt.teardown.push("other phones", at_once)

    async def _let_go(
        self,
        winner: HumanLeg,
        lost: Sequence[HumanLeg],
        ringing: Sequence[asyncio.Task[None]],
    ) -> None:
        """Close the others, once caller and winner are joined, who come first."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(winner.met.wait(), OTHERS_WAIT)
        for human in lost:
            if human.over is not None:
                human.breaks(human.over)
            self._attempt.close_in_background(human)
        for task in ringing:
            task.cancel()
        await asyncio.gather(*ringing, return_exceptions=True)


def deciding(legs: Sequence[HumanLeg]) -> HumanLeg:
    """Return the leg whose end decides what became of the attempt."""
    return min(legs, key=_precedence)


_PRECEDENCE = (
    TransferStatus.INDETERMINATE,
    TransferStatus.DECLINED,
    TransferStatus.HUMAN_LEFT,
    TransferStatus.TIMED_OUT,
    TransferStatus.VOICEMAIL,
    TransferStatus.NO_ANSWER,
    TransferStatus.BUSY,
    TransferStatus.TRUNK_UNAVAILABLE,
    TransferStatus.FAILED,
    TransferStatus.INVALID_DESTINATION,
)
"""Of several phones, the first of these decides: what a person has done, then what was busy."""


def _precedence(human: HumanLeg) -> int:
    if human.over is None:
        return -1  # the others were over before the attempt was
    status = human.over.status
    return _PRECEDENCE.index(status) if status in _PRECEDENCE else len(_PRECEDENCE)


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    # Nobody here has cancelled it: code of the application has.
    return RuntimeError("cancelled itself") if task.cancelled() else task.exception()
