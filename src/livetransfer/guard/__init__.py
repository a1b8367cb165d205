"""Guard: what may be dialled."""

from __future__ import annotations

from livetransfer.stores.counters import Count, Counters

from .guard import Decision, DestinationGuard
from .limits import Admission, Limits

__all__ = ["Admission", "Count", "Counters", "Decision", "DestinationGuard", "Limits"]
