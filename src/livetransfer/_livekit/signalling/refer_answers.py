"""Whose answer to a REFER it was, and what it means: the target's own, by NOTIFY, or a refusal."""

from __future__ import annotations

import base64
import contextlib

from livekit.api.twirp_client import ServerError
from livekit.protocol import sip as proto_sip

from livetransfer.sip_status_codes import status_for_sip
from livetransfer.status import TransferStatus

from .fault import Fault, unclear

__all__ = ["classify_transfer_response", "refer_answered", "refer_without_code"]

_A_PERSON_ANSWERED = (TransferStatus.BUSY, TransferStatus.NO_ANSWER, TransferStatus.DECLINED)


def refer_answered(error: ServerError, code: int, reason: str | None) -> Fault:
    """Return what an error of a REFER means that has a SIP code."""
    from_metadata = "sip_status_code" in error.metadata
    return _answered(code, reason, not from_metadata or _target_answered(error, code))


def refer_without_code(error: ServerError) -> Fault:
    """Return what an error of a REFER means that has no SIP code."""
    reason = error.metadata.get("sip_transfer_reason", "")
    if reason in ("STR_RINGING_TIMEOUT", "STR_SUBSCRIPTION_TERMINATED"):
        return unclear("the phone did not report how the REFER ended")
    # The REFER cannot be taken back: it may succeed after the request has ended.
    if error.code in ("deadline_exceeded", "canceled", "unknown"):
        return unclear("LiveKit gave up waiting for the end of the REFER")
    if error.code == "unavailable":
        return Fault(TransferStatus.TRUNK_UNAVAILABLE, text="no SIP service")
    return Fault(TransferStatus.FAILED, text=f"LiveKit answered {error.code}")


def _answered(code: int, reason: str | None, by_target: bool | None) -> Fault:
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
        return unclear("the transfer had not ended when LiveKit answered")
    by_target = _notified(proto_sip.SIPTransferReason.Name(response.reason), code)
    return _answered(code, response.sip_status.status or None, by_target)
