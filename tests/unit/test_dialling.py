"""What a run adds to a destination: the caller's number, a summary; and what a 403 changes."""

from __future__ import annotations

import pytest

from livetransfer import Destination, DialFailed, TransferStatus
from livetransfer.dialling import completed, dial_again
from livetransfer.sip_headers import asserted_identity, diversion

PLAIN = Destination("+15550100", name="Ann")
AS_THE_CALLER = PLAIN.but(caller_id="caller")


def refused(code: int | None, *, indeterminate: bool = False) -> DialFailed:
    return DialFailed(
        "no", status=TransferStatus.FAILED, sip_code=code, indeterminate=indeterminate
    )


def test_nothing_is_added_that_was_not_asked_for() -> None:
    assert completed(PLAIN, caller_number="+15550199", summary="A summary.") is PLAIN


@pytest.mark.parametrize("number", ["+15550199", "4930123456"])
def test_the_callers_own_number_is_shown(number: str) -> None:
    assert completed(AS_THE_CALLER, caller_number=number).caller_id == number


@pytest.mark.parametrize(
    "number", [None, "", "anonymous", "caller", "+1555\r\nX: 1", "1" * 5000, "+", "sip:a@b", "٥٥٥"]
)
def test_what_is_no_number_is_not_shown(number: str | None) -> None:
    assert completed(AS_THE_CALLER, caller_number=number).caller_id is None


def test_the_summary_is_one_short_line_beside_the_other_headers() -> None:
    wanted = PLAIN.but(headers={"X-Queue": "a"}, summary_header="X-Transfer-Summary")
    done = completed(wanted, summary="Order 12.\r\nX-Evil: 1\n" + "and so on " * 100)
    assert done.headers["X-Queue"] == "a"
    assert done.headers["X-Transfer-Summary"].startswith("Order 12. X-Evil: 1 and so on")
    assert len(done.headers["X-Transfer-Summary"]) <= 200
    assert completed(wanted, summary=" \n ").headers == {"X-Queue": "a"}
    assert completed(wanted).headers == {"X-Queue": "a"}


def test_a_header_names_the_caller_or_is_left_out() -> None:
    headers = asserted_identity("caller", "sip.example.com") | diversion(
        "+15550123", "sip.example.com"
    )
    wanted = PLAIN.but(headers=headers)
    assert completed(wanted, caller_number="+15550199").headers["P-Asserted-Identity"] == (
        "<sip:+15550199@sip.example.com>"
    )
    for number in (None, "anonymous", "+1\r\nX: 1", "caller"):
        assert set(completed(wanted, caller_number=number).headers) == {"Diversion"}


def test_a_trunk_that_refuses_the_callers_number_is_asked_once_more_with_its_own() -> None:
    again = dial_again(AS_THE_CALLER, refused(403), rang=False)
    assert again == PLAIN
    assert dial_again(again, refused(403), rang=False) is None


@pytest.mark.parametrize(
    ("destination", "error", "rang"),
    [
        (AS_THE_CALLER, refused(403), True),
        (AS_THE_CALLER, refused(603), False),
        (AS_THE_CALLER, refused(None), False),
        (AS_THE_CALLER, refused(403, indeterminate=True), False),
        (PLAIN, refused(403), False),
        (PLAIN.but(caller_id="+15550111"), refused(403), False),
    ],
    ids=["it rang", "declined", "no code", "unclear", "the trunk's", "a number of its own"],
)
def test_nothing_else_is_dialled_again(
    destination: Destination, error: DialFailed, rang: bool
) -> None:
    assert dial_again(destination, error, rang=rang) is None
