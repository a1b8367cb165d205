"""Stores: what calls on several workers share: leases, presence, the line, and counts."""

from __future__ import annotations

from .counters import Count, Counters
from .memory import MemoryStore
from .port import Groups, StoreHealth, TeamStore
from .states import (
    IDLE,
    Grant,
    Held,
    LeasePhase,
    MemberState,
    Pause,
    Snapshot,
    Stale,
    Taken,
    Ticket,
    Usage,
    Waiting,
)

__all__ = [
    "IDLE",
    "Count",
    "Counters",
    "Grant",
    "Groups",
    "Held",
    "LeasePhase",
    "MemberState",
    "MemoryStore",
    "Pause",
    "Snapshot",
    "Stale",
    "StoreHealth",
    "Taken",
    "TeamStore",
    "Ticket",
    "Usage",
    "Waiting",
]
