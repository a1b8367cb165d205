"""What the guard's rules name is allowed, and nothing else."""

from __future__ import annotations

import sys

import phonenumbers
import pytest
from livekit.protocol.sip import SIPOutboundConfig

from livetransfer import (
    ConfigurationError,
    Destination,
    DestinationError,
    DestinationNotAllowedError,
    Media,
    Router,
)
from livetransfer.guard import DestinationGuard
from livetransfer.guard import numbers as numbers_module

RECEPTION = Destination("100", kind="user", dtmf="1", headers={"Diversion": "<sip:+49301@a.b>"})
GUARD = DestinationGuard(
    names={
        "reception": RECEPTION,
        "police": "sip:110@pbx.example.com",
        "lawyers": ["+88213123456", "+12025550199"],
    },
    countries=["DE", "GB", "US"],
    prefixes=["+3314"],
    domains=[
        *("pbx.example.com", "2???@pbx.example.com", "*.branch.example.com", "[::1]"),
        *(f"{users}@desk.example.net:5070" for users in ("2??", "1*", "9*", "0*", "112")),
    ],
)


@pytest.mark.parametrize(
    "destination",
    [
        "+493012345678",
        "+4915123456789",
        "+442079460123",
        "+12025550123",
        "+18002255288",
        "+33142685300",
        "tel:+493012345678",
        "sip:sales@pbx.example.com",
        "SIP:sales@PBX.example.com:5060;transport=tls",
        "sips:sales@pbx.example.com",
        "sip:2001@pbx.example.com",
        "sip:+493012345678@pbx.example.com;user=phone",
        "sip:ann@berlin.branch.example.com",
        "sip:201@desk.example.net:5070",
        "sip:1234@desk.example.net:5070",
        "sip:112@desk.example.net:5070",
        "sip:ann@[::1]",
        "reception",
        "lawyers",
        "+88213123456",
        RECEPTION,
        Destination("100", kind="user"),
        Destination("+493012345678", name="Ann", ring_timeout=20, method="refer", max_duration=60),
    ],
    ids=str,
)
def test_what_a_rule_names_is_allowed(destination: str | Destination) -> None:
    assert GUARD.decide(destination).allowed, GUARD.explain(destination)
    assert all(isinstance(found, Destination) for found in GUARD.check(destination))


