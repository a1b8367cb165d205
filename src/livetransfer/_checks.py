"""Checks of the options that several classes share."""

from __future__ import annotations

from typing import Any, get_args

from .errors import ConfigurationError

__all__ = [
    "check_choice",
    "check_count",
    "check_key",
    "check_listener",
    "check_seconds",
    "check_text",
]


def check_seconds(name: str, value: object, low: float, high: float) -> float:
    """Return `value` if it is a number of seconds between `low` and `high`.

    Raises:
        ConfigurationError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigurationError(name, value, f"use {low:g} to {high:g} seconds")
    return float(value)


def check_count(name: str, value: object, low: int, high: int) -> int:
    """Return `value` if it is a whole number between `low` and `high`.

    Raises:
        ConfigurationError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigurationError(name, value, f"use a whole number from {low} to {high}")
    return value


def check_listener(name: str, value: Any) -> Any:
    """Return `value` if it can be called, or is None.

    Raises:
        ConfigurationError: It is neither.
    """
    if value is not None and not callable(value):
        raise ConfigurationError(name, value, "give a function that takes an event")
    return value


def check_text(name: str, value: object) -> str | None:
    """Return `value` if it is a text, None if it is None or blank.

    Raises:
        ConfigurationError: It is something else.
    """
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(name, value, "give a text, or leave it out")
    return value if value and value.strip() else None


def check_key(name: str, value: object) -> str | None:
    """Return `value` if it is a key of a phone, or None.

    Raises:
        ConfigurationError: It is neither.
    """
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != 1 or value not in "0123456789*#ABCD":
        raise ConfigurationError(name, value, "use one of 0-9, A-D, * and #, or None")
    return value


def check_choice(name: str, value: object, choices: Any) -> Any:
    """Return `value` if it is one of the values of the Literal `choices`.

    Raises:
        ConfigurationError: It is not.
    """
    allowed = get_args(choices)
    if value not in allowed:
        raise ConfigurationError(name, value, "use " + " or ".join(f'"{c}"' for c in allowed))
    return value
