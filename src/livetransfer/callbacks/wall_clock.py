"""The time of day by which promised calls are due."""

from __future__ import annotations

from datetime import datetime, timezone

__all__ = ["now"]


def now() -> datetime:
    """Return this moment."""
    return datetime.now(timezone.utc)
