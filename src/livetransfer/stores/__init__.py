"""Stores: what calls on several workers share: leases, presence, the line, and counts."""

from __future__ import annotations

from .counters import Count, Counters
from .local import LocalStore
from .memory import MemoryStore
from .port import Groups, StoreHealth, TeamStore
from .redis_store import RedisStore
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
    "LocalStore",
    "MemberState",
    "MemoryStore",
    "Pause",
    "RedisStore",
    "Snapshot",
    "Stale",
    "StoreHealth",
    "Taken",
    "TeamStore",
    "Ticket",
    "Usage",
    "Waiting",
]