@pytest.mark.parametrize(
    ("destination", "because"),
    [
        ("+449012345678", "premium-rate"),
        ("+448431234567", "premium-rate"),
        ("+491801234567", "shared-cost"),
        ("+447012345678", "personal number"),
        ("+449001234567899", "no number in use"),
        ("+4409012345678", "no number in use"),
        ("+19005551234", "premium-rate"),
        ("+33899123456", "no rule names numbers of"),
        ("+393331234567", "no rule names numbers of"),
        ("+441481234567", "no number in use of GB"),
        ("+18765551234", "no number in use of US"),
        ("+881612345678", "satellite"),
        ("+870773123456", "satellite"),
        ("+88216123456", "satellite"),
        ("+979123456789", "premium-rate"),
        ("+80012345678", "freephone"),
        ("+99912345678", "no country"),
        ("tel:+449012345678", "premium-rate"),
        ("tel:+493012345678;phone-context=+44", "parameter"),
        ("tel:+493012345678;ext=9", "parameter"),
        ("sip:+449012345678@pbx.example.com", "premium-rate"),
        ("sip:00449012345678@pbx.example.com", "plus sign"),
        ("sip:0044-901-234-5678@pbx.example.com", "plus sign"),
        ("sip:110@pbx.example.com;transport=udp", "no rule names this user"),
        ("sip:112@pbx.example.com", "no rule names this user"),
        ("sip:0112@pbx.example.com", "no rule names this user"),
        ("sip:1-1-2@pbx.example.com", "no rule names this user"),
        ("sip:11880@pbx.example.com", "no rule names this user"),
        ("sip:100@pbx.example.com", "no rule names this user"),
        ("sip:3001@pbx.example.com", "no rule names this user"),
        ("sip:0@pbx.example.com", "no rule names this user"),
        ("sip:2001@berlin.branch.example.com", "no rule names this user"),
        ("sip:2--@desk.example.net:5070", "no rule names this user"),
        ("sip:2-1@desk.example.net:5070", "no rule names this user"),
        ("sip:2-01@desk.example.net:5070", "no rule names this user"),
        ("sip:2..@desk.example.net:5070", "no rule names this user"),
        ("sip:2a-@desk.example.net:5070", "no rule names this user"),
        ("sip:2a_b@desk.example.net:5070", "no rule names this user"),
        ("sip:110@desk.example.net:5070", "short code"),
        ("sip:1-1-0@desk.example.net:5070", "short code"),
        ("sip:1120@desk.example.net:5070", "short code"),
        ("sip:11880@desk.example.net:5070", "short code"),
        ("sip:118118@desk.example.net:5070", "short code"),
        ("sip:9911@desk.example.net:5070", "short code"),
        ("sip:99911@desk.example.net:5070", "short code"),
        ("sip:0112@desk.example.net:5070", "short code"),
        ("sip:00112@desk.example.net:5070", "short code"),
        ("sip:909112@desk.example.net:5070", "short code"),
        ("sip:911880@desk.example.net:5070", "short code"),
        ("sip:011880@desk.example.net:5070", "short code"),
        ("sip:+112@desk.example.net:5070", "characters"),
        ("sip:112;phone-context=+49@desk.example.net:5070", "characters"),
        ("sip:%31%31%32@pbx.example.com", "characters"),
        ("sip:ann;phone-context=x@pbx.example.com", "characters"),
        ("sip:+493012345678,,9@pbx.example.com", "characters"),
        ("sip:*21*+4490123#@pbx.example.com", "no destination"),
        ("sip:ann@pbx.example.com;maddr=192.0.2.1", "parameter"),
        ("sip:ann@pbx.example.com;transport=ws", "parameter"),
        ("sip:ann@pbx.example.com;lr;transport=udp", "parameter"),
        ("sip:ann@pbx.example.com:6379", "no rule names the host"),
        ("sip:ann@branch.example.com", "no rule names the host"),
        ("sip:ann@evilbranch.example.com", "no rule names the host"),
        ("sip:ann@pbx.example.com.evil.net", "no rule names the host"),
        ("sip:ann@xn--pbx-fake.example.com", "no rule names the host"),
        ("sip:ann@127.0.0.1", "no rule names the host"),
        ("sip:201@desk.example.net", "no rule names the host"),
        ("sip:301@desk.example.net:5070", "no rule names this user"),
        ("sip:ann@desk.example.net:5070", "no rule names this user"),
        ("sip:pbx.example.com", "names nobody"),
        ("sip:ann@pbx.example.com.", "no destination"),
        ("sip:ann@рbx.example.com", "no destination"),
        ("+49 30 12345678", "no destination"),
        ("+４９3012345678", "no destination"),
        ("+493012345678\n", "no destination"),
        ("rеception", "no destination"),
        ("+1" + "5" * 10_000, "longer than"),
        (Destination("112", kind="user"), "by name only"),
        (Destination("+493012345678", kind="user"), "by name only"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_no_rule_names_is_refused(destination: str | Destination, because: str) -> None:
    assert because in GUARD.explain(destination)
    with pytest.raises(DestinationNotAllowedError, match="nothing was dialled"):
        GUARD.check(destination)


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"headers": {"X-Queue": "a"}}, "headers="),
        ({"display_name": "Your bank"}, "display_name="),
        ({"display_name": ""}, "display_name="),
        ({"dtmf": "1"}, "dtmf="),
        ({"caller_id": "+15550100"}, "caller_id="),
        ({"caller_id": "caller"}, "caller_id="),
        ({"trunk_id": "ST_dear"}, "trunk_id="),
        ({"sip_connection": SIPOutboundConfig(hostname="evil.net")}, "sip_connection="),
        ({"to_user_override": "+449012345678"}, "to_user_override="),
        ({"media": Media(encryption="disable")}, "media="),
        ({"country": "CU"}, "country="),
        ({"metadata": "x"}, "metadata="),
        ({"include_headers": "all"}, "include_headers="),
        ({"summary_header": "X-A"}, "summary_header="),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_an_outside_destination_carries_is_refused(
    changes: dict[str, object], because: str
) -> None:
    assert because in GUARD.explain(Destination("+493012345678").but(**changes))


def test_a_named_destination_carries_what_it_was_given_and_nothing_else() -> None:
    assert GUARD.decide(RECEPTION.but(name="R")).allowed
    assert not GUARD.decide(RECEPTION.but(dtmf="2")).allowed
    assert not GUARD.decide(RECEPTION.but(headers={"X-A": "1"})).allowed
    assert not GUARD.decide(RECEPTION.but(trunk_id="ST_dear")).allowed
    assert not GUARD.decide(Destination("sip:110@pbx.example.com", dtmf="1")).allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"trunk_id": "ST_own"},
        {"sip_connection": SIPOutboundConfig(hostname="pbx.example.com")},
        {"to_user_override": "200"},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("kind", ["user", "uri"])
