"""The transfer half of a LiveKit phone agent: hand a caller to a person, and never strand one."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ._flow.choose_control import caller_of, repair
from ._flow.options import TransferOptions
from ._prewarm import prewarm
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
    StoreUnavailableError,
    TransferError,
    TransferInProgressError,
    UnknownDestinationError,
)
from .events import (
    AttemptEnded,
    BriefingEnded,
    CallEnded,
    ComfortHeard,
    DestinationRefused,
    FallbackDecided,
    HoldEnded,
    HoldMusicProblem,
    HoldStarted,
    HookFailed,
    OfferDecided,
    OfferMade,
    Phase,
    PhaseChanged,
    PhoneAnswered,
    PhoneClassified,
    PhoneDialled,
    PhoneEnded,
    PhoneJoined,
    PhoneRang,
    Said,
    StoreChanged,
    SummaryWritten,
    TransferEnded,
    TransferEvent,
    TransferStarted,
    WaitingInQueue,
)
from .fallback import (
    Action,
    FallbackPolicy,
    GoTo,
    HangUp,
    Next,
    OfferCallback,
    On,
    Otherwise,
    Retry,
    ReturnToAgent,
    TakeMessage,
)
from .guard import DestinationGuard
from .hold import HoldMusicPlayer
from .media import Media
from .outcome import Attempt, CallEnd, EndedBy, TransferFailed, TransferOutcome
from .routing.department_opening import Opening
from .routing.router import Router, RouteRequest
from .status import TransferStatus
from .tools import TransferTools
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
    "BriefingEnded",
    "BriefingRequest",
    "CallControlError",
    "CallEnd",
    "CallEnded",
    "CallerNotFoundError",
    "ColdTransfer",
    "ComfortHeard",
    "ConfigurationError",
    "Destination",
    "DestinationError",
    "DestinationGuard",
    "DestinationNotAllowedError",
    "DestinationRefused",
    "DialFailed",
    "EndedBy",
    "FallbackDecided",
    "FallbackPolicy",
    "GoTo",
    "HangUp",
    "HoldEnded",
    "HoldMusicPlayer",
    "HoldMusicProblem",
    "HoldStarted",
    "HookFailed",
    "Media",
    "Next",
    "OfferCallback",
    "OfferDecided",
    "OfferMade",
    "On",
    "Opening",
    "Otherwise",
    "Phase",
    "PhaseChanged",
    "PhoneAnswered",
    "PhoneClassified",
    "PhoneDialled",
    "PhoneEnded",
    "PhoneJoined",
    "PhoneRang",
    "ReferFailed",
    "Retry",
    "ReturnToAgent",
    "RouteRequest",
    "Router",
    "Said",
    "SealFailed",
    "StoreChanged",
    "StoreUnavailableError",
    "SummaryWritten",
    "TakeMessage",
    "TransferEnded",
    "TransferError",
    "TransferEvent",
    "TransferFailed",
    "TransferInProgressError",
    "TransferOptions",
    "TransferOutcome",
    "TransferStarted",
    "TransferStatus",
    "TransferTools",
    "UnknownDestinationError",
    "Verdict",
    "WaitingInQueue",
    "WarmTransfer",
    "WarmTransferError",
    "WarmTransferFailure",
    "WarmTransferResult",
    "WarmTransferTask",
    "caller_of",
    "prewarm",
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
