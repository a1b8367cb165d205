"""Every shape of failure that LiveKit's servers are known to give, and what it means."""

from __future__ import annotations

import asyncio
import base64
import errno

import aiohttp
import pytest
from livekit import rtc
from livekit.api.twirp_client import ServerError, SipCallError
from livekit.protocol import sip as proto_sip

from livetransfer._livekit.signalling.api_errors import (
    classify,
    classify_disconnect,
    dial_failed,
    is_not_found,
    refer_failed,
)
from livetransfer._livekit.signalling.refer_answers import classify_transfer_response
from livetransfer.status import TransferStatus as S


def sip_error(code: str, http: int, sip: int, **more: str) -> SipCallError:
    """As livekit-api raises it: the SIP code in the metadata."""
    metadata = {"sip_status_code": str(sip), **more}
    return SipCallError(code, f"INVITE failed: sip status: {sip}", status=http, metadata=metadata)


DIALS = [
    # livekit-server 1.11.0, livekit-sip 1.2.0: observed.
    (sip_error("unavailable", 503, 486, sip_status="Busy Here"), S.BUSY, 486),
    (sip_error("unavailable", 503, 480), S.NO_ANSWER, 480),
    (sip_error("unavailable", 503, 603), S.DECLINED, 603),
    (sip_error("unavailable", 503, 503), S.TRUNK_UNAVAILABLE, 503),
    (sip_error("invalid_argument", 400, 404), S.INVALID_DESTINATION, 404),
    (sip_error("deadline_exceeded", 408, 408), S.NO_ANSWER, 408),
    (ServerError("canceled", "canceled", status=408), S.NO_ANSWER, None),
    (ServerError("unavailable", "no response from servers", status=503), S.TRUNK_UNAVAILABLE, None),
    (ServerError("failed_precondition", "auth", status=412), S.TRUNK_UNAVAILABLE, None),
    # The newest servers: from their sources.
    (sip_error("resource_exhausted", 429, 486), S.BUSY, 486),
    (sip_error("resource_exhausted", 429, 480), S.NO_ANSWER, 480),
    (sip_error("permission_denied", 403, 603), S.DECLINED, 603),
    (sip_error("failed_precondition", 412, 500), S.TRUNK_UNAVAILABLE, 500),
    (sip_error("not_found", 404, 404), S.INVALID_DESTINATION, 404),
    # No metadata: the message tells.
    (ServerError("unavailable", "x: sip status: 486: Busy Here", status=503), S.BUSY, 486),
    (ServerError("internal", "sip status 600", status=500), S.BUSY, 600),
    # No SIP code at all.
    (
        ServerError("not_found", "requested sip trunk does not exist", status=404),
        S.TRUNK_UNAVAILABLE,
        None,
    ),
    (ServerError("unauthenticated", "token", status=401), S.TRUNK_UNAVAILABLE, None),
    (ServerError("permission_denied", "token", status=403), S.TRUNK_UNAVAILABLE, None),
    (ServerError("resource_exhausted", "quota", status=429), S.TRUNK_UNAVAILABLE, None),
    (ServerError("invalid_argument", "missing", status=400), S.FAILED, None),
    (ServerError("unknown", "not implemented", status=500), S.FAILED, None),
    (
        ServerError("unknown", "twirp error unknown: max auth retry attemps reached", status=500),
        S.TRUNK_UNAVAILABLE,
        None,
    ),
    (ValueError("not from LiveKit"), S.FAILED, None),
]


@pytest.mark.parametrize(
    ("error", "status", "code"), DIALS, ids=[str(row[0])[:60] for row in DIALS]
)
def test_dial(error: Exception, status: S, code: int | None) -> None:
    fault = classify(error, "dial")
    assert (fault.status, fault.sip_code, fault.indeterminate) == (status, code, False)
    raised = dial_failed(fault)
    assert (raised.status, raised.sip_code) == (status, code)


def test_the_reason_phrase_is_kept() -> None:
    assert classify(DIALS[0][0], "dial").sip_reason == "Busy Here"
    assert classify(DIALS[14][0], "dial").sip_reason == "Busy Here"


