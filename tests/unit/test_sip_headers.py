"""What may stand in a SIP header, and the headers that say for whom a call is made."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetransfer import DestinationError
from livetransfer.sip_headers import asserted_identity, check_headers, diversion, header_text


@pytest.mark.parametrize("name", ["To", "from", "VIA", "v", "Call-ID", "Content-Length", "Contact"])
def test_what_the_bridge_writes_itself_is_refused(name: str) -> None:
    with pytest.raises(DestinationError, match="the bridge writes"):
        check_headers({name: "x"})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x85b", "a\u2028b", "\x00", "\x7f"])
def test_no_value_begins_another_header(value: str) -> None:
    with pytest.raises(DestinationError):
        check_headers({"X-A": value})


@given(st.text(max_size=2000), st.integers(40, 400))
def test_a_header_text_is_one_short_line(text: str, longest: int) -> None:
    found = header_text(text, longest=longest)
    assert len(found) <= longest
    assert found.isascii()
    assert found.isprintable()
    assert found == found.strip()
    unquote(found, errors="strict")  # no character is cut in two
    check_headers({"X-Summary": found})


@given(st.text(alphabet="abü%ßЖ中 .", max_size=60))
def test_nothing_of_a_short_text_is_lost(text: str) -> None:
    assert unquote(header_text(text, longest=2000)) == " ".join(text.split())


def test_a_long_text_is_cut_between_words() -> None:
    assert header_text("Order 12,\nwas charged\ttwice") == "Order 12, was charged twice"
    cut = header_text("word " * 100)
    assert cut.endswith("word...")
    assert len(cut) <= 200
    assert header_text("ü" * 300) == "%C3%BC" * 32 + "..."
    assert header_text("100 % “sure” — für Ann") == '100 %25 "sure" - f%C3%BCr Ann'


def test_for_whom_a_call_is_made() -> None:
    assert asserted_identity("+15550100", "sip.example.com") == {
        "P-Asserted-Identity": "<sip:+15550100@sip.example.com>"
    }
    named = asserted_identity("+15550100", "sip.example.com:5061", name='Ann "A" \\ Lee')
    assert named["P-Asserted-Identity"] == (
        '"Ann \\"A\\" \\\\ Lee" <sip:+15550100@sip.example.com:5061>'
    )
    assert diversion("+15550100", "sip.example.com", reason="no-answer") == {
        "Diversion": "<sip:+15550100@sip.example.com>;reason=no-answer"
    }
    check_headers({**named, **diversion("+15550100", "10.0.0.1")})


@pytest.mark.parametrize(
    ("number", "host"),
    [
        ("15550100", "sip.example.com"),
        ("+1555>\r\nX: 1", "sip.example.com"),
        ("+15550100", "evil>;a=b"),
        ("+15550100", ""),
    ],
)
def test_what_would_leave_its_brackets_is_refused(number: str, host: str) -> None:
    with pytest.raises(DestinationError):
        asserted_identity(number, host)
    with pytest.raises(DestinationError):
        diversion(number, host)


def test_a_name_or_a_reason_cannot_begin_another_header() -> None:
    with pytest.raises(DestinationError):
        asserted_identity("+15550100", "example.com", name="a\r\nX: 1")
    with pytest.raises(DestinationError):
        diversion("+15550100", "example.com", reason="because")
