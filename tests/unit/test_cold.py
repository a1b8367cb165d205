"""The cold transfer on the simulator: REFER, what follows its refusal, and what never does."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from livetransfer import (
    ColdTransfer,
    ConfigurationError,
    Destination,
    DestinationError,
    TransferStatus,
    UnknownDestinationError,
)
from livetransfer.destination import Method
from livetransfer.testing import Human, Latency, Refer, Web, simulate

from .transfers import rig

ANN, BOB = "+15550100", "+15550101"


async def test_the_refer_goes_out_after_the_announcement() -> None:
    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        transfer = ColdTransfer(ANN, announcement="I am connecting you now.", headers={"X-A": "1"})
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.REFERRED, outcome
            assert outcome.succeeded
            assert not outcome.bridged
            refer = next(c for c in call.calls if c.name == "refer")
            assert refer.args["address"] == f"tel:{ANN}"
            assert refer.args["headers"] == {"X-A": "1"}
            said = call.caller.heard("agent")
            assert said[-1].text == "I am connecting you now."
            assert said[-1].end <= refer.at + 1e-6
            assert not [c for c in call.calls if c.name == "dial"]
            end = await outcome.ended()
            assert end.by == "nobody"
        assert call.leftovers() == []


@pytest.mark.parametrize(
    ("to", "domain", "address"),
    [
        (ANN, None, f"tel:{ANN}"),
        (ANN, "sip.example.com", f"sip:{ANN}@sip.example.com"),
        ("sip:100@pbx.example.com", None, "sip:100@pbx.example.com"),
        (f"tel:{ANN}", "sip.example.com", f"sip:{ANN}@sip.example.com"),
        (Destination("100", kind="user"), "sip.example.com", "sip:100@sip.example.com"),
    ],
)
async def test_where_the_refer_points(
    to: str | Destination, domain: str | None, address: str
) -> None:
    async with simulate() as call:
        async with rig(call, ColdTransfer(to, trunk_domain=domain).run) as r:
            r.ask()
            assert (await r.outcome()).status is TransferStatus.REFERRED
            refer = next(c for c in call.calls if c.name == "refer")
            assert refer.args["address"] == address


@pytest.mark.parametrize("refer", ["refuses", "unsupported"])
async def test_a_refused_refer_is_followed_by_a_dial(refer: Refer) -> None:
    async with simulate(humans={ANN: Human.silent(after=1)}, refer=refer) as call:
        async with rig(call, ColdTransfer(ANN).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.BRIDGED, outcome
            assert call.caller.talks_to(ANN)
            assert not call.human(ANN).heard("hold-music")
            call.human(ANN).hang_up()
            assert (await outcome.ended()).by == "human"
            assert not call.caller.on_the_line


@pytest.mark.parametrize(
    ("refer", "method", "status", "code"),
    [
        ("refuses", "refer", TransferStatus.DECLINED, 603),
        ("unsupported", "refer", TransferStatus.FAILED, 405),
        ("busy", "auto", TransferStatus.BUSY, 486),
        ("times_out", "auto", TransferStatus.INDETERMINATE, None),
    ],
)
async def test_what_must_not_be_followed_by_a_dial(
    refer: Refer, method: Method, status: TransferStatus, code: int | None
) -> None:
    async with simulate(humans={ANN: Human.accepts()}, refer=refer) as call:
        async with rig(call, ColdTransfer(ANN, method=method, ring_timeout=5).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is status, outcome
            assert outcome.sip_code == code
            assert not [c for c in call.calls if c.name == "dial"]
            assert call.caller.on_the_line
            back = call.now
            await asyncio.sleep(8)
            assert call.caller.heard("agent", start=back)
            assert r.session.input.audio_enabled
        assert call.leftovers() == []


async def test_dial_only() -> None:
    async with simulate(humans={ANN: Human.busy()}) as call:
        async with rig(call, ColdTransfer(ANN, method="dial").run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.BUSY
            assert not [c for c in call.calls if c.name == "refer"]


def test_names_are_keys_of_the_map_never_numbers() -> None:
    extensions: dict[str, str | Destination] = {"sales": "sip:100@pbx.example.com"}
    ColdTransfer("sales", extensions=extensions)
    with pytest.raises(UnknownDestinationError, match="sales"):
        ColdTransfer("billing", extensions=extensions)
    with pytest.raises(UnknownDestinationError):
        ColdTransfer(ANN, extensions=extensions)
    with pytest.raises(DestinationError):
        ColdTransfer("sales")


def test_bad_options() -> None:
    with pytest.raises(ConfigurationError, match="method"):
        ColdTransfer(ANN, method="blind")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="trunk_domain"):
        ColdTransfer(Destination("100", kind="user"), method="refer")
    for host in ("evil\r\nX: 1", "bad host", "user@pbx.example.com"):
        with pytest.raises(ConfigurationError, match="trunk_domain"):
            ColdTransfer(ANN, trunk_domain=host)
    with pytest.raises(ConfigurationError, match="ring_timeout"):
        ColdTransfer(ANN, ring_timeout=0)


def test_names_in_any_sequence_have_to_be_in_the_map() -> None:
    for names in (["+15550199"], ("+15550199",), deque(["+15550199"])):
        with pytest.raises(UnknownDestinationError):
            ColdTransfer(names, extensions={"sales": ANN})


def test_a_header_with_a_line_break_is_refused_at_once() -> None:
    with pytest.raises(DestinationError, match="headers"):
        ColdTransfer(ANN, headers={"X-A": "1\r\nX-B: 2"})


async def test_the_exit_key_does_not_take_a_refer_back() -> None:
    async with simulate(refer="succeeds_late") as call:
        transfer = ColdTransfer(ANN, method="refer", exit_key="*")
        async with rig(call, transfer.run) as r:
            r.ask()
            await asyncio.sleep(5)
            call.caller.press("*")
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.INDETERMINATE
            assert outcome.reason == "the caller pressed the exit key"
            assert r.session.output.audio_enabled
            await asyncio.sleep(40)
            assert call.caller.referred_to  # it did succeed


async def test_the_dial_tone_is_not_played_over_the_music() -> None:
    async with simulate(refer="busy", latency=Latency(refer=3)) as call:
        transfer = ColdTransfer([ANN, BOB], method="refer", play_dialtone=True)
        async with rig(call, transfer.run) as r:
            r.ask()
            while not r.agent.results:
                await asyncio.sleep(0.1)
                assert not (call.caller.hears("hold-music") and call.caller.hears("dialtone"))
            assert call.caller.heard("dialtone")


async def test_keys_of_the_destination_are_pressed() -> None:
    """A REFER cannot press them: the caller would be left in the menu of the destination."""
    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        transfer = ColdTransfer(Destination(ANN, dtmf="ww123#"))
        async with rig(call, transfer.run) as r:
            r.ask()
            assert (await r.outcome()).status is TransferStatus.BRIDGED
            assert call.human(ANN).keys == "123#"


async def test_the_parameters_of_a_tel_uri_are_referred_to() -> None:
    async with simulate() as call:
        async with rig(call, ColdTransfer("tel:+15550100;ext=12").run) as r:
            r.ask()
            assert (await r.outcome()).status is TransferStatus.REFERRED
            await asyncio.sleep(1)
            assert call.caller.referred_to == "tel:+15550100;ext=12"


def test_a_refer_cannot_press_keys() -> None:
    with pytest.raises(ConfigurationError, match="dtmf"):
        ColdTransfer(Destination(ANN, dtmf="1"), method="refer")


async def test_a_success_that_nobody_has_seen_is_no_clear_success() -> None:
    async with simulate(refer="ends") as call:
        async with rig(call, ColdTransfer(ANN, method="refer").run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.REFERRED
            assert outcome.confirmed is False
            assert "not known whether" in str(outcome)


async def test_a_target_that_was_reached_is_confirmed() -> None:
    async with simulate(refer="accepts") as call:
        async with rig(call, ColdTransfer(ANN, method="refer").run) as r:
            r.ask()
            assert (await r.outcome()).confirmed is True


async def test_a_caller_with_no_telephone_is_dialled_for_not_referred() -> None:
    async with simulate(humans={ANN: Human.accepts()}, caller=Web()) as call:
        async with rig(call, ColdTransfer(ANN).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            assert call.caller.referred_to is None


async def test_a_refer_of_a_caller_with_no_telephone_is_refused_with_the_remedy() -> None:
    async with simulate(caller=Web()) as call:
        async with rig(call, ColdTransfer(ANN, method="refer").run) as r:
            r.ask()
            with pytest.raises(ConfigurationError, match="dial"):
                await r.outcome()
