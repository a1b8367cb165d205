"""Callbacks: promised calls, who keeps them, and who makes them."""

from livetransfer._flow.adapter import LiveKitDispatcher
from livetransfer.callback_dispatch import CallbackDispatcher, RoomState

from .again import CallAgain
from .calling_in import called_in
from .happenings import (
    CallbackDispatched,
    CallbackEnded,
    CallbackEvent,
    CallbackNotTaken,
    CallbackRefused,
    CallbackTaken,
    CallerAnswered,
    CallerDialled,
)
from .job import callback_of
from .ledger import CallbackLedger, Promise
from .make import make_callback
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
