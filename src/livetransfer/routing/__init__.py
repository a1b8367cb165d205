"""Routing: who should take this call."""

from __future__ import annotations

from .department_opening import Kind, Opening
from .hours import Hours
from .member import Member
from .offer import Lease, Offer, Place, Wait
from .queue import Queue
from .router import Router, RouteRequest, Target
from .strategies import STRATEGIES, Candidate, Strategy
from .team import Team
from .team_status import MemberStatus, QueueStatus, TeamStatus
from .workforce_lookup import LookupCode

__all__ = [
    "STRATEGIES",
    "Candidate",
    "Hours",
    "Kind",
    "Lease",
    "LookupCode",
    "Member",
    "MemberStatus",
    "Offer",
    "Opening",
    "Place",
    "Queue",
    "QueueStatus",
    "RouteRequest",
    "Router",
    "Strategy",
    "Target",
    "Team",
    "TeamStatus",
    "Wait",
]
