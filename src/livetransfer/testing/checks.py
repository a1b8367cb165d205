"""Checks of what a simulation is told: what it does not know, it refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, TransferError

__all__ = ["check_addresses", "check_count", "check_keys", "check_one_of", "check_time"]

_KEYS = frozenset("0123456789ABCD*#")


def check_one_of(field: str, value: object, literal: Any) -> None:
    """Refuse a value that is not one of a `Literal`.

    Raises:
        ConfigurationError: It is another one.
    """
    known = get_args(literal)
    if value not in known:
        raise ConfigurationError(field, value, f"use one of {', '.join(map(repr, known))}")


def check_time(field: str, value: object, *, above: bool = False) -> None:
    """Refuse what is not a number of seconds, 0 or more; with `above`, more than 0.

    Raises:
        ConfigurationError: It is not.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf or (above and not value):  # type: ignore[operator]
        raise ConfigurationError(field, value, f"use seconds, {'more than 0' if above else '>= 0'}")


def check_count(field: str, value: object, low: int, high: int) -> None:
    """Refuse what is not a whole number from `low` to `high`.

    Raises:
        ConfigurationError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationError(field, value, f"use a whole number from {low} to {high}")


def check_keys(field: str, digits: object) -> None:
    """Refuse what a telephone has no keys for.

    Raises:
        ConfigurationError: It has none, or no key is given.
    """
    if not isinstance(digits, str) or not digits or not _KEYS.issuperset(digits):
        raise ConfigurationError(field, digits, "use keys of a telephone: 0-9, A-D, * and #")


def check_addresses(humans: Mapping[str, object]) -> None:
    """Refuse addresses that no `Destination` can have: nobody could ever be called there.

    Raises:
        ConfigurationError: One cannot be dialled.
    """
    for address in humans:
        try:
            Destination(address)
        except (TransferError, TypeError):
            try:
                Destination(address, kind="user")
            except (TransferError, TypeError) as error:
                raise ConfigurationError("humans", address, f"no address: {error}") from error
