"""Routing: who should take this call."""

from __future__ import annotations

from .offer import Lease, Offer, Place, Wait
from .opening import Kind, Opening
from .router import Router, RouteRequest, Target

__all__ = ["Kind", "Lease", "Offer", "Opening", "Place", "RouteRequest", "Router", "Target", "Wait"]
