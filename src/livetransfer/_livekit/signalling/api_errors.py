"""One classification of what LiveKit's APIs raise, for old and new servers alike.

The SIP code decides: `sip_status_code` in the metadata first, then ``sip status: NNN`` in the
message, then the Twirp code. The table of observed shapes is in
tests/unit/livekit_adapter/test_errors.py.
"""

from __future__ import annotations

import asyncio
import re
from typing import Literal

import aiohttp
from livekit import rtc
from livekit.api.twirp_client import ServerError

from livetransfer.errors import BridgeFailed, DialFailed, ReferFailed, SealFailed
from livetransfer.sip_status_codes import status_for_sip
from livetransfer.status import TransferStatus

from .fault import Fault, unclear
from .refer_answers import refer_answered, refer_without_code

__all__ = [
    "bridge_failed",
    "classify",
    "classify_disconnect",
    "dial_failed",
    "is_not_found",
    "refer_failed",
    "seal_failed",
]

Verb = Literal["dial", "refer", "other"]

_SIP_STATUS = re.compile(r"sip status:?\s*(\d{3})(?::?\s*([^:()]*))?", re.IGNORECASE)
# Without a SIP code. `canceled` is "not answered within ringing_timeout" of a dial.
_BY_TWIRP = {
    "canceled": TransferStatus.NO_ANSWER,
    "unavailable": TransferStatus.TRUNK_UNAVAILABLE,
    "failed_precondition": TransferStatus.TRUNK_UNAVAILABLE,
    "not_found": TransferStatus.TRUNK_UNAVAILABLE,
    "permission_denied": TransferStatus.TRUNK_UNAVAILABLE,
    "unauthenticated": TransferStatus.TRUNK_UNAVAILABLE,
    "resource_exhausted": TransferStatus.TRUNK_UNAVAILABLE,
}


def is_not_found(error: BaseException) -> bool:
    """Return whether `error` says that the participant or room is not there (any more)."""
    return isinstance(error, ServerError) and error.code == "not_found"


def classify(error: BaseException, verb: Verb = "other") -> Fault:
    """Return what `error`, raised by a request to LiveKit, means.

    `verb` tells a dial from a REFER: the same code means different things for them.
    """
    if isinstance(error, ServerError):
        return _server_error(error, verb)
    text = type(error).__name__
    # The connection never came about, so nothing was sent: these go before their base classes.
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Fault(TransferStatus.TRUNK_UNAVAILABLE, text="no connection to the LiveKit server")
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return unclear("no answer from the LiveKit server in time")
    if isinstance(error, (aiohttp.ClientError, ConnectionError)):
        return unclear(f"the connection to the LiveKit server failed ({text})")
    return Fault(TransferStatus.FAILED, text=text)


def _server_error(error: ServerError, verb: Verb) -> Fault:
    code, reason = _sip_status(error)
    if code is not None and verb == "refer":
        return refer_answered(error, code, reason)
    if code is not None:
        return Fault(status_for_sip(code), code, reason, text=f"SIP {code}")
    if verb == "refer":
        return refer_without_code(error)
    if error.code == "deadline_exceeded":
        return unclear("LiveKit gave up waiting for the answer")
    if verb == "dial" and "auth retry" in error.message:
        return Fault(TransferStatus.TRUNK_UNAVAILABLE, text="the trunk refused the password")
    if error.code == "unknown" and "not implemented" not in error.message and error.status >= 500:
        return unclear(f"HTTP {error.status}, not from LiveKit itself")
    status = _BY_TWIRP.get(error.code, TransferStatus.FAILED)
    return Fault(status, text=f"LiveKit answered {error.code}")


def _sip_status(error: ServerError) -> tuple[int | None, str | None]:
    reason = error.metadata.get("sip_status") or None
    raw = error.metadata.get("sip_status_code", "")
    if raw.isdigit() and int(raw):
        return int(raw), reason
    found = _SIP_STATUS.search(error.message)
    if found is None:
        return None, None
    return int(found[1]), reason or (found[2] or "").strip() or None


_BY_DISCONNECT = {
    rtc.DisconnectReason.USER_UNAVAILABLE: TransferStatus.NO_ANSWER,
    rtc.DisconnectReason.USER_REJECTED: TransferStatus.BUSY,
    rtc.DisconnectReason.SIP_TRUNK_FAILURE: TransferStatus.TRUNK_UNAVAILABLE,
    # livekit-sip itself closed a leg that was not answered.
    rtc.DisconnectReason.CLIENT_INITIATED: TransferStatus.NO_ANSWER,
    rtc.DisconnectReason.PARTICIPANT_REMOVED: TransferStatus.FAILED,
    rtc.DisconnectReason.ROOM_DELETED: TransferStatus.FAILED,
    rtc.DisconnectReason.SERVER_SHUTDOWN: TransferStatus.TRUNK_UNAVAILABLE,
}


def classify_disconnect(reason: rtc.DisconnectReason.ValueType | None) -> Fault:
    """Return what it means that a leg left, for `reason`, before it was answered.

    A leg that was lost, not closed, may have left a phone ringing.
    """
    if not reason or reason not in _BY_DISCONNECT:
        return unclear("the connection to the leg was lost")
    return Fault(
        _BY_DISCONNECT[reason], text=f"the leg left: {rtc.DisconnectReason.Name(reason).lower()}"
    )


def dial_failed(fault: Fault) -> DialFailed:
    """Return the error that `dial` raises for `fault`."""
    return DialFailed(
        f"the destination was not reached: {fault.text}",
        status=fault.status,
        sip_code=fault.sip_code,
        sip_reason=fault.sip_reason,
        indeterminate=fault.indeterminate,
    )


def refer_failed(fault: Fault) -> ReferFailed:
    """Return the error that `refer` raises for `fault`."""
    return ReferFailed(
        f"the REFER did not move the caller: {fault.text}",
        status=fault.status,
        sip_code=fault.sip_code,
        sip_reason=fault.sip_reason,
        indeterminate=fault.indeterminate,
        target_reached=fault.target_reached,
    )


def bridge_failed(fault: Fault) -> BridgeFailed:
    """Return the error that `bridge` raises for `fault`."""
    return BridgeFailed(f"the parties could not be joined: {fault.text}", status=_plain(fault))


def seal_failed(fault: Fault) -> SealFailed:
    """Return the error that `seal` and `dial` raises for `fault`."""
    return SealFailed(f"the parties could not be kept apart: {fault.text}", status=_plain(fault))


def _plain(fault: Fault) -> TransferStatus:
    # INDETERMINATE is about the far end; bridging and sealing are about our own room.
    return TransferStatus.FAILED if fault.indeterminate else fault.status
