"""What an action is given: checked when it is made, not when a caller waits for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from zoneinfo import ZoneInfo

from livetransfer.callback_request import CallbackStore
from livetransfer.errors import ConfigurationError

__all__ = ["check_hours", "check_message_target", "check_store", "check_zone"]


def check_zone(name: object) -> ZoneInfo:
    """Return the time zone of that name.

    Raises:
        ConfigurationError: There is none.
    """
    try:
        if not isinstance(name, str):
            raise ValueError(name)
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigurationError(
            "timezone", name, 'name a time zone, such as "Europe/Berlin"'
        ) from error


def check_hours(hours: object) -> None:
    """See whether it can be asked for a moment.

    Raises:
        ConfigurationError: It cannot.
    """
    if hours is not None and not callable(getattr(hours, "open_at", hours)):
        raise ConfigurationError("hours", hours, "give an Hours, or a function of a datetime")


def check_store(store: object) -> None:
    """See whether it can keep a callback.

    Raises:
        ConfigurationError: It cannot.
    """
    if isinstance(store, type) or not isinstance(store, CallbackStore):
        raise ConfigurationError("store", store, "give a CallbackStore")


def check_message_target(to: object) -> None:
    """See whether a message can be given to it.

    Raises:
        ConfigurationError: It cannot.
    """
    if isinstance(to, type):
        raise ConfigurationError("to", to, "make one of it first")
    if isinstance(to, (str, os.PathLike)):
        if not os.fspath(to):
            raise ConfigurationError("to", to, "give the path of a folder")
        return
    deliver: Callable[..., object] | object = getattr(to, "deliver", to)
    if not callable(deliver):
        raise ConfigurationError(
            "to", to, "give a function of a message, a folder, or a MessageWebhook"
        )
