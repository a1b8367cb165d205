"""HumanLeg: one phone of an attempt, what has become of it, and how it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from livetransfer._tasks import keep
from livetransfer.answer_class import AnswerClass
from livetransfer.briefing.agent import Farewell
from livetransfer.control import ControlEvent, KeyPressed, Leg, LegAnswered, LegLeft, SealBroken
from livetransfer.destination import Destination
from livetransfer.phases import Phase
from livetransfer.status import TransferStatus

from .endings import AttemptOver
from .lease_and_admission import Account
from .teardown import Teardown

__all__ = ["ANSWER_LIMIT", "HumanLeg"]

ANSWER_LIMIT = 8.0
"""Seconds, from the answer, in which the leg has to be ready to be talked to."""

_FAREWELLS: dict[TransferStatus, Farewell] = {
    TransferStatus.DECLINED: "declined",
    TransferStatus.TIMED_OUT: "timed_out",
    TransferStatus.CALLER_LEFT: "caller_left",
    TransferStatus.CANCELLED: "cancelled",
    TransferStatus.ANSWERED_ELSEWHERE: "taken",
}


def _nothing() -> None:
    return


@dataclass(eq=False)
class HumanLeg:
    """One phone of the attempt under way.

    Attributes:
        leg: The leg; it may not have been answered yet.
        destination: Whom it is for.
        broken: Done, with an AttemptOver, when the leg can be used no more.
        left: Set when the human has hung up, or was.
        met: Set once it has been tried to join it with the caller, or will not be.
        teardown: Closes what was opened for it.
        account: The lease on the member, and what the guard has counted.
        stage: How far it has come: DIALLING, RINGING, BRIEFING or BRIDGING; None before.
        on_key: Called with each key that the human presses.
        say_farewell: Tells the human why the line is about to be closed, while he can hear it.
        hush: Silences whoever talks to the human, who is about to be joined.
        keep: Takes back that the teardown hangs it up, and settles its account.
        answered: Whether the phone was answered.
        reached: Whether the leg can be talked to.
        joined: Whether it has been joined with the caller.
        answered_by: What has answered, as far as it is known.
        briefed: Whether a warm transfer briefs the human.
        over: What became of it, once it is over without a bridge.
    """

    leg: Leg
    destination: Destination
    broken: asyncio.Future[None]
    left: asyncio.Event = field(default_factory=asyncio.Event)
    met: asyncio.Event = field(default_factory=asyncio.Event)
    account: Account = field(default_factory=lambda: Account(None))
    teardown: Teardown = field(default_factory=Teardown)
    stage: Phase | None = None
    on_key: Callable[[str], None] | None = None
    say_farewell: Callable[[Farewell], Awaitable[None]] | None = None
    hush: Callable[[], None] = _nothing
    keep: Callable[[], None] = _nothing
    answered: bool = False
    reached: bool = False
    joined: bool = False
    answered_by: AnswerClass | None = None
    briefed: bool = True
    over: AttemptOver | None = None
    _overdue: asyncio.TimerHandle | None = None
    _closing: asyncio.Task[None] | None = None

    def breaks(self, over: AttemptOver) -> None:
        """Say why it can be used no more; the first reason counts."""
        if not self.broken.done():
            self.broken.set_exception(over)
            self.broken.exception()

    def on_event(self, event: ControlEvent) -> None:
        """Look at an event of this leg."""
        if isinstance(event, LegAnswered):
            self.answered = True
            if not self.reached and self._overdue is None:
                late = f"the leg was not ready {ANSWER_LIMIT:g} s after the answer"
                self._overdue = asyncio.get_running_loop().call_later(
                    ANSWER_LIMIT, self.breaks, AttemptOver(TransferStatus.FAILED, late)
                )
        elif isinstance(event, LegLeft):
            self.left.set()
            # Before the answer the dial itself says why.
            if self.answered or self.reached:
                self.breaks(AttemptOver(TransferStatus.HUMAN_LEFT, event.reason or None))
        elif isinstance(event, SealBroken) and not self.joined:
            self.breaks(AttemptOver(TransferStatus.FAILED, event.reason or "the seal broke"))
        elif isinstance(event, KeyPressed) and self.on_key is not None:
            self.on_key(event.digit)

    def no_longer_overdue(self) -> None:
        """The dial has ended, one way or the other."""
        if self._overdue is not None:
            self._overdue.cancel()

    async def close(self, status: TransferStatus | None = None) -> None:
        """Tell the human why, where he can hear it, then close what was opened for the leg.

        Later calls wait for the first.

        Args:
            status: Why, where it is not what the leg itself ended with.
        """
        self.met.set()
        if self._closing is None:
            closing = asyncio.create_task(self._close(status), name="livetransfer-leg-end")
            self._closing = keep(closing)
        await asyncio.shield(self._closing)

    async def _close(self, status: TransferStatus | None) -> None:
        if status is None and self.over is not None:
            status = self.over.status
        reason = _FAREWELLS.get(status) if status is not None else None
        say, self.say_farewell = self.say_farewell, None
        if say is not None and reason is not None and not self.left.is_set():
            await say(reason)
        await self.teardown.run()

    async def settle(self) -> None:
        """Give back what the phone has taken; for one that has not been joined."""
        await self.account.over(self.over.status if self.over else TransferStatus.CANCELLED)
