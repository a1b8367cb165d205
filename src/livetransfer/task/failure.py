"""What a WarmTransferTask raises, and which failure an outcome stands for."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from livekit import rtc
from livekit.agents import ToolError

from livetransfer.errors import TransferError
from livetransfer.outcome import TransferOutcome
from livetransfer.phases import Phase
from livetransfer.status import TransferStatus

if TYPE_CHECKING:
    from livetransfer.events import PhaseChanged

__all__ = ["WarmTransferError", "WarmTransferFailure", "error_from", "error_of"]


class WarmTransferFailure(str, Enum):
    """Why a [`WarmTransferTask`][livetransfer.WarmTransferTask] failed."""

    DECLINED = "declined"
    """The human said no, pressed the key for it, or rejected the call (603)."""
    VOICEMAIL = "voicemail"
    DESTINATION_LEFT = "destination_left"
    """The human hung up before being connected."""
    ROOM_CLOSED = "room_closed"
    """The connection to the call was lost, or the session is being closed."""
    DIAL_FAILED = "dial_failed"
    """Busy, no answer, no such number, no telephone line: `outcome.status` tells which."""
    TIMED_OUT = "timed_out"
    """The human did not decide in time, or the caller was on hold for too long."""
    CALLER_LEFT = "caller_left"
    INDETERMINATE = "indeterminate"
    """It is not known whether the human was reached."""
    BRIDGE_FAILED = "bridge_failed"
    """The human agreed, but the two could not be joined."""
    REFUSED = "refused"
    """Nothing was begun: another transfer of this call is running, or there is no caller."""
    CANCELLED = "cancelled"
    """The task's `cancel()` was called."""
    FAILED = "failed"
    """Anything else; the cause is chained."""

    def __str__(self) -> str:
        return self.value


class WarmTransferError(ToolError, TransferError):
    """A transfer by a [`WarmTransferTask`][livetransfer.WarmTransferTask] did not succeed.

    Its message is made for the LLM, as that of every ToolError; the error behind it, where there
    was one, is chained as its cause.

    Args:
        message: What the LLM is told.
        code: Why it failed.
        reason: More words: what the human said when declining, or what failed.
        disconnect_reason: Why the human's leg or the room was disconnected, where it was.
        call_status: Where the human's call stood, as LiveKit's ``sip.callStatus`` names it:
            ``"dialing"``, ``"ringing"``, ``"active"`` or ``"hangup"``.
        outcome: The outcome, with all it knows; None when nothing was begun.
    """

    def __init__(
        self,
        message: str,
        *,
        code: WarmTransferFailure,
        reason: str | None = None,
        disconnect_reason: rtc.DisconnectReason.ValueType | None = None,
        call_status: str | None = None,
        outcome: TransferOutcome | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.disconnect_reason = disconnect_reason
        self.call_status = call_status
        self.outcome = outcome


_CODES = {
    TransferStatus.DECLINED: WarmTransferFailure.DECLINED,
    TransferStatus.VOICEMAIL: WarmTransferFailure.VOICEMAIL,
    TransferStatus.HUMAN_LEFT: WarmTransferFailure.DESTINATION_LEFT,
    TransferStatus.TIMED_OUT: WarmTransferFailure.TIMED_OUT,
    TransferStatus.CALLER_LEFT: WarmTransferFailure.CALLER_LEFT,
    TransferStatus.INDETERMINATE: WarmTransferFailure.INDETERMINATE,
    TransferStatus.FAILED: WarmTransferFailure.FAILED,
}
_CALL_STATUS = {
    Phase.DIALLING: "dialing",
    Phase.RINGING: "ringing",
    Phase.BRIEFING: "active",
    Phase.BRIDGING: "active",
}
_WORDS = {
    # As livekit-agents words them, for code that looks for them.
    WarmTransferFailure.DECLINED: "human agent declined to connect",
    WarmTransferFailure.VOICEMAIL: "voicemail detected",
    WarmTransferFailure.DESTINATION_LEFT: "destination left",
    WarmTransferFailure.ROOM_CLOSED: "room closed",
    WarmTransferFailure.DIAL_FAILED: "could not dial human agent",
    WarmTransferFailure.TIMED_OUT: "human agent did not decide in time",
    WarmTransferFailure.CALLER_LEFT: "caller left",
    WarmTransferFailure.INDETERMINATE: "it is not known whether the human agent was reached",
    WarmTransferFailure.BRIDGE_FAILED: "could not connect human agent and caller",
}


def error_of(outcome: TransferOutcome, last: PhaseChanged | None) -> WarmTransferError:
    """Return the error that an outcome without success stands for.

    Args:
        outcome: The outcome.
        last: How the transfer left the phase in which it failed, if it got that far.
    """
    phase = last.old if last is not None else None
    code = _code(outcome, phase)
    status = _CALL_STATUS.get(phase) if phase is not None else None
    if outcome.status is TransferStatus.HUMAN_LEFT:
        status = "hangup"
    disconnected = _disconnect_reason(outcome.reason)
    reason = outcome.reason
    if disconnected is not None:
        reason = rtc.DisconnectReason.Name(disconnected)
    words = _WORDS.get(code, "the transfer failed")
    if reason and (code is WarmTransferFailure.DECLINED or disconnected is not None):
        words += f": {reason}"
    error = WarmTransferError(
        f"{words}. {outcome}",
        code=code,
        reason=outcome.reason,
        disconnect_reason=disconnected,
        call_status=status,
        outcome=outcome,
    )
    error.__cause__ = outcome.cause
    return error


def _code(outcome: TransferOutcome, phase: Phase | None) -> WarmTransferFailure:
    code = _CODES.get(outcome.status, WarmTransferFailure.DIAL_FAILED)
    if code is not WarmTransferFailure.FAILED:
        return code
    if outcome.cause is not None and not isinstance(outcome.cause, TransferError):
        return code
    if not outcome.caller_present:
        return WarmTransferFailure.ROOM_CLOSED
    if phase in (Phase.DIALLING, Phase.RINGING):
        return WarmTransferFailure.DIAL_FAILED
    return WarmTransferFailure.BRIDGE_FAILED if phase is Phase.BRIDGING else code


def _disconnect_reason(reason: str | None) -> rtc.DisconnectReason.ValueType | None:
    try:
        return rtc.DisconnectReason.Value((reason or "").upper())
    except ValueError:
        return None


def error_from(error: BaseException) -> WarmTransferError:
    """Return an error that came instead of an outcome, as one of this task."""
    if isinstance(error, WarmTransferError):
        return error
    refused = isinstance(error, TransferError)
    code = WarmTransferFailure.REFUSED if refused else WarmTransferFailure.FAILED
    failed = WarmTransferError(f"the transfer was not made: {error}", code=code, reason=str(error))
    failed.__cause__ = error
    return failed
