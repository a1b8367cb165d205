"""What a phone takes of others is given back once: leases, and what the guard has counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from livetransfer import (
    ColdTransfer,
    Destination,
    DestinationGuard,
    DestinationNotAllowedError,
    DestinationRefused,
    Router,
    RouteRequest,
    TransferEnded,
    TransferEvent,
    TransferStarted,
    TransferStatus,
    WarmTransfer,
)
from livetransfer.guard import Admission, Count, Limits
from livetransfer.outcome import Attempt
from livetransfer.record import FunctionSink, Records, TransferRecord
from livetransfer.routing import Offer
from livetransfer.testing import Human, simulate
from tests.unit.transfers import rig

ANN, BOB = "+15550100", "+15550101"


class Taken:
    """A lease that notes what it is told."""

    def __init__(self, member: str) -> None:
        self.member = member
        self.notes: list[Any] = []

    async def talking(self) -> None:
        self.notes.append("talking")

    async def release(self, status: TransferStatus, *, talked: bool = False) -> None:
        self.notes.append((status.value, talked))

    async def leave_talking(self) -> None:
        self.notes.append("talks on")


class Leased(Router):
    def __init__(self, *leases: Taken, next_after: float = 0.0) -> None:
        super().__init__({"sales": ANN})
        self._leases, self._next_after = leases, next_after

    def offer(self, request: RouteRequest, attempts: Sequence[Attempt]) -> Offer | None:
        if attempts:
            return None
        people = tuple(Destination(lease.member) for lease in self._leases)
        return Offer(people, leases=self._leases, ring_next_after=self._next_after)


async def test_the_lease_of_one_who_takes_the_call_ends_with_it() -> None:
    ann, bob = Taken(ANN), Taken(BOB)
    humans = {ANN: Human.accepts(after=2), BOB: Human.no_answer()}
    async with simulate(humans=humans) as call:
        async with rig(call, WarmTransfer(Leased(ann, bob)).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            await asyncio.sleep(10)
            assert ann.notes == ["talking"]
            assert bob.notes == [("answered_elsewhere", False)]
            call.caller.hang_up()
            await asyncio.sleep(5)
            assert ann.notes == ["talking", ("bridged", True)]


async def test_where_nobody_sees_the_end_the_lease_ends_by_its_bound() -> None:
    ann = Taken(ANN)
    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:
        async with rig(call, WarmTransfer(Leased(ann), after="leave").run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            await asyncio.sleep(10)
            assert ann.notes == ["talking", "talks on"]


async def test_who_was_never_rung_is_given_back_too() -> None:
    ann, bob = Taken(ANN), Taken(BOB)
    async with simulate(humans={ANN: Human.accepts(after=2), BOB: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(Leased(ann, bob, next_after=300)).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            await asyncio.sleep(5)
            assert bob.notes == [("answered_elsewhere", False)]


@pytest.mark.parametrize("how", ["cancel", "hang up"])
async def test_every_end_gives_back(how: str) -> None:
    ann, bob = Taken(ANN), Taken(BOB)
    humans = {ANN: Human.no_answer(), BOB: Human.no_answer()}
    async with simulate(humans=humans) as call:
        async with rig(call, WarmTransfer(Leased(ann, bob, next_after=300)).run) as r:
            running = asyncio.create_task(WarmTransfer(Leased(ann, bob)).run(r.session))
            await asyncio.sleep(5)
            if how == "cancel":
                running.cancel()
            else:
                call.caller.hang_up()
            await asyncio.wait({running})
            await asyncio.sleep(3)
            assert [len(lease.notes) for lease in (ann, bob)] == [1, 1]
            if not running.cancelled():
                assert running.result().status is TransferStatus.CALLER_LEFT


class Full:
    """Counters whose every limit is reached."""

    async def count(self, entry: str, counts: Sequence[Count]) -> Count | None:
        return counts[0]

    async def amend(self, entry: str, key: str, amount: float) -> None:
        raise AssertionError("nothing was counted")


def test_what_the_guard_does_not_name_is_refused_before_anything_rings() -> None:
    with pytest.raises(DestinationNotAllowedError):
        WarmTransfer(ANN, guard=DestinationGuard(prefixes=["+49"]))


DEAR = Destination("+4490012345678")


class Finding(Router):
    """A router of its own, asked in the run."""

    def resolve(self, request: RouteRequest) -> list[Destination]:
        return [Destination(ANN), DEAR]


@pytest.mark.parametrize("found", [False, True], ids=["a map", "looked up"])
@pytest.mark.parametrize("by", ["guard", "allowed"])
async def test_every_refusal_is_told_and_recorded(
    found: bool, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[TransferEvent] = []
    kept: list[TransferRecord] = []
    router = Finding({"sales": ANN}) if found else Router({"sales": [ANN, DEAR]})
    options: dict[str, Any] = (
        {"guard": DestinationGuard(names=[ANN])} if by == "guard" else {"allowed": ["+1*"]}
    )
    transfer = WarmTransfer(
        router, on_event=told.append, records=Records(FunctionSink(kept.append)), **options
    )
    async with simulate(humans={ANN: Human.accepts()}) as call, rig(call, transfer.run) as r:
        r.ask()
        if found:
            assert (await r.outcome()).status is TransferStatus.UNAVAILABLE
        else:
            with pytest.raises(DestinationNotAllowedError):
                await r.outcome()
        await asyncio.sleep(8)
        assert call.count("dial") == 0
        assert call.leftovers() == []
    (refused,) = [event for event in told if isinstance(event, DestinationRefused)]
    assert refused.destination.address == DEAR.address
    assert isinstance(told[0], TransferStarted)
    assert isinstance(told[-1], TransferEnded)
    assert told[-1].outcome.status is TransferStatus.UNAVAILABLE
    assert [note.kind for note in kept[-1].notes] == ["refused"], "the router's code has not failed"
    if found:  # otherwise it is raised, and livekit-agents logs what a tool raises
        assert DEAR.address not in caplog.text


@pytest.mark.parametrize("method", ["dial", "refer"])
async def test_a_limit_that_is_reached_is_told_and_nothing_rings(method: Any) -> None:
    told: list[TransferEvent] = []
    guard = DestinationGuard(names=[ANN], limits=Limits(per_destination=1), store=Full())
    async with simulate(humans={ANN: Human.accepts()}) as call:
        transfer = ColdTransfer(ANN, method=method, guard=guard, on_event=told.append)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.UNAVAILABLE
            assert not call.human(ANN).rings
            assert call.caller.referred_to is None
            assert [event for event in told if isinstance(event, DestinationRefused)]
            await asyncio.sleep(8)
            assert call.caller.talks_to_ai


async def test_what_the_transfer_itself_adds_is_not_asked_of_the_guard() -> None:
    guard = DestinationGuard(countries=["US"])
    number = "+12025550123"
    async with simulate(humans={number: Human.accepts()}) as call:
        transfer = ColdTransfer(number, method="dial", guard=guard, headers={"X-Case": "4711"})
        async with rig(call, transfer.run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            dialled = next(verb for verb in call.controls[0].calls if verb.name == "dial")
            assert dialled.args["destination"].headers == {"X-Case": "4711"}


class Noted(Admission):
    """Notes that it is settled."""

    def __init__(self, destination: Destination, settled: list[float]) -> None:
        super().__init__(destination, "", None, {})
        self._noted = settled

    async def settle(self, seconds: float) -> None:
        self._noted.append(seconds)


class Late(DestinationGuard):
    """Allows what it is asked for when it is too late."""

    def __init__(self, hang_up: Callable[[], None], how: str) -> None:
        super().__init__(names=[ANN])
        self._hang_up, self._how = hang_up, how
        self.settled: list[float] = []

    async def admit(self, destination: Destination, **options: Any) -> Admission:
        if self._how == "in the same instant":
            await asyncio.sleep(3)
            self._hang_up()
        else:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
        return Noted(destination, self.settled)


@pytest.mark.parametrize("cold", [False, True], ids=["a dial", "a REFER"])
@pytest.mark.parametrize("how", ["in the same instant", "after a hang-up", "after its time"])
async def test_what_the_guard_counts_too_late_is_given_back(how: str, cold: bool) -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        guard = Late(call.caller.hang_up, how)
        transfer = (ColdTransfer if cold else WarmTransfer)(ANN, guard=guard)
        async with rig(call, transfer.run) as r:
            r.ask()
            if how == "after a hang-up":
                call.at(8, call.caller.hang_up)
            await r.outcome()
            await asyncio.sleep(2)
            assert not call.human(ANN).rings
            assert guard.settled == [0.0]
