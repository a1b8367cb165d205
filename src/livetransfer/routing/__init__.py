"""Routing: who should take this call."""

from __future__ import annotations

from .offer import Lease, Offer, Place, Wait
from .router import Router, RouteRequest, Target

__all__ = ["Lease", "Offer", "Place", "RouteRequest", "Router", "Target", "Wait"]
