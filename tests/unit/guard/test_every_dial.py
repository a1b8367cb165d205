"""Whoever is dialled or referred to, and for whatever reason, the guard has counted him first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from livetransfer import (
    ColdTransfer,
    Destination,
    DestinationGuard,
    Router,
    TransferStatus,
    WarmTransfer,
)
from livetransfer.fallback import GoTo, On, Otherwise, Retry
from livetransfer.guard import Count, Limits
from livetransfer.testing import Human, Simulation, simulate
from tests.unit.transfers import rig

ANN, BOB, CID = "+15550100", "+15550101", "+15550102"
AS_THE_CALLER = Destination(ANN, caller_id="caller")
BUSY = TransferStatus.BUSY
TEAM = Router({"sales": ANN, "support": [BOB, CID]})


class Counting:
    """Counters that notes whom the telephone network had been asked for at each count."""

    def __init__(self) -> None:
        self.call: Simulation | None = None
        self.before: list[int] = []

    async def count(self, entry: str, counts: Sequence[Count]) -> Count | None:
        assert self.call is not None
        self.before.append(asked(self.call))
        return None

    async def amend(self, entry: str, key: str, amount: float) -> None:
        """Nothing is given back."""


def asked(call: Simulation) -> int:
    """How often the telephone network was asked for somebody."""
    return call.count("dial") + call.count("refer")


WAYS: dict[str, tuple[Any, int]] = {
    "one": (lambda **o: WarmTransfer(ANN, **o), 1),
    "the next": (lambda **o: WarmTransfer([ANN, CID], **o), 2),
    "again": (
        lambda **o: WarmTransfer(ANN, fallback=On({BUSY}, Retry(), times=1), **o),
        2,
    ),
    "several at once": (lambda **o: WarmTransfer([BOB, CID], ring="all", **o), 2),
    "another department": (
        lambda **o: WarmTransfer(TEAM, department="sales", fallback=Otherwise(GoTo(CID)), **o),
        2,
    ),
    "a department, cold": (
        lambda **o: WarmTransfer(
            TEAM, department="sales", fallback=Otherwise(GoTo("support", cold=True)), **o
        ),
        5,  # after the first, a REFER that is refused, then a dial, of each of the two
    ),
    "the trunk's own number": (lambda **o: WarmTransfer(AS_THE_CALLER, **o), 2),
    "cold": (lambda **o: ColdTransfer(CID, method="dial", **o), 1),
    "a refused REFER": (lambda **o: ColdTransfer(CID, **o), 2),
    "a REFER alone": (lambda **o: ColdTransfer(CID, method="refer", **o), 1),
}


@pytest.mark.parametrize("way", WAYS)
async def test_each_is_counted_before_it_is_dialled(way: str) -> None:
    make, times = WAYS[way]
    counting = Counting()
    guard = DestinationGuard(
        names=[ANN, BOB, CID, AS_THE_CALLER], limits=Limits(per_hour=100), store=counting
    )
    first = Human.rejects(403, after=0.0) if way == "the trunk's own number" else Human.busy()
    humans = {ANN: first, BOB: Human.busy(), CID: Human.accepts(after=1)}
    async with simulate(humans=humans, refer="refuses") as call:
        counting.call = call
        async with rig(call, make(guard=guard).run) as r:
            r.ask()
            await r.outcome()
            assert asked(call) == times
            assert len(counting.before) == times
            # When the nth was counted, fewer than n had been dialled.
            assert all(before <= nth for nth, before in enumerate(counting.before))
