"""After the bridge: the silent watch that carries out what ``after=`` promised."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Literal

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer.control import CallControl, CallLost, ControlEvent, Leg, LegLeft
from livetransfer.events import CallEnded
from livetransfer.legs import ROOM_DELETED
from livetransfer.outcome import CallEnd, EndedBy
from livetransfer.status import TransferStatus

from .caller_session import CallerSession
from .end_call import EndCalls
from .event_delivery import Telling
from .hang_up import HangUps
from .lease_and_admission import Account
from .return_words import TakingBack

__all__ = ["After", "Watch"]

logger = logging.getLogger("livetransfer")

After = Literal["end", "return", "leave"]

LEAVE_LIMIT = 5.0
"""Seconds that the AI may take to leave the call."""

DELETED_LIMIT = 1.0
"""Seconds from one party's departure with a deleted room to that of the room itself."""

CLOSING_LIMIT = 12.0
"""Seconds that a goodbye to others who were rung, and hanging them up, may take."""

REFERRED_LIMIT = 10.0
"""Seconds that a referred caller's leg may take to leave (measured: about 1 s)."""


class Watch:
    """Watches a call that was handed over, in a task that belongs to the job.

    Args:
        session: The caller's session, silent until the caller is given back.
        control: The call.
        hang_ups: Its hang-ups; they close it at the end of the watch.
        human: The human's leg; None when the caller was referred away.
        account: What the human's phone has taken, settled at the end of the call.
        after: What to do when one leaves.
        release: Lets another transfer of this call begin.
        tell: Where the end of the call is told.
        taking_back: What the AI says to a caller who is back.
        gone: Who has left already.
        closing: What is closed first, in the background.
    """

    def __init__(
        self,
        *,
        session: CallerSession,
        control: CallControl,
        hang_ups: HangUps,
        human: Leg | None,
        account: Account,
        after: After,
        release: Callable[[], None],
        tell: Telling,
        taking_back: TakingBack,
        gone: EndedBy | None = None,
        closing: Iterable[Callable[[], Awaitable[None]]],
    ) -> None:
        self._session, self._control, self._human = session, control, human
        self._hang_ups, self._account = hang_ups, account
        self._after, self._release, self._tell = after, release, tell
        self._taking_back = taking_back
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._left: asyncio.Future[EndedBy] = self._loop.create_future()
        self._cut_off = False
        self._deleted: asyncio.Future[None] = self._loop.create_future()
        self._unsubscribe = control.subscribe(self._on_event)
        if gone is None and not control.caller_present:
            gone = EndedBy.CALLER
        if gone is not None:
            self._gone(gone)
        self._closing = tuple(closing)
        self.end: asyncio.Future[CallEnd] = keep(
            asyncio.create_task(self._watch(), name="livetransfer-watch")
        )

    def _gone(self, who: EndedBy) -> None:
        if not self._left.done():
            self._left.set_result(who)

    def _room_deleted(self, *, whole: bool) -> None:
        """Warn of whoever has deleted the room of two who talk; nobody can be kept from it.

        Args:
            whole: Whether it is certain that it was the call's own room.
        """
        if self._human is None or (self._left.done() and not self._cut_off):
            return  # deleted after the call: as it should be
        if not self._cut_off:
            self._cut_off = True
            logger.warning(
                "the room was deleted while the caller talked with the person, and both were cut "
                "off; code that deletes it has to wait for `await outcome.ended()` first"
            )
        if whole and not self._deleted.done():
            self._deleted.set_result(None)

    def _on_event(self, event: ControlEvent) -> None:
        if isinstance(event, (CallLost, LegLeft)) and event.reason == ROOM_DELETED:
            caller = self._control.caller.identity
            self._room_deleted(whole=isinstance(event, CallLost) or event.identity == caller)
        if isinstance(event, CallLost):
            self._gone(EndedBy.LOST)
        elif isinstance(event, LegLeft):
            if event.identity == self._control.caller.identity:
                self._gone(EndedBy.CALLER)
            elif self._human is not None and event.identity == self._human.identity:
                self._gone(EndedBy.HUMAN)

    async def _watch(self) -> CallEnd:
        closing = [keep(asyncio.ensure_future(step())) for step in self._closing]
        end_calls = EndCalls(self._session)
        end_calls.hold_off()
        end: CallEnd | None = None
        try:
            keep(asyncio.create_task(self._account.talking(), name="livetransfer-lease"))
            end = await self._to_the_end(closing)
            if end.by is EndedBy.NOBODY:
                await self._account.talks_on()
            return end
        finally:
            left = end is not None and not end.returned and self._after != "leave"
            end_calls.let_go(ended=left)
            await asyncio.shield(self._account.over(TransferStatus.BRIDGED, self._talked))
            self._unsubscribe()
            self._release()
            try:
                # Who is told that a colleague was quicker is hung up with this control.
                await asyncio.wait(closing, timeout=CLOSING_LIMIT)
            finally:
                await self._hang_ups.aclose()

    @property
    def _talked(self) -> float:
        return self._loop.time() - self._since

    async def _to_the_end(self, closing: Sequence[asyncio.Future[None]]) -> CallEnd:
        if self._human is None:
            await asyncio.wait({self._left}, timeout=REFERRED_LIMIT)
            stayed = not self._left.done() and self._control.caller_present
            if stayed:
                self._session.restore()
            return self._ended(EndedBy.NOBODY, returned=stayed)
        if self._after == "leave":
            await asyncio.wait(closing, timeout=LEAVE_LIMIT)
            self._session.forget_room()
            try:
                await asyncio.wait_for(self._control.leave(), LEAVE_LIMIT)
            except Exception:
                logger.warning("the AI could not leave the call", **logged())
            self._session.session.shutdown(drain=False)
            return self._ended(EndedBy.NOBODY)
        who = await self._left
        if self._cut_off:  # the end of one party was told before that of the room
            await asyncio.wait({self._deleted}, timeout=DELETED_LIMIT)
        if who is EndedBy.CALLER:
            await self._hang_ups.leg(self._human)
        elif self._deleted.done():
            pass  # nobody is there to be hung up, or to be given back
        elif who is EndedBy.HUMAN and self._control.caller_present:
            if self._after == "return" and not self._session.is_closing:
                return await self._give_back()
            if not await self._hang_ups.caller():
                return await self._give_back()
            self._session.close_as_if_caller_left()
        return self._ended(EndedBy.LOST if self._deleted.done() else who)

    def _ended(self, who: EndedBy, *, returned: bool = False) -> CallEnd:
        end = CallEnd(who, seconds=self._talked, returned=returned)
        if returned:
            self._session.answer_again()
        self._tell(CallEnded(self._tell.at, end))
        return end

    async def _give_back(self) -> CallEnd:
        """The caller is with the AI again, which is told what happened and speaks first."""
        end = self._ended(EndedBy.HUMAN, returned=True)
        self._session.restore()
        await self._taking_back.after_the_call(end.seconds)
        return end
