"""Routing: who should take this call."""

from __future__ import annotations

from .router import Router, RouteRequest, Target

__all__ = ["RouteRequest", "Router", "Target"]
