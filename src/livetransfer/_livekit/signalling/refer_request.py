"""Refer: sends a leg's phone elsewhere by SIP REFER and tells how that ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from livekit.protocol import sip as proto_sip

from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.tasks import Tasks, logger
from livetransfer.control import CallLost, ControlEvent, LegLeft, Referred

from .api_errors import classify, refer_failed
from .fault import Fault
from .refer_answers import classify_transfer_response
from .server_api import Wire

__all__ = ["refer"]

# livekit-sip hangs the leg up about 1 s after a NOTIFY of success; the request ends before that.
REPORT_WITHIN = 2.0

# A newer server answers the request the moment the leg ends, also where no final NOTIFY came, and
# says success (livekit-sip 1.10.0). The leg was then gone 0 to 16 ms after the answer, on busy
# machines too; the phone that hung up by itself 20 ms after its NOTIFY 200, after 28 ms or more.
# Three times that, for servers further away: who hangs up sooner than that is not confirmed.
UNSEEN = 0.05
# For the server's word that the leg is still there.
ASK_WITHIN = 1.0


async def refer(
    wire: Wire,
    events: RoomEvents,
    tasks: Tasks,
    identity: str,
    address: str,
    *,
    headers: Mapping[str, str],
    timeout: float,
    play_dialtone: bool,
) -> Referred:
    """Ask the phone of `identity` to call `address`; return once the target was reached.

    `timeout` is in seconds, until the final NOTIFY.

    Raises:
        ReferFailed: It was refused, it failed, or how it ended is unknown (`indeterminate`).

    On cancellation the REFER cannot be taken back: it may still succeed.
    """
    loop = asyncio.get_running_loop()
    left: asyncio.Future[str] = loop.create_future()

    def on_event(event: ControlEvent) -> None:
        gone = isinstance(event, LegLeft) and event.identity == identity
        if (gone or isinstance(event, CallLost)) and not left.done():
            left.set_result("left")

    unsubscribe = events.subscribe(on_event)
    request = tasks.start(
        wire.refer(
            identity, address, headers=headers, timeout=timeout, play_dialtone=play_dialtone
        ),
        "refer",
    )
    try:
        waiting: set[asyncio.Future[Any]] = {request, left}
        await asyncio.wait(
            waiting,
            timeout=timeout + 6.0,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not request.done():
            # The phone went away, as it does once it talks elsewhere, or its owner hung up. The
            # request knows which.
            await asyncio.wait([request], timeout=REPORT_WITHIN)
        fault = _outcome(request)
        if fault is not None:
            raise refer_failed(fault)
        if not left.done():
            await asyncio.wait({left}, timeout=UNSEEN)
        return Referred(confirmed=not left.done() and await _still_there(wire, identity))
    finally:
        unsubscribe()


async def _still_there(wire: Wire, identity: str) -> bool:
    """Ask the server, which knows of an early departure seconds before the room's view does."""
    try:
        return await asyncio.wait_for(wire.participant(identity), ASK_WITHIN) is not None
    except Exception:
        logger.debug("the server could not be asked whether a leg is still there")
        return False


def _outcome(request: asyncio.Task[proto_sip.TransferSIPParticipantResponse]) -> Fault | None:
    if not request.done() or request.cancelled():
        return classify(asyncio.TimeoutError(), "refer")
    error = request.exception()
    if error is not None:
        return classify(error, "refer")
    return classify_transfer_response(request.result())
