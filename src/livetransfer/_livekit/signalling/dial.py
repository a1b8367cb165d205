"""Dial: one attempt to ring one phone, which stops ringing however the attempt ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.protocol import sip as proto_sip

from livetransfer._livekit.signalling.room_events import CALL_STATUS, RoomEvents
from livetransfer._livekit.tasks import Tasks, logger, outlive
from livetransfer.control import CallLost, ControlEvent, LegAnswered, LegLeft
from livetransfer.status import TransferStatus

from .api_errors import classify, classify_disconnect, dial_failed
from .fault import Fault
from .server_api import Wire

__all__ = ["Dial", "hang_up", "pursue"]

# The server ends the ringing itself; this is for a server that does not.
BACKSTOP = 1.0
# The leg's departure is known before the request has told why.
REASON_WITHIN = 1.5
# After a lost request the leg may be seconds from joining.
ASK_ROOM = 2.0
# How long a cancelled dial is pursued in the foreground, then in the background.
STOP_WITHIN = 2.0
PURSUE = 30.0
_IN_PROGRESS = ("dialing", "ringing", "automation")


class Dial:
    """One attempt; `run` returns once the phone is answered.

    Args:
        wire: The server API. A dial is never repeated by it.
        events: Of the room that the leg joins.
        tasks: Owner of the request.
        request: What to send, with a fresh identity.
        ring_timeout: Seconds it may ring.
        on_answer: Called the moment the answer is known.
    """

    def __init__(
        self,
        wire: Wire,
        events: RoomEvents,
        tasks: Tasks,
        request: proto_sip.CreateSIPParticipantRequest,
        *,
        ring_timeout: float,
        on_answer: Callable[[], None] | None,
    ) -> None:
        self._wire = wire
        self._events = events
        self._tasks = tasks
        self._request = request
        self._identity = request.participant_identity
        self._ring_timeout = ring_timeout
        self._on_answer = on_answer
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reason: rtc.DisconnectReason.ValueType | None = None

    async def run(self) -> None:
        """Ring it until it is answered.

        Raises:
            DialFailed: It was not. Nothing rings, unless the error is `indeterminate`.

        On cancellation the phone stops ringing before this raises.
        """
        unsubscribe = self._events.subscribe(self._on_event)
        asking = self._tasks.start(
            self._wire.create_leg(self._request, self._ring_timeout + 5.0), "dial"
        )
        try:
            fault = await self._outcome(asking)
            if fault is None:
                return
            if not _final(fault):
                await self._stop(asking)
        except BaseException:
            await asyncio.shield(self._tasks.start(self._stop(asking), "stop-dial"))
            raise
        finally:
            unsubscribe()
        raise dial_failed(fault)

    def _on_event(self, event: ControlEvent) -> None:
        if self._ended.done():
            return
        if isinstance(event, CallLost):
            self._ended.set_result("lost")
        elif isinstance(event, LegAnswered) and event.identity == self._identity:
            self._ended.set_result("answered")
            if self._on_answer is not None:
                self._on_answer()
        elif isinstance(event, LegLeft) and event.identity == self._identity:
            self._reason = _reason(event.reason)
            self._ended.set_result("left")

    async def _outcome(self, asking: asyncio.Task[None]) -> Fault | None:
        """Return what went wrong, or None once it is answered."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._ring_timeout + BACKSTOP
        waiting: set[asyncio.Future[Any]] = {asking, self._ended}
        unclear: Fault | None = None
        while True:
            timeout = max(deadline - loop.time(), 0.0)
            done, _ = await asyncio.wait(
                waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if self._ended.done():
                return await self._told(asking)
            if asking in done:
                error = asking.exception()
                if error is None:
                    self._events.answered(self._identity)
                    continue
                fault = classify(error, "dial")
                if not fault.indeterminate or unclear is not None:
                    return fault
                # The request is lost, the call may not be. The room knows.
                unclear = fault
                waiting.discard(asking)
                if await self._ask_room() is None:
                    return fault
            elif not done:
                if self._extension():
                    deadline = loop.time() + self._ring_timeout
                    continue
                return Fault(TransferStatus.NO_ANSWER, text="it rang for too long")

    async def _told(self, asking: asyncio.Task[None]) -> Fault | None:
        what = self._ended.result()
        if what == "answered":
            return None
        if what == "lost":
            return Fault(
                TransferStatus.INDETERMINATE, indeterminate=True, text="the call itself is gone"
            )
        # It left: the request knows the SIP code.
        await asyncio.wait([asking], timeout=REASON_WITHIN)
        if asking.done() and not asking.cancelled() and (error := asking.exception()) is not None:
            fault = classify(error, "dial")
            if not fault.indeterminate:
                return fault
        return classify_disconnect(self._reason)

    async def _ask_room(self) -> str | None:
        """Return the call status of the leg if it is in the room, after a lost request."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ASK_ROOM
        while loop.time() < until:
            if self._ended.done():
                return "ended"
            status = self._status()
            if status == "active":
                self._events.answered(self._identity)
            if status in _IN_PROGRESS or status == "active":
                return status
            try:
                info = await self._wire.participant(self._identity)
            except Exception:
                logger.debug("the room could not be asked for a leg")
            else:
                if info is not None:
                    return info.attributes.get(CALL_STATUS, "dialing")
            await asyncio.sleep(0.1)
        return None

    def _status(self) -> str | None:
        participant = self._events.room.remote_participants.get(self._identity)
        return None if participant is None else participant.attributes.get(CALL_STATUS, "")

    def _extension(self) -> bool:
        """Whether it was answered and only keys are being sent to it."""
        return self._status() == "automation"

    async def _stop(self, asking: asyncio.Task[None]) -> None:
        """See to it that the phone does not ring (any more)."""
        gone = await hang_up(self._wire, self._identity, asking, STOP_WITHIN)
        if not gone:
            outlive(pursue(self._wire, self._events.room, self._identity, asking), "pursue-leg")


async def hang_up(
    wire: Wire, identity: str, asking: asyncio.Task[None] | None, timeout: float
) -> bool:
    """Remove a leg until it is certain that it is gone; return whether it is, in `timeout` s.

    A leg whose dial request (`asking`) has not ended can join after it was removed.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    pause = 0.03
    removed = False
    while True:
        over = asking is None or asking.done()
        try:
            there = await asyncio.wait_for(wire.remove(identity), max(until - loop.time(), 0.1))
        except Exception:
            logger.warning("a leg could not be removed yet")
        else:
            if over and not there and (removed or not _unclear_end(asking)):
                return True
            removed = removed or there
        if loop.time() >= until:
            return False
        if asking is not None and not over:
            await asyncio.wait([asking], timeout=pause)
        else:
            await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.3)


