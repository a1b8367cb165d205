"""One classification of what LiveKit's APIs raise, for old and new servers alike.

The SIP code decides: `sip_status_code` in the metadata first, then ``sip status: NNN`` in the
message, then the Twirp code. The table of observed shapes is in
tests/unit/livekit_adapter/test_errors.py.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from dataclasses import dataclass
from typing import Literal

import aiohttp
from livekit import rtc
from livekit.api.twirp_client import ServerError
from livekit.protocol import sip as proto_sip

from livetransfer.errors import BridgeFailed, DialFailed, ReferFailed, SealFailed
from livetransfer.status import TransferStatus, status_for_sip

__all__ = [
    "Fault",
    "bridge_failed",
    "classify",
    "classify_disconnect",
    "classify_transfer_response",
    "dial_failed",
    "is_not_found",
    "refer_failed",
    "seal_failed",
]

Verb = Literal["dial", "refer", "other"]

_SIP_STATUS = re.compile(r"sip status:?\s*(\d{3})(?::?\s*([^:()]*))?", re.IGNORECASE)
_TRUNK = TransferStatus.TRUNK_UNAVAILABLE
# Without a SIP code. `canceled` is "not answered within ringing_timeout" of a dial.
_BY_TWIRP = {
    "canceled": TransferStatus.NO_ANSWER,
    "unavailable": _TRUNK,
    "failed_precondition": _TRUNK,
    "not_found": _TRUNK,
    "permission_denied": _TRUNK,
    "unauthenticated": _TRUNK,
    "resource_exhausted": _TRUNK,
}
_A_PERSON_ANSWERED = (TransferStatus.BUSY, TransferStatus.NO_ANSWER, TransferStatus.DECLINED)


@dataclass(frozen=True)
class Fault:
    """What an exception means for a transfer.

    Attributes:
        status: The status it leads to.
        sip_code: The SIP response code behind it, where there was one.
        sip_reason: The reason phrase that came with the code.
        indeterminate: Whether the request may have had an effect all the same.
        target_reached: Whether the target of a REFER answered it itself.
        text: For people; holds no number and no name.
    """

    status: TransferStatus
    sip_code: int | None = None
    sip_reason: str | None = None
    indeterminate: bool = False
    target_reached: bool = False
    text: str = ""


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
        return Fault(_TRUNK, text="no connection to the LiveKit server")
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return _unclear("no answer from the LiveKit server in time")
    if isinstance(error, (aiohttp.ClientError, ConnectionError)):
        return _unclear(f"the connection to the LiveKit server failed ({text})")
    return Fault(TransferStatus.FAILED, text=text)


def _unclear(text: str) -> Fault:
    return Fault(TransferStatus.INDETERMINATE, indeterminate=True, text=text)


def _server_error(error: ServerError, verb: Verb) -> Fault:
    code, reason = _sip_status(error)
    from_metadata = "sip_status_code" in error.metadata
    if code is not None and verb == "refer":
        return _refer_answered(code, reason, not from_metadata or _target_answered(error, code))
    if code is not None:
        return Fault(status_for_sip(code), code, reason, text=f"SIP {code}")
    if verb == "refer":
        return _refer_without_code(error)
    if error.code == "deadline_exceeded":
        return _unclear("LiveKit gave up waiting for the answer")
    if verb == "dial" and "auth retry" in error.message:
        return Fault(_TRUNK, text="the trunk refused the password")
    if error.code == "unknown" and "not implemented" not in error.message and error.status >= 500:
        return _unclear(f"HTTP {error.status}, not from LiveKit itself")
    status = _BY_TWIRP.get(error.code, TransferStatus.FAILED)
    return Fault(status, text=f"LiveKit answered {error.code}")


def _refer_without_code(error: ServerError) -> Fault:
    reason = error.metadata.get("sip_transfer_reason", "")
    if reason in ("STR_RINGING_TIMEOUT", "STR_SUBSCRIPTION_TERMINATED"):
        return _unclear("the phone did not report how the REFER ended")
    # The REFER cannot be taken back: it may succeed after the request has ended.
    if error.code in ("deadline_exceeded", "canceled", "unknown"):
        return _unclear("LiveKit gave up waiting for the end of the REFER")
    if error.code == "unavailable":
        return Fault(_TRUNK, text="no SIP service")
    return Fault(TransferStatus.FAILED, text=f"LiveKit answered {error.code}")


def _refer_answered(code: int, reason: str | None, by_target: bool | None) -> Fault:
    status = status_for_sip(code)
    if by_target is None and status in _A_PERSON_ANSWERED:
        # Perhaps the target's own answer, perhaps a trunk on which transfers are switched off.
        text = f"SIP {code}, and it is not known whose answer that was"
        return Fault(TransferStatus.INDETERMINATE, code, reason, indeterminate=True, text=text)
    return Fault(status, code, reason, target_reached=by_target is not False, text=f"SIP {code}")


def _target_answered(error: ServerError, code: int) -> bool | None:
    """Whether a code is the target's, told by a NOTIFY, and not the answer to the REFER itself.

    None where that is not certain. The wording was read off livekit-sip 1.10.0, whose error has no
    reason of its own; livekit-sip 1.2.0 reports a NOTIFY with no metadata at all, and a refused
    REFER as `unavailable` (or `internal`) with it.
    """
    details = error.metadata.get("error_details", "")
    words = error.message
    if details:
        with contextlib.suppress(ValueError):
            words += base64.b64decode(details + "=" * (-len(details) % 4)).decode(
                "utf-8", "replace"
            )
    if "call transfer failed" in words:
        return True
    if details and f"sip status: {code}" in words:
        return False
    reason = error.metadata.get("sip_transfer_reason", "")
    if reason not in ("", "STR_UNSPECIFIED"):
        return _notified(reason, code)
    return False if error.code in ("unavailable", "internal") else None


def _notified(transfer_reason: str, code: int) -> bool | None:
    if transfer_reason in ("", "STR_UNSPECIFIED"):
        return False
    if transfer_reason != "STR_REJECTED":
        return True
    # Newer servers say "rejected" whoever rejected it: the target, where a person may have.
    return None if status_for_sip(code) in _A_PERSON_ANSWERED else False


def _sip_status(error: ServerError) -> tuple[int | None, str | None]:
    reason = error.metadata.get("sip_status") or None
    raw = error.metadata.get("sip_status_code", "")
    if raw.isdigit() and int(raw):
        return int(raw), reason
    found = _SIP_STATUS.search(error.message)
    if found is None:
        return None, None
    return int(found[1]), reason or (found[2] or "").strip() or None


def classify_transfer_response(response: proto_sip.TransferSIPParticipantResponse) -> Fault | None:
    """Return what a TransferSIPParticipant response that raised nothing means; None is success.

    Older servers return an empty message.
    """
    if not response.transfer_id and not response.status and not response.HasField("sip_status"):
        return None
    if response.status == proto_sip.STS_TRANSFER_SUCCESSFUL:
        return None
    code = int(response.sip_status.code) if response.HasField("sip_status") else 0
    if response.status == proto_sip.STS_TRANSFER_ONGOING or not code:
        return _unclear("the transfer had not ended when LiveKit answered")
    by_target = _notified(proto_sip.SIPTransferReason.Name(response.reason), code)
    return _refer_answered(code, response.sip_status.status or None, by_target)


_BY_DISCONNECT = {
    rtc.DisconnectReason.USER_UNAVAILABLE: TransferStatus.NO_ANSWER,
    rtc.DisconnectReason.USER_REJECTED: TransferStatus.BUSY,
    rtc.DisconnectReason.SIP_TRUNK_FAILURE: _TRUNK,
    # livekit-sip itself closed a leg that was not answered.
    rtc.DisconnectReason.CLIENT_INITIATED: TransferStatus.NO_ANSWER,
    rtc.DisconnectReason.PARTICIPANT_REMOVED: TransferStatus.FAILED,
    rtc.DisconnectReason.ROOM_DELETED: TransferStatus.FAILED,
    rtc.DisconnectReason.SERVER_SHUTDOWN: _TRUNK,
}


def classify_disconnect(reason: rtc.DisconnectReason.ValueType | None) -> Fault:
    """Return what it means that a leg left, for `reason`, before it was answered.

    A leg that was lost, not closed, may have left a phone ringing.
    """
    if not reason or reason not in _BY_DISCONNECT:
        return _unclear("the connection to the leg was lost")
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
