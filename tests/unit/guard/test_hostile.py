"""Hostile destinations: nothing passes that the rules do not name, and nothing raises.

What passes is judged by a second reading of the rules, which shares no code with the guard.
"""

from __future__ import annotations

import string

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from livetransfer import Destination, DestinationError, DestinationNotAllowedError
from livetransfer.guard import DestinationGuard

NAMES = {"reception": "sip:100@pbx.example.com", "hotline": "+12025550199"}
COUNTRIES = ["DE", "GB", "US"]
PREFIXES = ["+3314"]
HOSTS = ["pbx.example.com", "voice.example.org"]
EXTENSIONS = "desk.example.com"
GUARD = DestinationGuard(
    names=NAMES,
    countries=COUNTRIES,
    prefixes=PREFIXES,
    domains=[*HOSTS, f"1???@{EXTENSIONS}", f"9*@{EXTENSIONS}"],
)
ORDINARY = {
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    phonenumbers.PhoneNumberType.TOLL_FREE,
    phonenumbers.PhoneNumberType.VOIP,
}
DIGITS = set(string.digits)
EMERGENCY = ("110", "112", "911", "999")


def number_is_named(number: str) -> bool:
    if not number.startswith("+") or not set(number[1:]) <= DIGITS:
        return False
    parsed = phonenumbers.parse(number, None)
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number
    ordinary = phonenumbers.number_type(parsed) in ORDINARY
    country = phonenumbers.region_code_for_number(parsed)
    return written and ordinary and (country in COUNTRIES or number.startswith(tuple(PREFIXES)))


def is_named(text: str) -> bool:
    """Whether the rules name `text`, read again by hand."""
    if text in NAMES or text in NAMES.values():
        return True
    scheme, _, rest = text.partition(":")
    if not rest:
        return number_is_named(text)
    if scheme.lower() == "tel":
        return number_is_named(rest)
    if scheme.lower() not in ("sip", "sips") or rest.count("@") != 1:
        return False
    user, _, place = rest.partition("@")
    host, *params = place.split(";")
    host, _, port = host.partition(":")
    if host.lower() not in (*HOSTS, EXTENSIONS) or port not in ("", "5060", "5061"):
        return False
    if any(not p.lower().startswith(("transport=", "user=")) for p in params):
        return False
    if user.startswith("+"):
        return number_is_named(user)
    if not user or not set(user) <= set(string.ascii_letters + string.digits + "-._"):
        return False
    bare = user.replace("-", "").replace(".", "").replace("_", "")
    if host.lower() != EXTENSIONS:
        return not set(bare) <= DIGITS
    if not (user[0] == "9" or (user[0] == "1" and len(user) == 4)):
        return False
    # 112, 911 and the like may have more digits behind them.
    inner = bare.lstrip("9")
    emergency = any(f"9{inner}".startswith(n) or inner.startswith(n) for n in EMERGENCY)
    return not set(bare) <= DIGITS or (len(bare) <= 6 and not emergency)


HOMOGLYPHS = str.maketrans(
    {"e": "е", "a": "а", "o": "о", "p": "р", "x": "х", "c": "с", "1": "１", "0": "٠", ".": "。"}
)
numbers = st.one_of(
    st.from_regex(r"\+(49|44|1|33|33899|4490|881|979|870|1876|7)[0-9]{4,12}", fullmatch=True),
    st.sampled_from(
        [
            phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
            for country in ("DE", "GB", "US", "FR", "JM", "CU")
            for kind in phonenumbers.PhoneNumberType.values()
            if (found := phonenumbers.example_number_for_type(country, kind)) is not None
        ]
    ),
)
users = st.one_of(
    numbers,
    st.sampled_from(
        [
            "ann",
            "sales",
            "2001",
            "100",
            "112",
            "1120",
            "1234",
            "9911",
            "91-10",
            "91234",
            "0044901234",
            "*21*1#",
            "%31",
        ]
    ),
    st.from_regex(r"[0-9A-Za-z._\-%*+;,=&$/]{1,12}", fullmatch=True),
)
hosts = st.sampled_from(
    [
        *HOSTS,
        EXTENSIONS,
        "PBX.EXAMPLE.COM",
        "pbx.example.com.",
        "pbx.example.com:22",
        "pbx.example.com.evil.net",
        "evilpbx.example.com",
        "xn--pbx-9la.example.com",
        "pbх.example.com",
        "127.0.0.1",
        "[::1]",
        "pbx.example.com@evil.net",
        "evil.net",
    ]
)
PARAMS = (
    *("phone-context=+44", "transport=udp", "transport=ws", "maddr=evil.net", "lr", "user=phone"),
    *("ext=9", "isub=1", "method=REFER", "?Replaces=1", "ttl=1", "x=%0d%0aX:1"),
)
params = st.lists(st.sampled_from(PARAMS), max_size=3).map(
    lambda some: "".join(f";{p}" for p in some)
)
uris = st.builds(
    lambda scheme, user, host, tail: f"{scheme}{user}@{host}{tail}",
    st.sampled_from(["sip:", "sips:", "SIP:", "sip://", "sip: "]),
    users,
    hosts,
    params,
)
plain = st.one_of(
    numbers,
    uris,
    st.builds(lambda n, tail: f"tel:{n}{tail}", numbers, params),
    st.sampled_from([*NAMES, *NAMES.values()]),
    st.text(max_size=60),
)


