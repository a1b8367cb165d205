"""The status table of the design, row by row."""

from __future__ import annotations

import pytest

from livetransfer import TransferStatus
from livetransfer.sip_status_codes import status_for_sip
from livetransfer.status import RETRYABLE

ROWS = {
    TransferStatus.BUSY: [486, 600],
    TransferStatus.NO_ANSWER: [480, 408, 487],
    TransferStatus.DECLINED: [603],
    TransferStatus.INVALID_DESTINATION: [404, 410, 484, 604],
    TransferStatus.TRUNK_UNAVAILABLE: [401, 403, 407, 500, 502, 503, 504, 599],
    TransferStatus.FAILED: [400, 405, 420, 488, 491, 606, 699],
}


@pytest.mark.parametrize(
    ("code", "status"), [(code, status) for status, codes in ROWS.items() for code in codes]
)
def test_row(code: int, status: TransferStatus) -> None:
    assert status_for_sip(code) is status


def test_what_may_be_tried_again() -> None:
    assert {s.value for s in RETRYABLE} == {"busy", "no_answer", "trunk_unavailable"}


def test_it_is_a_string() -> None:
    assert TransferStatus("busy") is TransferStatus.BUSY
    assert str(TransferStatus.BUSY) == "busy"
    assert f"{TransferStatus.NO_ANSWER}" == "no_answer"
