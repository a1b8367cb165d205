"""Callbacks: promised calls, who keeps them, and who makes them."""

from livetransfer._flow.choose_control import LiveKitDispatcher
from livetransfer.callback_dispatch import CallbackDispatcher, RoomState

from .call_again import CallAgain
from .callback_events import (
    CallbackDispatched,
    CallbackEnded,
    CallbackEvent,
    CallbackNotTaken,
    CallbackRefused,
    CallbackTaken,
    CallerAnswered,
    CallerDialled,
)
from .calling_in import called_in
from .is_callback_job import callback_of
from .ledger import CallbackLedger, Promise
from .make_callback import make_callback
from .memory import MemoryCallbackStore
from .outcome import CallbackOutcome
from .runner import CallbackRunner
from .sql_store import SqlCallbackStore
from .words import CallbackBriefing

__all__ = [
    "CallAgain",
    "CallbackBriefing",
    "CallbackDispatched",
    "CallbackDispatcher",
    "CallbackEnded",
    "CallbackEvent",
    "CallbackLedger",
    "CallbackNotTaken",
    "CallbackOutcome",
    "CallbackRefused",
    "CallbackRunner",
    "CallbackTaken",
    "CallerAnswered",
    "CallerDialled",
    "LiveKitDispatcher",
    "MemoryCallbackStore",
    "Promise",
    "RoomState",
    "SqlCallbackStore",
    "callback_of",
    "called_in",
    "make_callback",
]
