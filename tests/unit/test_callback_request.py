"""A promised call, checked when it is made."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from livetransfer import ConfigurationError
from livetransfer.callback_request import CallbackRequest, CallbackStatus, CallbackStore

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)


def request(**other: Any) -> CallbackRequest:
    given: dict[str, Any] = {
        "id": "a",
        "number": "+15550100",
        "not_before": NOON,
        "not_after": NOON + timedelta(hours=1),
    }
    return CallbackRequest(**(given | other))


def test_it_waits_and_shows_no_number() -> None:
    made = request(reason="Call +15550123")
    assert made.status is CallbackStatus.WAITING
    assert "1555" not in repr(made)


@pytest.mark.parametrize(
    "wrong",
    [
        {"not_after": NOON},
        {"not_before": NOON.replace(tzinfo=None)},
        {"timezone": "Europe/Nowhere"},
        {"attempts": 0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_bad_ones(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        request(**wrong)


def test_a_store_is_what_can_keep_them() -> None:
    class Store:
        async def add(self, request: CallbackRequest) -> None: ...

    assert isinstance(Store(), CallbackStore)
    assert not isinstance(object(), CallbackStore)
