"""A trunk that refuses the caller's number is asked once more with its own, if nothing rang."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from livetransfer import (
    ColdTransfer,
    Destination,
    DestinationGuard,
    PhoneDialled,
    PhoneEnded,
    Router,
    TransferEvent,
    TransferStatus,
    WarmTransfer,
)
from livetransfer.guard import Count, Limits
from livetransfer.routing import Offer
from livetransfer.testing import Human, Web, simulate
from tests.unit.flow.test_accounts import Taken
from tests.unit.transfers import rig

ANN, BOB = "+15550100", "+15550101"
AS_THE_CALLER = Destination(ANN, caller_id="caller")
REFUSED = Human.rejects(403, after=0.0, reason="Forbidden")


class Counting:
    """Counters that notes how often a place was taken and given back."""

    taken = given_back = 0

    async def count(self, entry: str, counts: Sequence[Count]) -> Count | None:
        self.taken += 1
        return None

    async def amend(self, entry: str, key: str, amount: float) -> None:
        self.given_back += 1


def shown(call: Any) -> list[str | None]:
    """The numbers that were shown, dial by dial."""
    return [c.args["destination"].caller_id for c in call.calls if c.name == "dial"]


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
async def test_once_more_with_the_trunks_own(cold: bool) -> None:
    events: list[TransferEvent] = []
    transfer = (
        ColdTransfer(AS_THE_CALLER, method="dial", on_event=events.append)
        if cold
        else WarmTransfer(AS_THE_CALLER, on_event=events.append)
    )
    async with (
        simulate(humans={ANN: [REFUSED, Human.accepts()]}) as call,
        rig(call, transfer.run) as r,
    ):
        r.ask()
        outcome = await r.outcome()
        assert outcome.bridged
        assert call.caller.talks_to(ANN)
        assert shown(call) == ["+15550199", None]
        assert [attempt.status for attempt in outcome.attempts] == [TransferStatus.BRIDGED]
        dialled = [e.identity for e in events if isinstance(e, PhoneDialled)]
        assert len(set(dialled)) == 2
        assert outcome.human_identity == dialled[1]
        ended = [e for e in events if isinstance(e, PhoneEnded)]
        assert [(e.identity, e.sip_code) for e in ended] == [(dialled[0], 403)]
        await asyncio.sleep(1)
        call.human(ANN).hang_up()
        await asyncio.sleep(5)
        assert call.leftovers() == []


@pytest.mark.parametrize(
    ("scripts", "dials"),
    [
        ([REFUSED, REFUSED], 2),
        ([Human.rejects(403, after=2.0), Human.accepts()], 1),
        ([Human.rejects(603, after=0.0), Human.accepts()], 1),
    ],
    ids=["again refused", "it rang", "declined"],
)
async def test_and_no_further(scripts: Sequence[Human], dials: int) -> None:
    async with (
        simulate(humans={ANN: scripts}) as call,
        rig(call, WarmTransfer(AS_THE_CALLER).run) as r,
    ):
        r.ask()
        outcome = await r.outcome()
        assert not outcome.succeeded
        assert call.count("dial") == dials
        assert len(outcome.attempts) == 1
        assert outcome.sip_code == (603 if scripts[0].code == 603 else 403)


async def test_a_caller_without_a_number_is_no_reason_to_dial_again() -> None:
    async with (
        simulate(humans={ANN: REFUSED}, caller=Web()) as call,
        rig(call, WarmTransfer(AS_THE_CALLER).run) as r,
    ):
        r.ask()
        assert not (await r.outcome()).succeeded
        assert shown(call) == [None]


async def test_others_ring_on_meanwhile() -> None:
    group = [AS_THE_CALLER, Destination(BOB)]
    async with (
        simulate(humans={ANN: [REFUSED, Human.accepts(after=1)], BOB: Human.no_answer()}) as call,
        rig(call, WarmTransfer(group, ring="all").run) as r,
    ):
        r.ask()
        outcome = await r.outcome()
        assert [attempt.status.value for attempt in outcome.attempts] == [
            "bridged",
            "answered_elsewhere",
        ]
        assert call.count("dial") == 3
        assert not call.human(BOB).ringing


async def test_the_member_stays_taken_and_each_dial_is_counted() -> None:
    lease = Taken("ann")
    counters = Counting()

    class Leased(Router):
        def offer(self, request: Any, attempts: Any) -> Offer | None:
            return None if attempts else Offer((AS_THE_CALLER,), leases=(lease,))

    guard = DestinationGuard(names=[AS_THE_CALLER], limits=Limits(at_once=5), store=counters)
    async with (
        simulate(humans={ANN: [REFUSED, Human.accepts()]}) as call,
        rig(call, WarmTransfer(Leased({"sales": ANN}), guard=guard).run) as r,
    ):
        r.ask()
        assert (await r.outcome()).bridged
        await asyncio.sleep(1)
        assert lease.notes == ["talking"]
        assert (counters.taken, counters.given_back) == (2, 1)
        call.human(ANN).hang_up()
        await asyncio.sleep(5)
        assert lease.notes == ["talking", ("bridged", True)]
        assert (counters.taken, counters.given_back) == (2, 2)