def refused() -> OSError:
    return OSError(errno.ECONNREFUSED, "refused")


KEY = aiohttp.client_reqrep.ConnectionKey("h", 1, False, True, None, None, None)


@pytest.mark.parametrize(
    "error",
    [
        ServerError("deadline_exceeded", "request timed out", status=408),
        ServerError("unknown", "", status=502),
        asyncio.TimeoutError(),
        aiohttp.ServerTimeoutError(),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(errno.EPIPE, "broken pipe"),
        aiohttp.ClientPayloadError(),
        ConnectionResetError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("verb", ["dial", "refer"])
def test_what_may_have_happened_all_the_same(error: Exception, verb: str) -> None:
    fault = classify(error, verb)  # type: ignore[arg-type]
    assert fault.indeterminate
    assert fault.status is S.INDETERMINATE


@pytest.mark.parametrize(
    "error",
    [aiohttp.ClientConnectorError(KEY, refused()), aiohttp.ConnectionTimeoutError()],
    ids=lambda error: type(error).__name__,
)
def test_without_a_connection_nothing_was_sent(error: Exception) -> None:
    fault = classify(error, "dial")
    assert (fault.status, fault.indeterminate) == (S.TRUNK_UNAVAILABLE, False)


REFERS = [
    # A NOTIFY reported it: no metadata. The target was reached.
    ("canceled", 408, "call transfer failed: sip status: 486: Busy Here", {}, S.BUSY, True),
    ("canceled", 408, "call transfer failed: sip status: 603: Decline", {}, S.DECLINED, True),
    # The REFER's own response: it may be dialled.
    ("unavailable", 503, "sip status: 603", {"sip_status_code": "603"}, S.DECLINED, False),
    ("internal", 500, "sip status: 405", {"sip_status_code": "405"}, S.FAILED, False),
    # The newest servers name a reason.
    (
        "internal", 500, "", {"sip_status_code": "405", "sip_transfer_reason": "STR_REJECTED"},
        S.FAILED, False,
    ),
    (
        "unavailable", 503, "",
        {"sip_status_code": "404", "sip_transfer_reason": "STR_SUBSCRIPTION_TERMINATED"},
        S.INVALID_DESTINATION, True,
    ),
    ("unavailable", 503, "no response from servers", {}, S.TRUNK_UNAVAILABLE, False),
    ("invalid_argument", 400, "no SIP session", {}, S.FAILED, False),
]  # fmt: skip


@pytest.mark.parametrize("row", REFERS, ids=lambda row: f"{row[0]} {row[4]}")
def test_refer(row: tuple[str, int, str, dict[str, str], S, bool]) -> None:
    code, http, message, metadata, status, reached = row
    fault = classify(ServerError(code, message, status=http, metadata=metadata), "refer")
    assert (fault.status, fault.target_reached, fault.indeterminate) == (status, reached, False)
    assert refer_failed(fault).target_reached is reached


@pytest.mark.parametrize(
    ("code", "metadata"),
    [
        ("deadline_exceeded", {}),
        ("canceled", {}),
        ("canceled", {"sip_transfer_reason": "STR_RINGING_TIMEOUT"}),
        ("internal", {"sip_transfer_reason": "STR_SUBSCRIPTION_TERMINATED"}),
        # "Rejected" may be the target's answer, or the trunk's to the REFER itself.
        ("unavailable", {"sip_status_code": "486", "sip_transfer_reason": "STR_REJECTED"}),
        ("permission_denied", {"sip_status_code": "603", "sip_status": "Decline"}),
    ],
)
def test_a_refer_cannot_be_taken_back(code: str, metadata: dict[str, str]) -> None:
    fault = classify(ServerError(code, "", status=408, metadata=metadata), "refer")
    assert fault.indeterminate
    assert not fault.target_reached


def response(
    status: int, sip: int = 0, reason: int = 0
) -> proto_sip.TransferSIPParticipantResponse:
    made = proto_sip.TransferSIPParticipantResponse(
        transfer_id="T",
        status=status,  # type: ignore[arg-type]
        reason=reason,  # type: ignore[arg-type]
    )
    if sip:
        made.sip_status.code = sip  # type: ignore[assignment]
    return made


def test_transfer_responses() -> None:
    assert classify_transfer_response(proto_sip.TransferSIPParticipantResponse()) is None
    assert classify_transfer_response(response(proto_sip.STS_TRANSFER_SUCCESSFUL)) is None
    busy = classify_transfer_response(
        response(proto_sip.STS_TRANSFER_FAILED, 486, proto_sip.STR_REJECTED)
    )
    assert busy is not None
    assert (busy.status, busy.sip_code, busy.indeterminate) == (S.INDETERMINATE, 486, True)
    refused = classify_transfer_response(
        response(proto_sip.STS_TRANSFER_FAILED, 405, proto_sip.STR_REJECTED)
    )
    assert refused is not None
    assert not refused.target_reached
    for unclear in (proto_sip.STS_TRANSFER_ONGOING, proto_sip.STS_TRANSFER_FAILED):
        fault = classify_transfer_response(response(unclear))
        assert fault is not None
        assert fault.indeterminate


@pytest.mark.parametrize(
    ("reason", "status", "indeterminate"),
    [
        (rtc.DisconnectReason.USER_REJECTED, S.BUSY, False),
        (rtc.DisconnectReason.USER_UNAVAILABLE, S.NO_ANSWER, False),
        (rtc.DisconnectReason.SIP_TRUNK_FAILURE, S.TRUNK_UNAVAILABLE, False),
        (rtc.DisconnectReason.CLIENT_INITIATED, S.NO_ANSWER, False),
        (rtc.DisconnectReason.PARTICIPANT_REMOVED, S.FAILED, False),
        (rtc.DisconnectReason.CONNECTION_TIMEOUT, S.INDETERMINATE, True),
        (None, S.INDETERMINATE, True),
    ],
)
def test_a_leg_that_left(
    reason: rtc.DisconnectReason.ValueType | None, status: S, indeterminate: bool
) -> None:
    fault = classify_disconnect(reason)
    assert (fault.status, fault.indeterminate) == (status, indeterminate)


def test_not_found() -> None:
    assert is_not_found(ServerError("not_found", "", status=404))
    assert not is_not_found(ServerError("internal", "", status=500))
    assert not is_not_found(ValueError())


def _newer(code: int, twirp: str, words: str) -> ServerError:
    """What livekit-server 1.13.5 with livekit-sip 1.10.0 raises: no reason of its own."""
    details = base64.b64encode(b"\n\x05" + words.encode() + b"\x12").decode()
    metadata = {"sip_status_code": str(code), "sip_status": "Decline", "error_details": details}
    return SipCallError(twirp, f"SIP call failed: {code}", status=403, metadata=metadata)


@pytest.mark.parametrize(
    ("error", "reached"),
    [
        (_newer(603, "permission_denied", "call transfer failed: sip status: 603: Decline"), True),
        (_newer(603, "permission_denied", "sip status: 603: Decline"), False),
        (_newer(486, "resource_exhausted", "call transfer failed: sip status: 486: Busy"), True),
        (_newer(486, "resource_exhausted", "sip status: 486: Busy Here"), False),
        (_newer(404, "not_found", "call transfer failed: sip status: 404: Not Found"), True),
        # Whoever said it, the number does not exist.
        (_newer(404, "not_found", "something new"), True),
    ],
)
def test_a_newer_server_tells_the_targets_answer_from_the_refusal(
    error: ServerError, reached: bool
) -> None:
    assert classify(error, "refer").target_reached is reached


def test_where_neither_is_certain_it_is_indeterminate() -> None:
    for code, twirp in ((603, "permission_denied"), (486, "resource_exhausted")):
        fault = classify(_newer(code, twirp, "something new"), "refer")
        assert (fault.status, fault.sip_code, fault.indeterminate) == (S.INDETERMINATE, code, True)


def test_details_that_cannot_be_read_are_no_certainty() -> None:
    error = _newer(603, "permission_denied", "")
    error.metadata["error_details"] = "%%%"
    assert classify(error, "refer").indeterminate
