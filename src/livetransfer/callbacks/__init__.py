"""Callbacks: promised calls, who keeps them, and who makes them."""

from .ledger import CallbackLedger, Promise

__all__ = ["CallbackLedger", "Promise"]
