"""The transfer half of a LiveKit phone agent: hand a caller to a person, and never strand one."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ._flow.adapter import caller_of, repair
from .answer_class import AnswerClass
from .briefing import BriefingAgent, BriefingRequest, Verdict
from .cold import ColdTransfer
from .destination import Destination
from .errors import (
    BridgeFailed,
    CallControlError,
    CallerNotFoundError,
    ConfigurationError,
    DestinationError,
    DestinationNotAllowedError,
    DialFailed,
    ReferFailed,
    SealFailed,
    TransferError,
    TransferInProgressError,
    UnknownDestinationError,
)
from .events import (
    AttemptEnded,
    CallEnded,
    DestinationRefused,
    HoldMusicProblem,
    HookFailed,
    OfferMade,
    Phase,
    PhaseChanged,
    SummaryWritten,
    TransferEnded,
    TransferEvent,
    WaitingInQueue,
)
from .fallback.policy import Action, FallbackPolicy, HangUp, Next, Retry, ReturnToAgent
from .guard import DestinationGuard
from .hold import HoldMusicPlayer
from .media import Media
from .outcome import Attempt, CallEnd, EndedBy, TransferFailed, TransferOutcome
from .routing.router import Router, RouteRequest
from .status import TransferStatus
from .warm import WarmTransfer

if TYPE_CHECKING:
    from .task.warm_transfer_task import (
        WarmTransferError,
        WarmTransferFailure,
        WarmTransferResult,
        WarmTransferTask,
    )

__version__ = version("livetransfer")

__all__ = [
    "Action",
    "AnswerClass",
    "Attempt",
    "AttemptEnded",
    "BridgeFailed",
    "BriefingAgent",
    "BriefingRequest",
    "CallControlError",
    "CallEnd",
    "CallEnded",
    "CallerNotFoundError",
    "ColdTransfer",
    "ConfigurationError",
    "Destination",
    "DestinationError",
    "DestinationGuard",
    "DestinationNotAllowedError",
    "DestinationRefused",
    "DialFailed",
    "EndedBy",
    "FallbackPolicy",
    "HangUp",
    "HoldMusicPlayer",
    "HoldMusicProblem",
    "HookFailed",
    "Media",
    "Next",
    "OfferMade",
    "Phase",
    "PhaseChanged",
    "ReferFailed",
    "Retry",
    "ReturnToAgent",
    "RouteRequest",
    "Router",
    "SealFailed",
    "SummaryWritten",
    "TransferEnded",
    "TransferError",
    "TransferEvent",
    "TransferFailed",
    "TransferInProgressError",
    "TransferOutcome",
    "TransferStatus",
    "UnknownDestinationError",
    "Verdict",
    "WaitingInQueue",
    "WarmTransfer",
    "WarmTransferError",
    "WarmTransferFailure",
    "WarmTransferResult",
    "WarmTransferTask",
    "caller_of",
    "repair",
]

_OF_TASK = frozenset(
    {"WarmTransferError", "WarmTransferFailure", "WarmTransferResult", "WarmTransferTask"}
)


def __getattr__(name: str) -> Any:
    """Import the drop-in when it is asked for: its base class brings a package of its own."""
    if name in _OF_TASK:
        from . import task

        return getattr(task, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
