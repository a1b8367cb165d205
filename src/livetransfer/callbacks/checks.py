"""Checks of what a store of promised calls is asked to keep."""

from __future__ import annotations

from datetime import datetime

from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.errors import ConfigurationError

__all__ = ["check_new", "check_window"]


def check_new(request: CallbackRequest, now: datetime) -> None:
    """Raise ConfigurationError where a request cannot be kept."""
    if request.status is not CallbackStatus.WAITING:
        raise ConfigurationError("status", str(request.status), "only a new request is added")
    if not request.number:
        raise ConfigurationError("number", request.number, "give a number to call")
    if request.not_after <= now:
        raise ConfigurationError("not_after", request.not_after, "this window is over")


def check_window(due: datetime, not_after: datetime, now: datetime) -> None:
    """Raise ConfigurationError where nothing can be made again in a window."""
    if not_after <= max(due, now):
        raise ConfigurationError("not_after", not_after, "give a window that is not over")
