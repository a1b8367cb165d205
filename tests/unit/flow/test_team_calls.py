"""A team on simulated calls: three callers and one member, and what comfort lines are told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from livetransfer import (
    CallControlError,
    ColdTransfer,
    ConfigurationError,
    HookFailed,
    OfferMade,
    Phase,
    PhoneDialled,
    Router,
    RouteRequest,
    StoreChanged,
    StoreUnavailableError,
    TransferEvent,
    TransferOutcome,
    TransferStatus,
    WaitingInQueue,
    WarmTransfer,
)
from livetransfer._flow.warm_protocol import WhileRinging
from livetransfer.hold import Comfort, Held, HoldMusicPlayer
from livetransfer.routing import Member, Offer, Queue, Team, Wait
from livetransfer.stores import MemoryStore, Snapshot, StoreHealth
from livetransfer.testing import (
    HangUp,
    Human,
    Say,
    Simulation,
    WaitForBridge,
    simulate,
    virtual_time,
)
from livetransfer.testing import Wait as Pause
from tests.unit.transfers import rig

ANN, BOB = "+15550100", "+15550101"


def talks(seconds: float) -> Human:
    """A human who accepts, talks for a while and hangs up."""
    return Human.accepts(after=1, then=[Pause(seconds), HangUp()])


def desk(*members: Member, **options: Any) -> Team:
    """A team of one queue."""
    names = [member.name for member in members]
    queue = Queue("desk", members=names, strategy="linear", **options)
    return Team(members, [queue], store=MemoryStore())


class Caller:
    """One caller of several who want somebody of the same team."""

    def __init__(self, number: int, team: Router, human: Human, **options: Any) -> None:
        self.number, self.team, self.human, self.options = number, team, human, options
        self.events: list[tuple[float, TransferEvent]] = []
        self.outcome: TransferOutcome | None = None
        self.caller = ""

    def told(self, event: TransferEvent) -> None:
        self.events.append((asyncio.get_running_loop().time(), event))

    def at(self, phase: Phase) -> float:
        return next(at for at, e in self.events if getattr(e, "new", None) is phase)

    async def calls(
        self, after: float, act: Callable[[Simulation], Any] | None = None
    ) -> TransferOutcome:
        await asyncio.sleep(after)
        async with simulate(
            humans={ANN: self.human}, caller=f"+1555019{self.number}", samples=False
        ) as call:
            call.name = f"room-{self.number}"
            self.caller = call.caller.leg.identity
            transfer = WarmTransfer(self.team, on_event=self.told, **self.options)
            async with rig(call, transfer.run) as r:
                r.ask()
                if act is not None:
                    act(call)
                self.outcome = await r.outcome(within=3000)
                await self.outcome.ended()
                await asyncio.sleep(10)
        return self.outcome


async def test_three_callers_and_one_member() -> None:
    async with virtual_time():
        team = desk(Member("ann", ANN, wrap_up=20))
        callers = [Caller(i, team, talks(60)) for i in range(3)]
        outcomes = await asyncio.gather(*(c.calls(i * 5.0) for i, c in enumerate(callers)))
        assert [o.status for o in outcomes] == [TransferStatus.BRIDGED] * 3
        dialled = [next(at for at, e in c.events if isinstance(e, PhoneDialled)) for c in callers]
        # 60 s of talk and 20 s of wrap-up lie between them at least, and little more.
        for one, after in itertools.pairwise(dialled):
            assert 80 < after - one < 95
        positions = [
            [e.position for _, e in c.events if isinstance(e, WaitingInQueue)] for c in callers
        ]
        assert positions[0] == []
        assert set(positions[1]) == {1}
        assert positions[2][0] == 2
        assert positions[2][-1] == 1
        offers = [e for c in callers for _, e in c.events if isinstance(e, OfferMade)]
        assert [(o.queue, o.members) for o in offers] == [("desk", ("ann",))] * 3
        # Waiting does not count as being on hold too long.
        assert outcomes[2].timings["waiting"] > 120


async def test_the_caller_who_leaves_gives_his_place_up() -> None:
    async with virtual_time():
        team = desk(Member("ann", ANN))
        callers = [Caller(i, team, talks(60)) for i in range(3)]

        def leaves(call: Simulation) -> None:
            call.at(20, call.caller.hang_up)

        outcomes = await asyncio.gather(
            callers[0].calls(0), callers[1].calls(5, leaves), callers[2].calls(10)
        )
        assert [o.status.value for o in outcomes] == ["bridged", "caller_left", "bridged"]
        assert (await team.status()).queues[0].waiting == 0


async def test_max_wait_is_the_end_of_it_and_the_exit_key_too() -> None:
    async with virtual_time():
        team = desk(Member("ann", ANN), max_wait=30)
        callers = [Caller(i, team, talks(200), exit_key="9") for i in range(3)]

        def presses(call: Simulation) -> None:
            call.at(20, lambda: call.caller.press("9"))

        outcomes = await asyncio.gather(
            callers[0].calls(0), callers[1].calls(5), callers[2].calls(6, presses)
        )
        assert [o.status.value for o in outcomes] == ["bridged", "unavailable", "cancelled"]
        assert 29 < outcomes[1].timings["waiting"] < 31
        assert outcomes[1].attempts[0].destination is None


async def test_comfort_lines_know_the_place_the_estimate_and_the_caller() -> None:
    async with virtual_time():
        held: list[Held] = []

        def line(facts: Held) -> str | None:
            held.append(facts)
            return None

        music = HoldMusicPlayer(comfort=Comfort(line, every=10))
        team = desk(Member("ann", ANN))
        callers = [
            Caller(0, team, talks(60)),
            Caller(1, team, talks(60)),
            Caller(2, team, talks(60), hold_music=music),
        ]
        await asyncio.gather(
            *(c.calls(i * 80.0 if i < 1 else 70.0 + i) for i, c in enumerate(callers))
        )
        assert all(facts.caller == callers[2].caller for facts in held)
        held = [facts for facts in held if facts.queue is not None]
        assert [facts.queue for facts in held] == ["desk"] * len(held)
        assert {facts.position for facts in held} == {1}
        estimates = [facts.estimate for facts in held]
        assert all(e is not None for e in estimates)
        assert sorted(estimates, reverse=True) == estimates  # type: ignore[type-var]
        assert 40 < (estimates[0] or 0) < 62


async def test_who_declines_is_not_asked_again_and_who_takes_it_wraps_up() -> None:
    async with simulate(humans={ANN: Human.declines(after=1), BOB: talks(30)}) as call:
        team = desk(Member("ann", ANN), Member("bob", BOB, wrap_up=60))
        async with rig(call, WarmTransfer(team).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert [a.status.value for a in outcome.attempts] == ["declined", "bridged"]
            assert outcome.destination is not None
            assert outcome.destination.name == "bob"
            await outcome.ended()
            await asyncio.sleep(1)
            status = {m.name: m.presence for m in (await team.status()).members}
            assert status == {"ann": "available", "bob": "wrap_up"}
        assert len(call.human(ANN).rings) == 1


async def test_all_ring_and_the_first_who_accepts_has_the_call() -> None:
    late = Human.accepts(after=8)
    async with simulate(humans={ANN: late, BOB: talks(30)}) as call:
        queue = Queue("desk", members=["ann", "bob"], strategy="ring_all")
        members = [Member("ann", ANN), Member("bob", BOB)]
        team = Team(members, [queue], store=MemoryStore())
        async with rig(call, WarmTransfer(team).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert {a.status.value for a in outcome.attempts} == {"bridged", "answered_elsewhere"}
            await asyncio.sleep(8)
            status = {m.name: m.presence for m in (await team.status()).members}
            assert status == {"ann": "available", "bob": "talking"}


async def test_a_member_who_is_not_briefed_is_joined_when_he_answers() -> None:
    answers = Human(2.0, (WaitForBridge(), Say("Hello, this is Ann."), Pause(20), HangUp()))
    ways: tuple[WhileRinging, ...] = ("music", "conversation")
    for ringing in ways:
        async with simulate(humans={ANN: answers}) as call:
            team = desk(Member("ann", ANN, method="cold"))
            transfer = WarmTransfer(team, while_ringing=ringing)
            async with rig(call, transfer.run) as r:
                r.ask()
                assert (await r.outcome()).bridged
                await asyncio.sleep(5)
                assert call.caller.heard(ANN)
            assert not call.human(ANN).heard("briefing")


async def test_a_cold_transfer_passes_over_who_wants_to_be_briefed() -> None:
    async with simulate(humans={ANN: talks(10), BOB: talks(10)}) as call:
        team = desk(Member("ann", ANN, method="warm"), Member("bob", BOB))
        async with rig(call, ColdTransfer(team, method="dial").run) as r:
            r.ask()
            assert (await r.outcome()).succeeded
        assert not call.human(ANN).rings
        assert len(call.human(BOB).rings) == 1


async def test_after_a_refer_nobody_can_tell_the_end_and_a_bound_does() -> None:
    async with simulate(humans={ANN: talks(10)}) as call:
        queue = Queue("desk", members=["ann"])
        team = Team([Member("ann", ANN)], [queue], store=MemoryStore(), talk_time_unknown=120)
        async with rig(call, ColdTransfer(team, method="refer").run) as r:
            r.ask()
            assert (await r.outcome()).status is TransferStatus.REFERRED
            await asyncio.sleep(1)
            assert (await team.status()).members[0].presence == "talking"
            await asyncio.sleep(120)
            assert (await team.status()).members[0].presence == "available"


@pytest.mark.parametrize("how", ["never answered", "left by a key", "an error", "cancelled"])
async def test_after_an_unclear_refer_the_member_is_not_offered_to_the_next(how: str) -> None:
    async with simulate(humans={ANN: talks(10)}) as call:
        queue = Queue("desk", members=["ann"])
        team = Team([Member("ann", ANN)], [queue], store=MemoryStore(), talk_time_unknown=120)
        if how == "an error":
            unclear = TransferStatus.INDETERMINATE
            lost = CallControlError("lost", status=unclear, indeterminate=True)
            call.faults.fail("refer", lost, after=2.0)
        else:
            call.faults.never("refer")
        transfer = ColdTransfer(team, method="refer", ring_timeout=20, exit_key="9")
        async with rig(call, transfer.run) as r:
            if how == "cancelled":
                run = asyncio.ensure_future(transfer.run(r.session))
                await asyncio.sleep(12)
                run.cancel()
                await asyncio.wait({run})
                assert run.cancelled()
            else:
                r.ask()
                if how == "left by a key":
                    call.at(12, lambda: call.caller.press("9"))
                assert (await r.outcome()).status is TransferStatus.INDETERMINATE
            await asyncio.sleep(1)
            assert (await team.status()).members[0].presence == "talking"


async def test_a_look_up_that_fails_is_an_event_of_the_run() -> None:
    told: list[TransferEvent] = []

    def crm(request: RouteRequest, members: object) -> Any:
        raise ConnectionError("crm")

    async with simulate(humans={ANN: talks(10)}) as call:
        team = Team(
            [Member("ann", ANN)],
            [Queue("desk", members=["ann"])],
            store=MemoryStore(),
            lookup=crm,
        )
        async with rig(call, WarmTransfer(team, on_event=told.append).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
    failed = [event for event in told if isinstance(event, HookFailed)]
    assert [(event.hook, event.instead) for event in failed] == [
        ("lookup", "the team is used as it is")
    ]


async def test_the_router_is_told_of_a_retry_and_not_of_a_wait() -> None:
    asked: list[tuple[bool, str]] = []

    class Never(Router):
        def offer(self, request: RouteRequest, attempts: Any) -> Offer | Wait | None:
            asked.append((request.retry, request.kind))
            return None

    from livetransfer import Attempt, Retry, ReturnToAgent

    def policy(attempt: Attempt) -> Retry | ReturnToAgent:
        return Retry(after=1) if attempt.tries < 2 else ReturnToAgent()

    async with simulate() as call:
        transfer = WarmTransfer(Never({"x": ANN}), fallback=policy)
        async with rig(call, transfer.run) as r:
            r.ask()
            await r.outcome()
    assert asked == [(False, "warm"), (True, "warm")]


@pytest.mark.parametrize("option", [{"ring": "all"}, {"ring_next_after": 10}], ids=str)
def test_who_rings_together_is_said_by_the_queues_alone(option: Any) -> None:
    with pytest.raises(ConfigurationError, match="ring_all"):
        WarmTransfer(desk(Member("ann", ANN)), **option)


class Breaks(MemoryStore):
    """A store that can be lost."""

    lost_at: float | None = None
    listener: Callable[[StoreHealth], None]

    def listen(self, listener: Callable[[StoreHealth], None]) -> Callable[[], None]:
        self.listener = listener
        return lambda: None

    def loses(self) -> None:
        self.lost_at = asyncio.get_running_loop().time()
        self.listener(StoreHealth(False, "the connection was lost"))

    async def snapshot(self, *args: Any, **options: Any) -> Snapshot:
        if self.lost_at is not None:
            raise StoreUnavailableError("the store does not answer")
        return await super().snapshot(*args, **options)


@pytest.mark.parametrize("waits", [True, False], ids=["waits", "is rung for"])
async def test_a_caller_of_a_store_that_is_lost_is_told_so_at_once(waits: bool) -> None:
    heard: list[float] = []
    store = Breaks()

    def told(event: TransferEvent) -> None:
        if isinstance(event, StoreChanged):
            heard.append(asyncio.get_running_loop().time())

    team = Team(
        [Member("ann", ANN)], [Queue("desk", members=["ann"], ring_timeout=60)], store=store
    )
    async with simulate(humans={ANN: Human.silent(after=100)}) as call:
        taken = await team.offer(RouteRequest(call="another"), ()) if waits else None
        async with rig(call, WarmTransfer(team, on_event=told).run) as r:
            r.ask()
            call.at(20, store.loses)
            await asyncio.sleep(25)
            assert heard == [store.lost_at]
            call.caller.hang_up()
            await r.outcome()
            store.listener(StoreHealth(True))
            assert heard == [store.lost_at], "the transfer is over"
        del taken
