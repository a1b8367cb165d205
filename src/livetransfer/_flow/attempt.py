"""LiveAttempt: one attempt under way, which owns its legs: the phones that ring for one offer."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer.control import BridgeMode, ControlEvent, Leg, LegRinging
from livetransfer.destination import Destination
from livetransfer.events import PhoneEnded, PhoneRang
from livetransfer.phases import TABLE, Phase
from livetransfer.routing.offer import Offer
from livetransfer.status import TransferStatus

from .call import Call
from .endings import AttemptOver, Stopped
from .interrupts import settled
from .lease_and_admission import Account
from .leg import HumanLeg
from .teardown import Teardown

__all__ = ["LiveAttempt", "TransferProtocol"]

logger = logging.getLogger("livetransfer")
T = TypeVar("T")

_STAGES = (Phase.DIALLING, Phase.RINGING, Phase.BRIEFING, Phase.BRIDGING)


class LiveAttempt:
    """Rings the phones of one offer, each with a leg of its own.

    Args:
        call: The call.
        offer: Whom to ring.
        ring_timeout: Seconds a phone may ring, where neither it nor the offer says otherwise.

    Attributes:
        legs: The legs, in the order in which their phones were rung.
        confirmed: After a REFER, whether the target is known to have been reached.
        referred: Whether the caller was, or may have been, referred to the first destination.
        teardown: Closes what the attempt has opened; each leg's own teardown is a step of it.
    """

    def __init__(self, call: Call, offer: Offer, ring_timeout: float) -> None:
        self.call, self.offer = call, offer
        self.ring_timeout = offer.ring_timeout or ring_timeout
        self.legs: list[HumanLeg] = []
        self._ahead: dict[int, HumanLeg] = {}
        self.confirmed: bool | None = None
        self.referred = False
        self.teardown = Teardown()
        self.teardown.push("leases", self._release_others)
        self._closing: asyncio.Task[None] | None = None

    @property
    def destination(self) -> Destination:
        """Whom it is for: the first of the phones."""
        return self.offer.destinations[0]

    # -- its legs --------------------------------------------------------------------------

    def leg_ahead(self, index: int) -> HumanLeg:
        """Return the leg of a destination of the offer that is about to be rung.

        Its identity was never used before, and something may be opened for it already.
        """
        lease = self.offer.leases[index] if self.offer.leases else None
        human = self._made(self.offer.destinations[index], Account(lease))
        human.briefed = not self.offer.methods or self.offer.methods[index] != "cold"
        self._ahead[index] = human
        return human

    def _made(self, destination: Destination, account: Account) -> HumanLeg:
        human = HumanLeg(
            Leg(f"human-{uuid.uuid4().hex[:12]}", destination),
            destination,
            asyncio.get_running_loop().create_future(),
            account=account,
        )
        human.keep = human.teardown.push("account", human.settle)
        self.teardown.push("leg", human.teardown.run)
        return human

    def new_leg(self, index: int) -> HumanLeg:
        """Return the leg of a destination of the offer, which is rung now."""
        self.call.patience.dialled()
        human = self._ahead.pop(index, None) or self.leg_ahead(index)
        self._ahead.pop(index, None)
        self.legs.append(human)
        return human

    def _instead(self, human: HumanLeg, over: AttemptOver, destination: Destination) -> HumanLeg:
        """Return a leg in the place of one that is over and has not rung: it is dialled anew."""
        self._is_over(human, over)
        fresh = self._made(destination, human.account.handed_on())
        fresh.briefed = human.briefed
        self.legs[self.legs.index(human)] = fresh
        self._close_in_background(human)
        return fresh

    def on_event(self, event: ControlEvent) -> None:
        """Look at an event of one of the legs."""
        for human in self.legs:
            if getattr(event, "identity", None) == human.leg.identity:
                if isinstance(event, LegRinging):
                    self.call.emit(PhoneRang(self.call.at, human.leg.identity))
                    self.has_come_to(human, Phase.RINGING)
                human.on_event(event)

    def has_come_to(self, human: HumanLeg, stage: Phase) -> None:
        """A leg has come further; the phase is that of the one which has come furthest."""
        if human.over is not None:
            return
        if human.stage is None or _STAGES.index(stage) > _STAGES.index(human.stage):
            human.stage = stage
        self._follow()

    def _follow(self) -> None:
        stages = [human.stage for human in self.legs if human.stage and human.over is None]
        if not stages or self.call.phases.over:
            return
        furthest = max(stages, key=_STAGES.index)
        current = self.call.phases.current
        if furthest is not current and furthest in TABLE[current]:
            self.call.phases.move(furthest)

    async def guard(
        self,
        step: Coroutine[Any, Any, T],
        *,
        human: HumanLeg | None = None,
        limit: float | None = None,
        late: AttemptOver | None = None,
    ) -> T:
        """Run a step of this attempt unless something ends it first; see `Interrupts.guard`."""
        return await self.call.interrupts.guard(
            step,
            unfinished=self.teardown if human is None else human.teardown,
            leg=human,
            limit=limit,
            late=late,
        )

    # -- several phones --------------------------------------------------------------------

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
        waiting = deque(range(len(self.offer.destinations)))
        live: dict[asyncio.Task[None], HumanLeg] = {}
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        try:
            while waiting or live:
                while waiting and (
                    not live
                    or (loop.time() >= next_at and not any(h.answered for h in live.values()))
                ):
                    human = self.new_leg(waiting.popleft())
                    task = asyncio.ensure_future(_awaiting(phone(human)))
                    live[task] = human
                    next_at = loop.time() + self.offer.ring_next_after
                more = waiting and loop.time() < next_at
                pause = next_at - loop.time() if more else None
                done, _ = await asyncio.wait(
                    live, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                ended = {task: live.pop(task) for task in done}
                for task in list(ended):
                    over = _failure(task)
                    if isinstance(over, AttemptOver) and over.instead is not None:
                        fresh = self._instead(ended.pop(task), over, over.instead)
                        live[asyncio.ensure_future(_awaiting(phone(fresh)))] = fresh
                winner = self._look_at(ended, bool(live or waiting))
                if winner is not None:
                    self._answered_elsewhere(winner)
                    return winner
            raise self.deciding().over or AttemptOver(TransferStatus.FAILED)
        finally:
            for task in live:
                task.cancel()
                self.teardown.push("unfinished phone", partial(settled, task))

    def _look_at(self, done: dict[asyncio.Task[None], HumanLeg], others: bool) -> HumanLeg | None:
        """Return the leg that has won, if one has; the first that was rung, of several."""
        winner: HumanLeg | None = None
        ends = [(human, _failure(task)) for task, human in done.items()]
        for human, error in sorted(ends, key=lambda end: self.legs.index(end[0])):
            if error is None:
                winner = winner or human
                continue
            if isinstance(error, AttemptOver):
                self._is_over(human, error)
            elif isinstance(error, Stopped) or not isinstance(error, Exception):
                raise error
            else:
                self._is_over(human, AttemptOver.by_error(error))
                if not others and winner is None and len(self.legs) == 1:
                    raise error
                logger.error("a phone of a transfer failed because of an error", **logged(error))
            if others or winner is not None:
                self._close_in_background(human)
                self._follow()
        return winner

    def _answered_elsewhere(self, winner: HumanLeg) -> None:
        for human in self.legs:
            if human is not winner and human.over is None:
                over = AttemptOver(TransferStatus.ANSWERED_ELSEWHERE)
                self._is_over(human, over)
                human.breaks(over)
                self._close_in_background(human)

    def _is_over(self, human: HumanLeg, over: AttemptOver) -> None:
        human.over = over
        self.call.emit(
            PhoneEnded(
                self.call.at,
                human.leg.identity,
                over.status,
                over.sip_code,
                over.sip_reason,
                over.reason,
            )
        )

    def _close_in_background(self, human: HumanLeg) -> None:
        keep(asyncio.create_task(human.close(), name="livetransfer-leg-end"))

    def deciding(self) -> HumanLeg:
        """Return the leg whose end decides what became of the attempt."""
        return min(self.legs, key=_precedence)

    def furthest(self) -> HumanLeg | None:
        """Return the leg that has come furthest, of those that are not over, else of all."""
        legs = [human for human in self.legs if human.over is None] or self.legs
        return max(legs, key=_progress, default=None)

    async def _release_others(self) -> None:
        """Give back the leases of those whose phones were never rung."""
        leases = self.offer.leases[len(self.legs) :]
        if self.referred and leases and not self.legs:
            await Account(leases[0]).talks_on()
            leases = leases[1:]
        for lease in leases:
            await Account(lease).over(TransferStatus.ANSWERED_ELSEWHERE)

    # -- its end ---------------------------------------------------------------------------

    def close(self, status: TransferStatus | None = None) -> asyncio.Task[None]:
        """End the attempt, in the background: goodbyes, then what was opened. Idempotent.

        Args:
            status: Why, for the humans who are being talked to; default: each leg's own end.
        """
        if self._closing is None:
            self._closing = keep(
                asyncio.create_task(self._close(status), name="livetransfer-attempt-end")
            )
        return self._closing

    async def _close(self, status: TransferStatus | None) -> None:
        await asyncio.gather(*(human.close(status) for human in self.legs), return_exceptions=True)
        await self.teardown.run()


class TransferProtocol(Protocol):
    """What makes a warm transfer warm and a cold one cold."""

    def prepare(self, attempt: LiveAttempt) -> None:
        """Begin to get ready for an attempt, while the caller hears the announcement."""

    async def attempt(self, attempt: LiveAttempt) -> BridgeMode | None:
        """Hand the caller to somebody of the offer; None when the caller was referred away.

        Raises:
            AttemptOver: It did not work.
        """


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


def _progress(human: HumanLeg) -> int:
    if human.joined:
        return len(_STAGES)
    return -1 if human.stage is None else _STAGES.index(human.stage)


def _precedence(human: HumanLeg) -> int:
    if human.over is None:
        return -1  # the others were over before the attempt was
    status = human.over.status
    return _PRECEDENCE.index(status) if status in _PRECEDENCE else len(_PRECEDENCE)


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    # Nobody here has cancelled it: code of the application has.
    return RuntimeError("cancelled itself") if task.cancelled() else task.exception()


async def _awaiting(step: Awaitable[T]) -> T:
    return await step
