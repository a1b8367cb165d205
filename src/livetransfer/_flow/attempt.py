"""LiveAttempt: one attempt under way, which owns its legs: the phones that ring for one offer."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from livetransfer._tasks import keep
from livetransfer.control import BridgeMode, ControlEvent, Leg, LegRinging
from livetransfer.destination import Destination
from livetransfer.events import PhoneEnded, PhoneRang
from livetransfer.phases import TABLE, Phase
from livetransfer.routing.offer import Offer
from livetransfer.status import TransferStatus

from .call import Call
from .endings import AttemptOver
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

    def instead(self, human: HumanLeg, over: AttemptOver, destination: Destination) -> HumanLeg:
        """Return a leg in the place of one that is over and has not rung: it is dialled anew."""
        self.is_over(human, over)
        fresh = self._made(destination, human.account.handed_on())
        fresh.briefed = human.briefed
        self.legs[self.legs.index(human)] = fresh
        self.close_in_background(human)
        return fresh

    def on_event(self, event: ControlEvent) -> None:
        """Look at an event of one of the legs."""
        for human in self.legs:
            if getattr(event, "identity", None) == human.leg.identity:
                if isinstance(event, LegRinging) and human.over is None:
                    self.call.emit(PhoneRang(self.call.at, human.leg.identity))
                    self.has_come_to(human, Phase.RINGING)
                human.on_event(event)

    def has_come_to(self, human: HumanLeg, stage: Phase) -> None:
        """A leg has come further; the phase is that of the one which has come furthest."""
        if human.over is not None:
            return
        if human.stage is None or _STAGES.index(stage) > _STAGES.index(human.stage):
            human.stage = stage
        self.follow()

    def follow(self) -> None:
        """Let the phase be that of the phone which has come furthest."""
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

    # -- how it goes on -------------------------------------------------------------------

    def is_over(self, human: HumanLeg, over: AttemptOver) -> None:
        """A phone is over, and how."""
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

    def close_in_background(self, human: HumanLeg) -> None:
        """Close what was opened for a phone, while the others go on."""
        keep(asyncio.create_task(human.close(), name="livetransfer-leg-end"))

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


def _progress(human: HumanLeg) -> int:
    if human.joined:
        return len(_STAGES)
    return -1 if human.stage is None else _STAGES.index(human.stage)
