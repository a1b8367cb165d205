"""The errors that livetransfer raises.

They are for what is refused *here*, before anything rings, and for faults of the call itself.
What the network answers (busy, declined, no answer) is not an error but a
[`TransferOutcome`][livetransfer.TransferOutcome].

    TransferError
    ├── DestinationError (also a ValueError)       the destination is not one
    │   ├── UnknownDestinationError                a name that is in no map
    │   └── DestinationNotAllowedError             outside `allowed=` or the guard's rules
    ├── ConfigurationError (also a ValueError)     an option is missing or contradicts another
    ├── CallerNotFoundError                        nobody, or too many, to transfer
    ├── TransferInProgressError                    a transfer of this call is already running
    ├── StoreUnavailableError                      a store of leases or counts does not answer
    ├── DispatchFailed                             no job could be given to a worker
    ├── TransferFailed (in `outcome`)              raised by TransferOutcome.raise_for_status()
    ├── WarmTransferError (also a ToolError)       a WarmTransferTask did not succeed
    └── CallControlError                           the telephony refused or failed
        ├── DialFailed
        ├── ReferFailed
        ├── BridgeFailed
        └── SealFailed
"""

from __future__ import annotations

from typing import Any

from livekit.agents import ToolError

from .status import TransferStatus

__all__ = [
    "BridgeFailed",
    "CallControlError",
    "CallerNotFoundError",
    "ConfigurationError",
    "DestinationError",
    "DestinationNotAllowedError",
    "DialFailed",
    "DispatchFailed",
    "ReferFailed",
    "SealFailed",
    "StoreUnavailableError",
    "TransferError",
    "TransferInProgressError",
    "UnknownDestinationError",
]


class TransferError(Exception):
    """The root of every error that livetransfer raises. All can be copied and pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(cls: type[TransferError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class DestinationError(TransferError, ValueError):
    """A destination, or one of its fields, cannot be dialled.

    Attributes:
        field: The name of the offending field, for example ``"address"``.
        value: The offending value, as it was given.
        remedy: What to do instead.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field = field
        self.value = value
        self.remedy = remedy
        super().__init__(f"{field}={value!r} cannot be used: {remedy}")


class UnknownDestinationError(DestinationError, ToolError):
    """A name is not a key of the map of destinations that the code gave.

    It may have come from a model, which is told of it and can name another.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        super().__init__(field, value, remedy)
        self._message = str(self)  # what a ToolError tells the model


class DestinationNotAllowedError(DestinationError):
    """A destination lies outside what ``allowed=`` or the guard permits; nothing was dialled."""


class ConfigurationError(TransferError, ValueError):
    """An option is missing, wrong, or contradicts another one.

    Attributes:
        field: The name of the option.
        value: The value it had.
        remedy: What to do instead.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field = field
        self.value = value
        self.remedy = remedy
        super().__init__(f"{field}={value!r}: {remedy}")


class CallerNotFoundError(TransferError):
    """The room has no caller, or several and none was named with ``caller=``."""


class TransferInProgressError(TransferError, ToolError):
    """A transfer of this call is already running; that one goes on.

    It may have been started by a model, which is told of it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self._message = message  # what a ToolError tells the model


class StoreUnavailableError(TransferError):
    """A store of leases, places or counts does not answer, or not in time.

    What it was asked to do may have been done or not. What it holds expires by itself.
    """


class DispatchFailed(TransferError):
    """A job could not be given to a worker; the message says why. It may be tried again."""


class CallControlError(TransferError):
    """The telephony refused or failed.

    Attributes:
        status: What it means for the transfer.
        sip_code: The final SIP response code (RFC 3261, section 21), where there was one.
        sip_reason: The reason phrase that came with it.
        indeterminate: Whether it is unknown what the far end did. Nothing may be repeated then.
    """

    def __init__(
        self,
        message: str,
        *,
        status: TransferStatus,
        sip_code: int | None = None,
        sip_reason: str | None = None,
        indeterminate: bool = False,
    ) -> None:
        self.status = status
        self.sip_code = sip_code
        self.sip_reason = sip_reason
        self.indeterminate = indeterminate
        super().__init__(message)


class DialFailed(CallControlError):
    """A leg could not be reached; its phone does not ring any more."""


class ReferFailed(CallControlError):
    """A REFER did not move the caller, who is still on the line.

    Attributes:
        target_reached: The target itself answered (a NOTIFY reported its final response), so
            dialling it again would ring the same person twice.
    """

    def __init__(
        self,
        message: str,
        *,
        status: TransferStatus,
        sip_code: int | None = None,
        sip_reason: str | None = None,
        indeterminate: bool = False,
        target_reached: bool = False,
    ) -> None:
        self.target_reached = target_reached
        super().__init__(
            message,
            status=status,
            sip_code=sip_code,
            sip_reason=sip_reason,
            indeterminate=indeterminate,
        )


class BridgeFailed(CallControlError):
    """Two legs could not be joined."""


class SealFailed(CallControlError):
    """A leg could not be kept apart from the caller, so it must not be spoken to."""
