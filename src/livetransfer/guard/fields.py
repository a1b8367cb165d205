"""Fields: what a destination may carry beside its address, where it comes from outside."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from operator import attrgetter

from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError

__all__ = ["FREE", "GUARDED", "Fields", "same"]

FREE = ("address", "kind", "krisp", "max_duration", "method", "name", "ring_timeout")
"""What changes neither who is reached, nor what is said to them, nor who pays."""

GUARDED = (
    *("caller_id", "country", "display_name", "dtmf", "headers", "include_headers", "media"),
    *("metadata", "own_number", "sip_connection", "summary_header", "to_user_override"),
    "trunk_id",
)
_BY_NAME_ONLY = ("sip_connection", "to_user_override")
# What an address means depends on them: without them it may reach somebody else.
_REACHES = ("sip_connection", "to_user_override", "trunk_id")
_all = attrgetter(*GUARDED)
_PLAIN = _all(Destination("+12025550100"))
# Those speak for nobody and route nothing (RFC 3261 knows none); all others do, or might.
_HEADERS = "x-*"
_LONGEST = 256
"""Characters of a header's value."""


class Fields:
    """Decides what a destination may carry.

    Args:
        fields: The names of those fields that it may; see `DestinationGuard`.

    Raises:
        ConfigurationError: One is no field, or by name only.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self._allowed = frozenset([fields] if isinstance(fields, str) else fields)
        for name in self._allowed:
            if name in _BY_NAME_ONLY:
                raise ConfigurationError("fields", name, "can only be allowed by name, in names=")
            if name not in GUARDED:
                raise ConfigurationError("fields", name, f"use some of {', '.join(GUARDED)}")

    def refusal(self, destination: Destination) -> str | None:
        """Return which field of `destination` is refused, and why; None if none is."""
        if _all(destination) == _PLAIN:
            return None
        for name in GUARDED:
            value = getattr(destination, name)
            if (value is None or (name == "headers" and not value)) and value != "":
                continue
            if name not in self._allowed:
                return f"{name}= may not come from outside"
        for header, text in destination.headers.items():
            if not fnmatch.fnmatchcase(header.lower(), _HEADERS):
                return f"the header {header} is reserved"
            if len(text) > _LONGEST or not text.isprintable():
                return f"the header {header} is too long, or not one line of text"
        if destination.summary_header is not None and not fnmatch.fnmatchcase(
            destination.summary_header.lower(), _HEADERS
        ):
            return f"the header {destination.summary_header} is reserved"
        return None


def same(destination: Destination, entry: Destination, trunk_id: str | None) -> bool:
    """Return whether `destination` says nothing but what `entry` says, and reaches whom it does.

    `trunk_id`: the trunk that is dialled through where `destination` names none.
    """
    for name in GUARDED:
        value, named = getattr(destination, name), getattr(entry, name)
        if name == "trunk_id" and named is not None:
            value = value or trunk_id
        if value != named and (name in _REACHES or value not in (None, {})):
            return False
    return True