@st.composite
def hostile(draw: st.DrawFn) -> str:
    """A destination that somebody has tampered with, or not."""
    text = draw(plain)
    for trick in draw(st.lists(st.sampled_from("uswpqidln"), max_size=2)):
        at = draw(st.integers(0, len(text)))
        match trick:
            case "u":
                text = text.translate(HOMOGLYPHS)
            case "s":
                text = (
                    text[:at] + draw(st.sampled_from(" \t\r\n\x0b\u00a0\u200b\u2028")) + text[at:]
                )
            case "w":
                text = text[:at] + text[at : at + 1].swapcase() + text[at + 1 :]
            case "p":
                text = text[:at] + "".join(f"%{ord(c):02X}" for c in text[at : at + 3])
            case "q":
                text = (
                    text[:at]
                    + draw(st.sampled_from([",", ";", "?", "#", "&", "@", "\x00"]))
                    + text[at:]
                )
            case "i":
                text = (
                    text[:at] + draw(st.sampled_from(["00", "011", "9", "0", "*31#"])) + text[at:]
                )
            case "d":
                text = text + text
            case "l":
                text = text[:at] + draw(st.sampled_from("0159a")) * 10_000 + text[at:]
            case _:
                text = text[:at] + text[at + 1 :]
    return text


@given(hostile())
@example("tel:+493012345678;phone-context=evil.net")
@example("sip:112@pbx.example.com")
@example("sip:9-911@desk.example.com")
@example("sip:1120@desk.example.com")
@example("+4409012345678")
@example("reсeption")
def test_nothing_passes_that_no_rule_names(text: str) -> None:
    decision = GUARD.decide(text)
    if decision.allowed:
        assert is_named(text), decision
    else:
        with pytest.raises(DestinationNotAllowedError) as caught:
            GUARD.check(text)
        assert len(str(caught.value)) < 1000
    assert GUARD.explain(text)


@given(hostile(), st.sampled_from(["auto", "user", "number", "uri"]))
def test_nor_as_a_destination_of_any_kind(text: str, kind: str) -> None:
    try:
        destination = Destination(text, kind=kind)  # type: ignore[arg-type]
    except DestinationError:
        return
    if GUARD.decide(destination).allowed:
        assert destination.kind != "user"
        assert is_named(text)


@given(numbers)
def test_what_the_rules_name_passes(number: str) -> None:
    assert GUARD.decide(number).allowed == is_named(number)


FIELDS = {
    "caller_id": st.text(min_size=1, max_size=20),
    "display_name": st.text(max_size=20),
    "dtmf": st.text("0123456789*#w", min_size=1, max_size=8),
    "headers": st.dictionaries(
        st.sampled_from(["X-A", "Diversion", "P-Asserted-Identity", "Replaces", "x-b"]),
        st.text(max_size=10),
        min_size=1,
    ),
    "to_user_override": st.from_regex(r"[0-9+]{1,12}", fullmatch=True),
    "trunk_id": st.text(min_size=1, max_size=20),
    "metadata": st.text(min_size=1, max_size=20),
    "summary_header": st.sampled_from(["X-Summary", "Diversion"]),
}


@given(st.sampled_from(sorted(FIELDS)).flatmap(lambda name: st.tuples(st.just(name), FIELDS[name])))
def test_nothing_rides_along(carried: tuple[str, object]) -> None:
    name, value = carried
    try:
        destination = Destination("+493012345678").but(**{name: value})
    except DestinationError:
        return
    assert not GUARD.decide(destination).allowed
    allowing = DestinationGuard(
        countries=["DE"], fields=[] if name == "to_user_override" else [name]
    )
    if allowing.decide(destination).allowed:
        assert all(header.lower().startswith("x-") for header in destination.headers)
        assert (destination.summary_header or "x-").lower().startswith("x-")
        assert destination.to_user_override is None
