"""Called: what one phone, or one caller, is counted as, however it is written."""

from __future__ import annotations

import re
from urllib.parse import unquote

from livetransfer.destination import Destination

__all__ = ["called_key", "called_number", "caller_key"]

_BETWEEN = re.compile(r"[\s().\-_/]+")
_INTERNATIONAL = re.compile(r"(?:\+|00)([1-9][0-9]{4,14})\Z")
_NUMBER = re.compile(r"(?:\+|00)?([0-9]{2,20})\Z")
_SCHEME = re.compile(r"(?:sips?|tel):", re.IGNORECASE)
_USUAL_PORT = re.compile(r":506[01]\Z")
# What networks write where the caller withholds his number.
_WITHHELD = frozenset(("", "anonymous", "private", "restricted", "unavailable", "unknown"))


def called_number(destination: Destination) -> str | None:
    """Return the E.164 number that `destination` reaches, also as the user of a SIP URI."""
    return destination.number or _number(_user(destination.sip_user or ""))


def called_key(destination: Destination, trunk: bool) -> str:
    """Return what `destination` is counted as: one phone is one, however it is written.

    `trunk`: whether a SIP URI goes through a trunk, which dials its user alone.
    """
    number = called_number(destination)
    if number is not None:
        return number
    user = _user(destination.sip_user or "")
    if trunk or destination.sip_host is None:
        return user
    return f"{user}@{_USUAL_PORT.sub('', destination.sip_host.lower())}"


def caller_key(caller: str | None) -> str:
    """Return what a caller is counted as; "" for one who has no number.

    Networks write his number with a plus sign, with 00, with neither, or as a URI.
    """
    user = _user(_SCHEME.sub("", (caller or "").strip()).partition("@")[0])
    if user in _WITHHELD:
        return ""
    digits = _NUMBER.match(user)
    return digits[1] if digits else user


def _number(user: str) -> str | None:
    found = _INTERNATIONAL.match(user)
    return "+" + found[1] if found else None


def _user(written: str) -> str:
    """Return a user without its parameters; digits without what stands between them."""
    user = unquote(written).partition(";")[0].strip().lower()
    bare = _BETWEEN.sub("", user)
    return bare if bare.removeprefix("+").isdigit() else user
