"""Callbacks: promised calls, who keeps them, and who makes them."""

from .ledger import CallbackLedger, Promise
from .memory import MemoryCallbackStore
from .sql_store import SqlCallbackStore

__all__ = ["CallbackLedger", "MemoryCallbackStore", "Promise", "SqlCallbackStore"]
