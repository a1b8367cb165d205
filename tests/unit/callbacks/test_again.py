"""When a caller is called again: in his window, in hours, and not too often."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetransfer.callback_request import CallbackStatus
from livetransfer.callbacks import CallAgain
from livetransfer.callbacks.attempt_result import End, later, not_now, not_reached
from livetransfer.callbacks.plan import Options, Plan
from livetransfer.errors import ConfigurationError
from livetransfer.outcome import TransferOutcome
from livetransfer.status import TransferStatus

from .kit import BEGAN, request

END = BEGAN + timedelta(hours=8)


class Shop:
    """Open for the first ten minutes of every hour."""

    def open_at(self, moment: datetime) -> bool:
        return moment.minute < 10

    def opens_after(self, moment: datetime) -> datetime:
        return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def plan(again: CallAgain | None = None, leave_message: str | None = None, **fields: Any) -> Plan:
    """Return how a callback is made that may be made for eight hours."""
    options = dict.fromkeys(Options.__dataclass_fields__)
    options["again"], options["leave_message"] = again or CallAgain(), leave_message
    return Plan(request(**fields), Options(**options))  # type: ignore[arg-type]


minutes = st.integers(0, 600).map(lambda n: BEGAN + timedelta(minutes=n))


@given(
    now=minutes,
    pauses=st.lists(st.floats(1, 4 * 3600), min_size=1, max_size=4),
    calls=st.integers(0, 6),
    attempts=st.integers(1, 5),
    unmanned=st.booleans(),
    shop=st.booleans(),
)
def test_never_outside_of_what_was_promised(
    *,
    now: datetime,
    pauses: list[float],
    calls: int,
    attempts: int,
    unmanned: bool,
    shop: bool,
) -> None:
    again = CallAgain(pauses=pauses, hours=Shop() if shop else None)
    asked = request(attempts=attempts)
    due = again.after(asked, calls=calls, unmanned=unmanned, now=now)
    if due is None:
        return
    assert now < due < asked.not_after
    assert calls < attempts
    assert not shop or Shop().open_at(due)


@pytest.mark.parametrize(("calls", "pause"), [(1, 10), (2, 20), (3, 30), (4, 30)])
def test_the_pauses_are_taken_in_their_order(calls: int, pause: int) -> None:
    again = CallAgain(pauses=[10, 20, 30])
    due = again.after(request(attempts=9), calls=calls, unmanned=False, now=BEGAN)
    assert due == BEGAN + timedelta(seconds=pause)


def test_for_want_of_a_human_the_pause_is_another() -> None:
    due = CallAgain(unmanned=45).after(request(), calls=0, unmanned=True, now=BEGAN)
    assert due == BEGAN + timedelta(seconds=45)


def test_hours_that_fail_hold_nobody_up() -> None:
    def broken(moment: datetime) -> bool:
        raise RuntimeError("no calendar")

    again = CallAgain(pauses=[10], hours=broken)
    assert again.after(request(), calls=1, unmanned=False, now=BEGAN) is not None
    assert plan(again).begins(BEGAN) == BEGAN


@pytest.mark.parametrize(
    "options",
    [{"pauses": []}, {"pauses": [0]}, {"unmanned": 0}, {"hours": "Mo-Fr"}],
    ids=str,
)
def test_what_cannot_be_used_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        CallAgain(**options)


def ended(status: TransferStatus, **options: Any) -> End:
    """Return what follows from a caller who was rung once with this result."""
    return not_reached(plan(**options), TransferOutcome(status), calls=1, now=BEGAN)


@pytest.mark.parametrize("status", list(TransferStatus))
def test_what_follows_each_status_of_the_caller(status: TransferStatus) -> None:
    expected = {
        TransferStatus.INDETERMINATE: CallbackStatus.INDETERMINATE,
        TransferStatus.INVALID_DESTINATION: CallbackStatus.FAILED,
    }
    assert ended(status).status is expected.get(status, CallbackStatus.WAITING)
    # With no attempt left nobody is called any more, whatever it was.
    last = ended(status, attempts=1).status
    assert last is expected.get(status, CallbackStatus.FAILED)


def test_a_message_on_the_mailbox_is_an_end() -> None:
    assert ended(TransferStatus.VOICEMAIL, leave_message="Hello.").status is CallbackStatus.DONE
    assert ended(TransferStatus.BUSY, leave_message="Hello.").status is CallbackStatus.WAITING


def test_the_reason_says_which_end_it_was() -> None:
    over = later(plan(), "busy", calls=1, now=END - timedelta(seconds=10))
    assert over.status is CallbackStatus.FAILED
    assert "the time in which the caller was to be called is over" in over.reason
    often = later(plan(), "busy", calls=3, now=BEGAN)
    assert "was called 3 times" in often.reason


@pytest.mark.parametrize(
    ("at", "status"),
    [
        (BEGAN + timedelta(minutes=5), None),
        (BEGAN + timedelta(minutes=20), CallbackStatus.WAITING),
        (END - timedelta(minutes=20), CallbackStatus.FAILED),
        (END + timedelta(minutes=5), CallbackStatus.FAILED),
    ],
)
def test_whether_it_may_be_made_now(at: datetime, status: CallbackStatus | None) -> None:
    found = not_now(plan(CallAgain(hours=Shop())), at)
    assert (found and found.status) is status
