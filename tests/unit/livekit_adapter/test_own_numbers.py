"""A destination that is one of the server's own inbound numbers is a loop, and refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livetransfer._livekit.leg_room import Place
from livetransfer._livekit.livekit_control import LiveKitControl
from livetransfer._livekit.signalling.own_numbers import KEPT, OwnNumbers
from livetransfer._livekit.tasks import Tasks
from livetransfer.control import Leg
from livetransfer.destination import Destination
from livetransfer.errors import DialFailed
from livetransfer.status import TransferStatus

from .livekit_fakes import FakeRoom, FakeWire, fake_call

pytestmark = pytest.mark.usefixtures("clock")


def make(*numbers: str) -> tuple[Any, OwnNumbers]:
    wire: Any = FakeWire(FakeRoom())
    wire.numbers = list(numbers)
    return wire, OwnNumbers(wire, Tasks())


@pytest.mark.parametrize("listed", ["+15550100", "15550100", "+1 (555) 01-00"])
@pytest.mark.parametrize("address", ["+15550100", "tel:+15550100", "sip:+15550100@pbx.test"])
async def test_refused(listed: str, address: str) -> None:
    _, own = make("+15550777", listed)
    own.prepare()
    with pytest.raises(DialFailed, match="own_number=True") as caught:
        await own.check(Destination(address))
    assert caught.value.status is TransferStatus.INVALID_DESTINATION
    assert not caught.value.indeterminate


@pytest.mark.parametrize("called", ["+15550100", "15550100"])
async def test_what_the_caller_has_called_is_one_whatever_the_trunks_list(called: str) -> None:
    wire, own = make()
    with pytest.raises(DialFailed, match="a loop"):
        await own.check(Destination("+15550100"), called)
    assert wire.count("inbound_numbers") == 0
    await own.check(Destination("+15550100", own_number=True), called)
    await own.check(Destination("+15550101"), called)


@pytest.mark.parametrize("inbound", [True, False])
async def test_a_caller_who_was_called_has_called_no_number_of_ours(inbound: bool) -> None:
    room, wire, events = fake_call()
    attributes = room.remote_participants["caller"].attributes
    attributes["sip.trunkPhoneNumber"] = "+15550100"
    if inbound:
        attributes["sip.ruleID"] = "SDR_1"
    rung: list[str] = []

    class Rings:
        def place(self, identity: str) -> Place:
            return Place(wire, events)

        async def aclose(self) -> None: ...

        async def dial(self, destination: Destination, *, identity: str, **_: Any) -> Leg:
            rung.append(destination.address)
            return Leg(identity, destination)

    joining: Any = Rings()
    control = LiveKitControl(wire, events, "caller", joining)
    main_line = Destination("+15550100")
    if inbound:
        with pytest.raises(DialFailed, match="a loop"):
            await control.dial(main_line, identity="human", ring_timeout=10)
    else:
        await control.dial(main_line, identity="human", ring_timeout=10)
    assert rung == ([] if inbound else ["+15550100"])
    await control.aclose()


@pytest.mark.parametrize(
    "destination",
    [
        Destination("+15550101"),
        Destination("+15550100", own_number=True),
        Destination("100", kind="user"),
        Destination("sip:100@pbx.test"),
        Destination("sip:pbx.test"),
    ],
    ids=lambda destination: str(destination.address),
)
async def test_not_refused(destination: Destination) -> None:
    _, own = make("+15550100", "100", "")
    await own.check(destination)


async def test_the_list_is_fetched_once_a_minute() -> None:
    wire, own = make("+15550100")
    for _ in range(3):
        own = OwnNumbers(wire, Tasks())
        own.prepare()
        await own.check(Destination("+15550101"))
    assert wire.count("inbound_numbers") == 1
    await asyncio.sleep(KEPT + 1.0)
    await OwnNumbers(wire, Tasks()).check(Destination("+15550101"))
    assert wire.count("inbound_numbers") == 2


async def test_a_list_that_cannot_be_had_refuses_nobody() -> None:
    wire, own = make("+15550100")
    wire.fail["inbound_numbers"].append(ConnectionResetError())
    await own.check(Destination("+15550100"))