def test_a_named_destination_is_not_allowed_without_what_says_whom_it_reaches(
    kind: str, changes: dict[str, object]
) -> None:
    bare = Destination("100", kind="user") if kind == "user" else Destination("sip:100@a.example")
    named = bare.but(kind=bare.kind, **changes)
    guard = DestinationGuard(names={"reception": named})
    assert guard.decide(named).allowed
    assert not guard.decide(bare).allowed
    assert not guard.decide(bare, trunk_id="ST_dear").allowed
    assert not guard.decide(bare.but(kind=bare.kind, trunk_id="ST_dear")).allowed


def test_a_named_destinations_trunk_may_be_that_of_the_transfer() -> None:
    guard = DestinationGuard(names=[Destination("100", kind="user", trunk_id="ST_own")])
    assert guard.decide(Destination("100", kind="user"), trunk_id="ST_own").allowed
    assert guard.decide(Destination("100", kind="user", trunk_id="ST_own"), trunk_id="ST_b").allowed


def test_fields_that_may_come_from_outside() -> None:
    guard = DestinationGuard(countries=["DE"], fields=["headers", "dtmf", "summary_header"])
    plain = Destination("+493012345678")
    assert guard.decide(plain.but(headers={"X-Queue": "a"}, dtmf="1w2")).allowed
    for header in ("P-Asserted-Identity", "Diversion", "Privacy", "Replaces", "Referred-By"):
        assert "reserved" in guard.explain(plain.but(headers={header: "a"}))
        assert "reserved" in guard.explain(plain.but(summary_header=header))
    assert "too long" in guard.explain(plain.but(headers={"X-A": "a" * 257}))
    assert "display_name=" in guard.explain(plain.but(display_name="Your bank"))
    for name in ("sip_connection", "to_user_override"):
        with pytest.raises(ConfigurationError, match="by name"):
            DestinationGuard(fields=[name])
    with pytest.raises(ConfigurationError, match="use some of"):
        DestinationGuard(fields=["address"])


@pytest.mark.parametrize("user", ["2001", "sales"])
def test_a_domain_says_nothing_of_a_user_that_goes_through_a_trunk(user: str) -> None:
    uri = Destination(f"sip:{user}@pbx.example.com")
    assert GUARD.decide(uri).allowed
    assert "trunk" in GUARD.explain(uri, trunk_id="ST_1")
    guard = DestinationGuard(domains=["pbx.example.com"], fields=["trunk_id"])
    assert "trunk" in guard.explain(uri.but(trunk_id="ST_1"))
    named = DestinationGuard(names=[uri.address])
    assert named.decide(uri, trunk_id="ST_1").allowed


def test_a_number_that_goes_through_a_trunk_is_asked_as_one() -> None:
    assert GUARD.decide("sip:+493012345678@pbx.example.com", trunk_id="ST_1").allowed
    assert not GUARD.decide("sip:+449012345678@pbx.example.com", trunk_id="ST_1").allowed


