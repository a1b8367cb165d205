"""Routing: who should take this call."""

from __future__ import annotations

from .hours import Hours
from .member import Member
from .offer import Lease, Offer, Place, Wait
from .opening import Kind, Opening
from .queue import Queue
from .router import Router, RouteRequest, Target
from .strategies import STRATEGIES, Candidate, Strategy

__all__ = [
    "STRATEGIES",
    "Candidate",
    "Hours",
    "Kind",
    "Lease",
    "Member",
    "Offer",
    "Opening",
    "Place",
    "Queue",
    "RouteRequest",
    "Router",
    "Strategy",
    "Target",
    "Wait",
]
