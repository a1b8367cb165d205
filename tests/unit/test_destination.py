"""What can be dialled, and what is refused before anything rings."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol.sip import SIPOutboundConfig

from livetransfer import (
    ConfigurationError,
    Destination,
    DestinationError,
    DestinationNotAllowedError,
    Media,
    TransferError,
)
from livetransfer.destination import check_allowed


@pytest.mark.parametrize(
    ("address", "kind", "user", "host", "transport"),
    [
        ("+15550100", "number", "+15550100", None, None),
        ("+442071838750", "number", "+442071838750", None, None),
        ("tel:+15550100", "uri", "+15550100", None, None),
        ("sip:100@pbx.example.com", "uri", "100", "pbx.example.com", None),
        ("sip:100@127.0.0.1:5070;transport=TCP", "uri", "100", "127.0.0.1:5070", "tcp"),
        ("sips:alice@example.com", "uri", "alice", "example.com", "tls"),
        ("sip:pbx.example.com", "uri", None, "pbx.example.com", None),
    ],
)
def test_what_an_address_is(
    address: str, kind: str, user: str | None, host: str | None, transport: str | None
) -> None:
    destination = Destination(address)
    assert destination.kind == kind
    assert destination.sip_user == user
    assert destination.sip_host == host
    assert destination.sip_transport == transport


@pytest.mark.parametrize(
    "address",
    [
        "",
        "   ",
        "5550100",
        "+1 555 0100",
        "+0555010099",
        "+1234567890123456",
        "100",
        "sales",
        "sip:",
        "sip:a b@example.com",
        "sip:100@example.com\r\nX-Evil: 1",
        "+15550100\n",
        "sip:user:password@example.com",
        "sip:100@example.com?Replaces=1",
        "sip:100@example.com:0",
        "sip:100@example.com:70000",
        "http://example.com",
        "tel:100",
        "+1٥٥٥٠١٠٠",
        "sip:100@example.com:٥٠٦٠",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(DestinationError) as caught:
        Destination(address)
    assert caught.value.field == "address"
    assert caught.value.value == address
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TransferError)


def test_a_plain_extension_has_to_be_meant() -> None:
    with pytest.raises(DestinationError, match='kind="user"'):
        Destination("100")
    assert Destination("100", kind="user").sip_user == "100"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", "Bob\r\nX: 1"),
        ("caller_id", "+1555\n"),
        ("name", ""),
        ("headers", {"X-A": "1\r\nX-B: 2"}),
        ("headers", {"X A": "1"}),
        ("headers", {"": "1"}),
        ("headers", {"X-A": 1}),
        ("headers", {1: "X-A"}),
        ("headers", "X-A: 1"),
        ("dtmf", "12p3"),
        ("ring_timeout", 0),
        ("ring_timeout", 601),
        ("ring_timeout", "30"),
        ("method", "blind"),
        ("kind", "user@"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(field: str, value: object) -> None:
    with pytest.raises(DestinationError, match=field):
        Destination("+15550100", **{field: value})  # type: ignore[arg-type]


@given(st.text(max_size=30))
def test_no_line_break_gets_into_a_header(text: str) -> None:
    try:
        destination = Destination("+15550100", display_name=text, headers={"X-Note": text})
    except DestinationError:
        return
    assert not set(text) & set("\r\n\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029") - {"\x85"}
    assert destination.headers["X-Note"] == text


def test_but_checks_again_and_reads_the_new_address() -> None:
    destination = Destination("+15550100", name="Ann")
    assert destination.but(address="sip:1@example.com").kind == "uri"
    assert destination.but(address="sip:1@example.com").name == "Ann"
    with pytest.raises(DestinationError):
        destination.but(address="nobody")


def test_headers_cannot_be_changed_behind_its_back() -> None:
    given_headers = {"X-A": "1"}
    destination = Destination("+15550100", headers=given_headers)
    given_headers["X-A"] = "2\r\n"
    assert destination.headers == {"X-A": "1"}
    with pytest.raises(TypeError):
        destination.headers["X-A"] = "3"  # type: ignore[index]


def test_allowed_narrows() -> None:
    inside, outside = Destination("+15550100"), Destination("+445550100")
    check_allowed([inside, outside], None)
    check_allowed([inside], ["+1*", "sip:*@pbx.example.com"])
    with pytest.raises(DestinationNotAllowedError, match=r"\+445550100"):
        check_allowed([inside, outside], ["+1*"])
    with pytest.raises(DestinationNotAllowedError):
        check_allowed([inside], lambda destination: False)


def test_a_predicate_that_is_async_allows_nothing() -> None:
    async def anybody(destination: Destination) -> bool:
        return True

    with pytest.raises(ConfigurationError, match="allowed"):
        check_allowed([Destination("+15550100")], anybody)  # type: ignore[arg-type]


def test_it_can_be_copied_and_sent_to_another_process() -> None:
    destination = Destination("+15550100", name="Ann", headers={"X-A": "1"})
    for copied in (copy.deepcopy(destination), pickle.loads(pickle.dumps(destination))):
        assert copied == destination
        assert copied.headers == {"X-A": "1"}
    connection = SIPOutboundConfig(hostname="pbx.example.com")
    assert copy.deepcopy(destination.but(sip_connection=connection)).sip_connection == connection


class Desk(Destination):
    def __init__(self, extension: str) -> None:
        super().__init__(address=f"sip:{extension}@pbx.example.com", headers={"X-Desk": extension})


@dataclass(frozen=True)
class Skilled(Destination):
    skill: str = ""
    key: str = field(init=False, default="k")


@pytest.mark.parametrize("made", [Desk("100"), Skilled("+15550100", skill="French")])
def test_a_subclass_of_destination_can_be_copied_and_pickled(made: Destination) -> None:
    for same in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert same == made
        assert type(same) is type(made)
        with pytest.raises(TypeError):
            same.headers["X"] = "y"  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to_user_override", "a b"),
        ("to_user_override", ""),
        ("media", {"encryption": "require"}),
        ("country", "Germany"),
        ("country", "de"),
        ("krisp", "yes"),
        ("max_duration", 0),
        ("max_duration", "600"),
        ("metadata", ""),
        ("include_headers", "X-*"),
        ("summary_header", "X Summary"),
        ("summary_header", "To"),
        ("headers", {"Via": "SIP/2.0/UDP 10.0.0.1"}),
        ("address", "+1" + "5" * 10_000),
    ],
)
def test_a_detail_of_the_dial_that_cannot_be_used_is_named(field: str, value: object) -> None:
    with pytest.raises(DestinationError, match=field):
        Destination(**{"address": "+15550100", field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encryption", "srtp"),
        ("codecs", "PCMA"),
        ("codecs", ["PCMA/x"]),
        ("codecs", [8]),
        ("media_timeout", 0),
    ],
)
def test_a_medium_that_cannot_be_used_is_named(field: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=field):
        Media(**{field: value})  # type: ignore[arg-type]


def test_an_empty_display_name_is_none_and_all_details_survive_a_copy() -> None:
    said = Destination(
        "+15550100",
        display_name="",
        media=Media(codecs=["PCMA"]),
        country="DE",
        summary_header="X-Transfer-Summary",
    )
    assert said.display_name == ""
    assert said.media == Media(codecs=("PCMA",))
    assert pickle.loads(pickle.dumps(said)) == copy.deepcopy(said) == said
    assert hash(said) == hash(said.but(name=None))