def test_short_codes_are_those_of_the_prefixes_countries_too() -> None:
    domains = ["*.example.com", "1*@pbx.example.com"]
    uri = "sip:11880@pbx.example.com"
    assert "short code" in DestinationGuard(domains=domains, prefixes=["+4930"]).explain(uri)
    assert "short code" in DestinationGuard(domains=domains, prefixes=["+4"]).explain(uri)
    assert DestinationGuard(domains=domains, prefixes=["+81"]).decide(uri).allowed


def test_a_guard_with_no_rules_allows_nothing() -> None:
    guard = DestinationGuard()
    for destination in ("+493012345678", "sip:ann@pbx.example.com", "reception"):
        assert not guard.decide(destination).allowed
    assert not guard.decide(Destination("100", kind="user")).allowed


def test_names_can_be_a_list_or_what_a_router_knows() -> None:
    listed = DestinationGuard(names=["+12025550123", Destination("100", kind="user", name="Ann")])
    assert listed.check("+12025550123") == (Destination("+12025550123"),)
    assert listed.check("Ann") == (Destination("100", kind="user", name="Ann"),)
    router = Router({"sales": ["+12025550123", "+12025550124"], "support": "+12025550125"})
    routed = DestinationGuard(names={name: router[name] for name in router})
    assert routed.check("sales") == router["sales"]
    assert all(routed.decide(d).allowed for name in router for d in router[name])


def test_an_error_says_what_and_why_and_does_not_repeat_ten_thousand_characters() -> None:
    with pytest.raises(DestinationNotAllowedError) as caught:
        GUARD.check("+1" + "5" * 10_000)
    assert len(str(caught.value)) < 300
    assert isinstance(caught.value, DestinationError)
    assert len(GUARD.explain("+" + "1" * 10_000)) < 300


@pytest.mark.parametrize(
    "options",
    [
        {"countries": "DE"},
        {"countries": ["Germany"]},
        {"countries": ["001"]},
        {"prefixes": "+49"},
        {"prefixes": ["49"]},
        {"prefixes": ["+"]},
        {"prefixes": ["+4*"]},
        {"prefixes": [""]},
        {"domains": "pbx.example.com"},
        {"domains": ["*"]},
        {"domains": ["*@pbx.example.com"]},
        {"domains": ["sip:pbx.example.com"]},
        {"domains": [""]},
        {"names": "+12025550123"},
        {"names": {"": "+12025550123"}},
        {"names": {"a": []}},
        {"limits": 5},
    ],
    ids=str,
)
def test_a_rule_that_is_none_is_named(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        DestinationGuard(**options)  # type: ignore[arg-type]


def test_without_phonenumbers_names_and_words_of_domains_still_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    numbers_module.load.cache_clear()
    try:
        guard = DestinationGuard(
            names={"a": "+12025550123"}, domains=["pbx.example.com", "????@pbx.example.com"]
        )
        assert guard.decide("+12025550123").allowed
        assert guard.decide("sip:ann@pbx.example.com").allowed
        assert guard.decide("sip:2001@pbx.example.com").allowed
        assert not guard.decide("sip:9112@pbx.example.com").allowed
        assert not guard.decide("sip:+12025550123@pbx.example.com").allowed
        assert "refused" in guard.explain("+493012345678")
        for rule in ({"countries": ["DE"]}, {"prefixes": ["+49"]}):
            with pytest.raises(ConfigurationError, match=r"livetransfer\[phone\]"):
                DestinationGuard(**rule)  # type: ignore[arg-type]
    finally:
        numbers_module.load.cache_clear()


ORDINARY = ("FIXED_LINE", "MOBILE", "FIXED_LINE_OR_MOBILE", "TOLL_FREE", "VOIP")


@pytest.mark.parametrize("kind", phonenumbers.PhoneNumberType.values())
def test_its_reading_of_the_tables_is_that_of_phonenumbers(kind: int) -> None:
    name = phonenumbers.PhoneNumberType.to_string(kind)
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(country, kind)
        if example is None:
            continue
        number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        of = phonenumbers.region_code_for_number(example)
        really = phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(example))
        assert numbers_module.country_of(number) == of, (name, number)
        assert of is not None
        assert DestinationGuard(countries=[of]).decide(number).allowed == (really in ORDINARY), (
            name,
            number,
        )