def _unclear_end(asking: asyncio.Task[None] | None) -> bool:
    """Whether the dial request ended without saying what became of the leg."""
    if asking is None:
        return False
    if asking.cancelled():
        return True
    error = asking.exception()
    return error is not None and classify(error, "dial").indeterminate


async def pursue(
    wire: Wire, room: rtc.Room, identity: str, asking: asyncio.Task[None] | None
) -> None:
    """Remove a leg that may still join, or come back, for `PURSUE` seconds.

    It has requests of its own: the transfer that dialled the leg may be over by then.
    """
    loop = asyncio.get_running_loop()
    joined = asyncio.Event()

    def on_joined(participant: rtc.RemoteParticipant) -> None:
        if participant.identity == identity:
            joined.set()

    own = wire.elsewhere(wire.room_name)
    room.on("participant_connected", on_joined)
    try:
        until = loop.time() + PURSUE
        while loop.time() < until and room.isconnected():
            joined.clear()
            gone = await hang_up(own, identity, asking, 0.5)
            if gone and identity not in room.remote_participants:
                return
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(joined.wait(), 1.0)
    finally:
        room.off("participant_connected", on_joined)
        await own.aclose()


def _final(fault: Fault) -> bool:
    """Whether the far end itself ended the call, so that nothing can ring any more."""
    return fault.sip_code is not None


def _reason(name: str) -> rtc.DisconnectReason.ValueType | None:
    return rtc.DisconnectReason.Value(name.upper()) if name else None
