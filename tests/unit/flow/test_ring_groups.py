"""Several phones that ring for one attempt: the first who accepts takes the call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livetransfer import (
    AttemptEnded,
    ColdTransfer,
    Destination,
    DestinationGuard,
    PhoneDialled,
    PhoneEnded,
    PhoneJoined,
    Retry,
    ReturnToAgent,
    TransferEvent,
    TransferStatus,
    WarmTransfer,
)
from livetransfer.errors import BridgeFailed
from livetransfer.outcome import Attempt
from livetransfer.testing import HangUp, Human, Press, Wait, WaitForBridge, simulate
from tests.unit.transfers import rig

ANN, BOB, CID = "+15550100", "+15550101", "+15550102"


def statuses(attempts: Any) -> dict[str, str]:
    return {a.destination.address: a.status.value for a in attempts}


async def test_all_ring_at_once_and_the_first_who_accepts_wins() -> None:
    humans = {ANN: Human.no_answer(), BOB: Human.accepts(after=4), CID: Human.no_answer()}
    async with simulate(humans=humans) as call:
        async with rig(call, WarmTransfer([ANN, BOB, CID], ring="all").run) as r:
            r.ask()
            outcome = await r.outcome()
            accepted = call.now
            assert outcome.bridged
            assert outcome.destination is not None
            assert outcome.destination.address == BOB
            assert statuses(outcome.attempts) == {
                ANN: "answered_elsewhere",
                BOB: "bridged",
                CID: "answered_elsewhere",
            }
            await asyncio.sleep(2)
            assert call.caller.talks_to(BOB)
            rings = [call.human(address).rings[0] for address in (ANN, BOB, CID)]
            assert max(ring.at for ring in rings) - min(ring.at for ring in rings) < 0.2
            for address in (ANN, CID):
                ended = call.human(address).rings[0].ended_at
                assert ended is not None
                assert ended - accepted < 1.0


async def test_one_who_is_being_briefed_hears_that_a_colleague_has_taken_it() -> None:
    slow = Human(ring=1, script=[Wait(60)])
    async with simulate(humans={ANN: slow, BOB: Human.accepts(after=3)}) as call:
        async with rig(call, WarmTransfer([ANN, BOB], ring="all").run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            await asyncio.sleep(6)
            said = " ".join(heard.text for heard in call.human(ANN).heard("briefing"))
            assert "colleague has just taken the call" in said
            assert not call.human(ANN).on_the_line
            assert call.caller.talks_to(BOB)
            assert not call.human(ANN).heard(BOB)
            assert not call.human(BOB).heard(ANN)


async def test_one_declines_and_the_others_go_on() -> None:
    humans = {ANN: Human.declines(after=1), BOB: Human.accepts(after=12)}
    async with simulate(humans=humans) as call:
        async with rig(call, WarmTransfer([ANN, BOB], ring="all").run) as r:
            r.ask()
            outcome = await r.outcome()
            assert statuses(outcome.attempts) == {ANN: "declined", BOB: "bridged"}
            assert len(call.human(BOB).rings) == 1


async def test_all_decline_and_the_policy_is_asked_once() -> None:
    asked: list[Attempt] = []
    told: list[TransferEvent] = []

    def policy(attempt: Attempt) -> ReturnToAgent:
        asked.append(attempt)
        return ReturnToAgent()

    humans = {ANN: Human.declines(after=1), BOB: Human.busy(), CID: Human.declines(after=3)}
    async with simulate(humans=humans) as call:
        transfer = WarmTransfer([ANN, BOB, CID], ring="all", fallback=policy, on_event=told.append)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.DECLINED
            assert statuses(outcome.attempts) == {ANN: "declined", BOB: "busy", CID: "declined"}
    assert len(asked) == 1
    assert statuses(asked[0].phones) == statuses(outcome.attempts)
    assert len([event for event in told if isinstance(event, AttemptEnded)]) == 1


async def test_the_caller_leaves_and_all_stop() -> None:
    humans = {ANN: Human.no_answer(), BOB: Human(ring=1, script=[Wait(60)])}
    async with simulate(humans=humans) as call:
        async with rig(call, WarmTransfer([ANN, BOB], ring="all").run) as r:
            r.ask()
            await asyncio.sleep(8)
            call.caller.hang_up()
            left = call.now
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.CALLER_LEFT
            ended = call.human(ANN).rings[0].ended_at
            assert ended is not None
            assert ended - left < 1.0
            await asyncio.sleep(6)
            assert not call.human(BOB).on_the_line
            assert "hung up" in " ".join(h.text for h in call.human(BOB).heard("briefing"))


async def test_two_who_accept_in_the_same_instant() -> None:
    both = {n: Human(ring=1, script=[Wait(3), Press("1"), Wait(60)]) for n in (ANN, BOB)}
    async with simulate(humans=both) as call:
        async with rig(call, WarmTransfer([ANN, BOB], ring="all").run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            assert sorted(statuses(outcome.attempts).values()) == ["answered_elsewhere", "bridged"]
            await asyncio.sleep(6)
            lost = next(a for a in outcome.attempts if a.status.value != "bridged")
            assert lost.destination is not None
            loser = call.human(lost.destination.address)
            assert "colleague has just taken" in " ".join(h.text for h in loser.heard("briefing"))
            assert [n for n in (ANN, BOB) if call.caller.talks_to(n)] != [loser.address]


async def test_the_next_phone_rings_too_after_some_seconds() -> None:
    humans = {ANN: Human.no_answer(), BOB: Human.accepts(after=2), CID: Human.no_answer()}
    async with simulate(humans=humans) as call:
        async with rig(call, WarmTransfer([ANN, BOB, CID], ring_next_after=10).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            first, second = call.human(ANN).rings[0], call.human(BOB).rings[0]
            assert second.at - first.at == pytest.approx(10, abs=0.2)
            assert first.ended_at is not None
            assert first.ended_at > second.at
            assert not call.human(CID).rings


async def test_the_next_phone_does_not_wait_for_one_that_is_busy() -> None:
    async with simulate(humans={ANN: Human.busy(), BOB: Human.accepts(after=2)}) as call:
        async with rig(call, WarmTransfer([ANN, BOB], ring_next_after=30).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            assert call.human(BOB).rings[0].at - call.human(ANN).rings[0].at < 3


async def test_retry_rings_those_whom_it_may_help() -> None:
    bob = [Human.busy(), Human.accepts(after=1)]
    async with simulate(humans={ANN: Human.declines(after=1), BOB: bob}) as call:
        transfer = WarmTransfer(
            [ANN, BOB],
            ring="all",
            fallback=lambda a: Retry(after=1) if a.retryable else None,
        )
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            assert len(call.human(ANN).rings) == 1
            assert len(call.human(BOB).rings) == 2


async def test_a_cold_group_takes_the_first_who_answers() -> None:
    humans = {ANN: Human.no_answer(), BOB: Human.accepts(after=3)}
    async with simulate(humans=humans) as call:
        async with rig(call, ColdTransfer([ANN, BOB], method="dial", ring="all").run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            assert statuses(outcome.attempts) == {ANN: "answered_elsewhere", BOB: "bridged"}
            await asyncio.sleep(1)
            assert not call.human(ANN).ringing


async def test_the_ai_that_goes_on_talking_is_silent_once_somebody_is_briefed() -> None:
    humans = {ANN: Human.declines(after=2), BOB: Human.accepts(after=9)}
    async with simulate(humans=humans) as call:
        transfer = WarmTransfer([ANN, BOB], ring="all", while_ringing="conversation")
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            assert call.caller.heard("hold-music")
            await asyncio.sleep(1)
            assert call.caller.talks_to(BOB)


async def test_a_cancelled_run_ends_every_phone() -> None:
    humans = {ANN: Human.no_answer(), BOB: Human(ring=1, script=[Wait(60)])}
    async with simulate(humans=humans) as call:
        async with rig(call, WarmTransfer([ANN, BOB], ring="all").run) as r:
            running = asyncio.create_task(WarmTransfer([ANN, BOB], ring="all").run(r.session))
            await asyncio.sleep(5)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await asyncio.sleep(1)
            assert not call.human(ANN).ringing
            assert not call.human(BOB).on_the_line
            assert call.caller.talks_to_ai


async def test_an_outcome_names_the_one_who_was_being_briefed_when_the_caller_left() -> None:
    humans = {ANN: Human(ring=1, script=[Wait(60)]), BOB: Human.no_answer()}
    async with simulate(humans=humans) as call:
        async with rig(call, WarmTransfer([ANN, BOB], ring="all").run) as r:
            r.ask()
            call.at(8, call.caller.hang_up)
            outcome = await r.outcome()
    assert outcome.status is TransferStatus.CALLER_LEFT
    assert outcome.destination is not None
    assert outcome.destination.address == ANN
    named = {a.destination.address: a.human_identity for a in outcome.attempts if a.destination}
    assert outcome.human_identity == named[ANN]


@pytest.mark.parametrize("joining", [0.05, 2.0])
@pytest.mark.parametrize("kind", [WarmTransfer, ColdTransfer])
async def test_the_others_ring_until_the_two_have_met_and_hardly_longer(
    kind: Any, joining: float
) -> None:
    at: dict[type[TransferEvent], float] = {}
    humans = {ANN: Human.accepts(after=3), BOB: Human.no_answer()}
    async with simulate(humans=humans) as call:
        call.faults.delay("bridge", joining)

        def on_event(event: TransferEvent) -> None:
            at[type(event)] = call.now

        own = {"method": "dial", "answer_detector": None} if kind is ColdTransfer else {}
        async with rig(call, kind([ANN, BOB], ring="all", on_event=on_event, **own).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            await asyncio.sleep(1)
            ended = call.human(BOB).rings[0].ended_at
    lost, met = at[PhoneEnded], at[PhoneJoined]
    assert met - lost == pytest.approx(joining, abs=0.05)
    assert ended is not None
    assert min(joining, 0.14) <= ended - lost < 0.25


@pytest.mark.parametrize("seconds", [0.05, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("after", ["end", "return"])
@pytest.mark.parametrize("who", ["caller", "winner"])
async def test_a_call_that_ends_at_once_leaves_nobody_on_the_line(
    who: str, after: Any, seconds: float
) -> None:
    talks = Wait(seconds if who == "winner" else 600)
    winner = Human(ring=1, script=[Wait(3), Press("1"), WaitForBridge(), talks, HangUp()])
    humans = {ANN: Human(ring=1, script=[Wait(600)]), BOB: winner}
    async with simulate(humans=humans) as call:

        def on_event(event: TransferEvent) -> None:
            if isinstance(event, PhoneJoined) and who == "caller":
                call.at(call.now + seconds, call.caller.hang_up)

        transfer = WarmTransfer([ANN, BOB], ring="all", on_event=on_event, after=after)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            await outcome.ended()
            await asyncio.sleep(15)
            assert not call.human(ANN).on_the_line
            assert not call.human(ANN).heard(BOB)
            assert "colleague has just taken" in " ".join(
                heard.text for heard in call.human(ANN).heard("briefing")
            )


async def test_nobody_begins_to_ring_once_a_colleague_has_accepted() -> None:
    told: list[TransferEvent] = []

    class FarAway(DestinationGuard):
        async def admit(self, destination: Destination, **options: Any) -> Any:
            if destination.address == BOB:
                await asyncio.sleep(0.3)
            return await super().admit(destination, **options)

    humans = {ANN: Human(ring=3.15), BOB: Human.no_answer()}
    async with simulate(humans=humans) as call:
        call.faults.delay("bridge", 0.3)
        transfer = ColdTransfer(
            [ANN, BOB],
            method="dial",
            ring_next_after=3,
            answer_detector=None,
            on_event=told.append,
            guard=FarAway(names=[ANN, BOB]),
        )
        async with rig(call, transfer.run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            await asyncio.sleep(2)
            assert not call.human(BOB).rings
    ends = [event for event in told if isinstance(event, PhoneEnded)]
    assert [event.status for event in ends] == [TransferStatus.ANSWERED_ELSEWHERE]
    assert len([event for event in told if isinstance(event, PhoneDialled)]) == 1


async def test_where_the_winner_cannot_be_joined_it_is_he_who_decides() -> None:
    humans = {ANN: Human(ring=1, script=[Wait(60)]), BOB: Human.accepts(after=3)}
    async with simulate(humans=humans) as call:
        call.faults.fail("bridge", BridgeFailed("no", status=TransferStatus.FAILED))
        async with rig(call, WarmTransfer([ANN, BOB], ring="all").run) as r:
            r.ask()
            outcome = await r.outcome()
    assert statuses(outcome.attempts) == {ANN: "answered_elsewhere", BOB: "failed"}
    assert outcome.destination is not None
    assert (outcome.destination.address, outcome.status) == (BOB, TransferStatus.FAILED)
