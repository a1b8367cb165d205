"""After the bridge: the silent watch that carries out what ``after=`` promised."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Literal

from ._session import CallerSession
from ._teardown import keep
from .control import CallControl, CallLost, ControlEvent, Leg, LegLeft
from .events import CallEnded, TransferEvent
from .outcome import CallEnd, EndedBy

__all__ = ["After", "Watch"]

logger = logging.getLogger("livetransfer")

After = Literal["end", "return", "leave"]

REFERRED_LIMIT = 10.0
"""Seconds that a referred caller's leg may take to leave (measured: about 1 s)."""

CAME_BACK = (
    "The colleague who took the call has left, after {seconds:.0f} seconds with the caller. "
    "The caller is on the line with you again."
)


class Watch:
    """Watches a call that was handed over, in a task that belongs to the job.

    Args:
        session: The caller's session, silent until the caller is given back.
        control: The call; closed at the end of the watch.
        human: The human's leg; None when the caller was referred away.
        after: What to do when one leaves.
        release: Lets another transfer of this call begin.
        emit: Where the end of the call is told.
        began: When the transfer began, on the loop's clock, in seconds.
        closing: What is closed first, in the background.
    """

    def __init__(
        self,
        *,
        session: CallerSession,
        control: CallControl,
        human: Leg | None,
        after: After,
        release: Callable[[], None],
        emit: Callable[[TransferEvent], None],
        began: float,
        closing: Iterable[Callable[[], Awaitable[None]]],
    ) -> None:
        self._session, self._control, self._human = session, control, human
        self._after, self._release, self._emit = after, release, emit
        self._began = began
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._left: asyncio.Future[EndedBy] = self._loop.create_future()
        self._unsubscribe = control.subscribe(self._on_event)
        if not control.caller_present:
            self._gone(EndedBy.CALLER)
        self._closing = tuple(closing)
        self.end: asyncio.Future[CallEnd] = keep(
            asyncio.create_task(self._watch(), name="livetransfer-watch")
        )

    def _gone(self, who: EndedBy) -> None:
        if not self._left.done():
            self._left.set_result(who)

    def _on_event(self, event: ControlEvent) -> None:
        if isinstance(event, CallLost):
            self._gone(EndedBy.LOST)
        elif isinstance(event, LegLeft):
            if event.identity == self._control.caller.identity:
                self._gone(EndedBy.CALLER)
            elif self._human is not None and event.identity == self._human.identity:
                self._gone(EndedBy.HUMAN)

    async def _watch(self) -> CallEnd:
        closing = [keep(asyncio.ensure_future(step())) for step in self._closing]
        try:
            return await self._to_the_end(closing)
        finally:
            self._unsubscribe()
            self._release()
            await self._control.aclose()

    async def _to_the_end(self, closing: Sequence[asyncio.Future[None]]) -> CallEnd:
        if self._human is None:
            await asyncio.wait({self._left}, timeout=REFERRED_LIMIT)
            return self._ended(EndedBy.NOBODY)
        if self._after == "leave":
            await asyncio.wait(closing)
            self._session.forget_room()
            await self._control.leave()
            self._session.session.shutdown(drain=False)
            return self._ended(EndedBy.NOBODY)
        who = await self._left
        if who is EndedBy.CALLER:
            await self._control.hang_up(self._human)
        elif who is EndedBy.HUMAN:
            if self._after == "return":
                return await self._give_back()
            await self._control.hang_up(self._control.caller)
            self._session.close_as_if_caller_left()
        return self._ended(who)

    def _ended(self, who: EndedBy, *, returned: bool = False) -> CallEnd:
        now = self._loop.time()
        end = CallEnd(who, seconds=now - self._since, returned=returned)
        self._session.answer_again()
        self._emit(CallEnded(now - self._began, end))
        return end

    async def _give_back(self) -> CallEnd:
        """The caller is with the AI again, which is told what happened and speaks first."""
        end = self._ended(EndedBy.HUMAN, returned=True)
        self._session.restore()
        note = CAME_BACK.format(seconds=end.seconds)
        session = self._session.session
        with contextlib.suppress(RuntimeError):
            agent = session.current_agent
            ctx = agent.chat_ctx.copy()
            ctx.add_message(role="system", content=note)
            await agent.update_chat_ctx(ctx)
            session.generate_reply(
                instructions=note + " Say so in a few words and ask whether you can help further."
            )
        return end
