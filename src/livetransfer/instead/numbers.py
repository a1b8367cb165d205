"""Numbers that a caller may be called back at: read from what a model writes, and read back."""

from __future__ import annotations

import re

from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, DestinationError
from livetransfer.guard.numbers import describe

__all__ = ["NoCallback", "callback_number", "digit_by_digit"]

# ITU-T E.164: fifteen digits at most; seven at least, so that no short code is taken for one.
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_BETWEEN = re.compile(r"[\s().\-/]+")


class NoCallback(ValueError):
    """A number at which nobody can be called back; its text says why, and what to do."""


def callback_number(written: str) -> str:
    """Return a number in E.164, as it is dialled.

    Args:
        written: What a model, or the network, has written.

    Raises:
        NoCallback: It is none, or a dear one.
    """
    number = _BETWEEN.sub("", written)
    if number.startswith("00"):
        number = "+" + number[2:]
    if not _E164.fullmatch(number):
        raise NoCallback(
            "That is not a number that can be called back: it needs the country code, with a plus "
            "in front, and seven to fifteen digits. Ask the caller for the whole number."
        )
    try:
        Destination(number)
        dear = _dear(number)
    except DestinationError:
        dear = "no number that can be dialled"
    if dear:
        raise NoCallback(f"That is {dear}, and is not called back. Ask the caller for another one.")
    return number


def _dear(number: str) -> str | None:
    """Return what is special about a number; None for an ordinary one, or where nobody knows."""
    try:
        found = describe(number)
    except ConfigurationError:  # without the extra "phone" nobody knows
        return None
    return None if found is None or found.startswith("an ordinary") else found


def digit_by_digit(number: str) -> str:
    """Return a number as it is read back: ``"plus 1, 5 5 5, 0 1 0, 0"``."""
    digits = number.lstrip("+")
    groups = [" ".join(digits[at : at + 3]) for at in range(0, len(digits), 3)]
    return ("plus " if number.startswith("+") else "") + ", ".join(groups)
