"""GoTo: another department or a number, briefed or not; once each, and past no guard."""

from __future__ import annotations

from typing import Any

import pytest

from livetransfer import (
    Attempt,
    ColdTransfer,
    ConfigurationError,
    DestinationGuard,
    DestinationNotAllowedError,
    FallbackDecided,
    FallbackPolicy,
    GoTo,
    Next,
    OfferMade,
    On,
    Otherwise,
    Retry,
    ReturnToAgent,
    Router,
    RouteRequest,
    TransferEvent,
    TransferStatus,
    UnknownDestinationError,
    WarmTransfer,
)
from livetransfer.routing import Offer
from livetransfer.testing import Human, simulate
from tests.unit.transfers import rig

ANN, BOB, CID = "+15550100", "+15550101", "+15550102"
BUSY = TransferStatus.BUSY
OFFICE = Router({"sales": ANN, "support": [BOB, CID]})


async def test_another_department_of_the_same_router() -> None:
    told: list[TransferEvent] = []
    transfer = WarmTransfer(
        OFFICE,
        department="sales",
        fallback=On({BUSY}, GoTo("support"), times=1),
        on_event=told.append,
    )
    humans = {ANN: Human.busy(), BOB: Human.busy(), CID: Human.accepts()}
    async with simulate(humans=humans) as call, rig(call, transfer.run) as r:
        r.ask()
        outcome = await r.outcome()
        assert outcome.bridged
        assert call.caller.talks_to(CID)
        assert [a.department for a in outcome.attempts] == ["sales", "support", "support"]
    decided = [event.action for event in told if isinstance(event, FallbackDecided)]
    assert decided == ["go_to", "next"]


async def test_a_number_cold_is_referred_to() -> None:
    transfer = WarmTransfer(OFFICE, department="sales", fallback=Otherwise(GoTo(BOB, cold=True)))
    async with simulate(humans={ANN: Human.busy(), BOB: Human.accepts()}) as call:
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.REFERRED
            assert call.count("refer") == 1
            assert call.count("dial") == 1


@pytest.mark.parametrize("mode", ["music", "conversation"])
async def test_a_refused_refer_is_dialled_and_nobody_is_briefed(mode: Any) -> None:
    transfer = WarmTransfer(ANN, fallback=Otherwise(GoTo(BOB, cold=True)), while_ringing=mode)
    humans = {ANN: Human.busy(), BOB: Human.accepts()}
    async with simulate(humans=humans, refer="refuses") as call, rig(call, transfer.run) as r:
        r.ask()
        outcome = await r.outcome()
        assert outcome.bridged
        assert call.caller.talks_to(BOB)
        assert not call.human(BOB).heard("briefing")


async def test_there_is_no_circle() -> None:
    policy = On({BUSY}, GoTo("support")) | On({BUSY}, GoTo("sales"))
    seen: list[Attempt] = []

    def watching(attempt: Attempt) -> Any:
        seen.append(attempt)

    transfer = WarmTransfer(OFFICE, department="sales", fallback=watching | policy)
    humans = {address: Human.busy() for address in (ANN, BOB, CID)}
    async with simulate(humans=humans) as call, rig(call, transfer.run) as r:
        r.ask()
        outcome = await r.outcome()
        assert outcome.status is BUSY
        assert outcome.caller_present
        # sales, support's first, and, both departments having been gone to, its second.
        assert [a.department for a in outcome.attempts] == ["sales", "support", "support"]
    assert [a.gone_to for a in seen] == [("sales",), ("sales", "support"), ("sales", "support")]


async def test_what_a_policy_sees() -> None:
    seen: list[Attempt] = []

    def policy(attempt: Attempt) -> Any:
        seen.append(attempt)

    transfer = WarmTransfer(OFFICE, department="sales", fallback=policy)
    async with simulate(humans={ANN: Human.busy()}) as call, rig(call, transfer.run) as r:
        r.ask()
        await r.outcome()
        caller = seen[0].caller
        assert caller is not None
        assert (caller.number, caller.kind) == ("+15550199", "phone")
        assert seen[0].department == "sales"
        assert not seen[0].last


async def test_the_tries_of_another_course_are_counted_anew() -> None:
    policy = On({BUSY}, Retry(after=1), times=1) | On({BUSY}, GoTo(BOB))
    async with simulate(humans={ANN: Human.busy(), BOB: Human.busy()}) as call:
        async with rig(call, WarmTransfer(ANN, fallback=policy).run) as r:
            r.ask()
            outcome = await r.outcome()
            dialled = [a.destination and a.destination.address for a in outcome.attempts]
            assert dialled == [ANN, ANN, BOB, BOB]


async def test_what_is_said_between_two_attempts_is_heard_over_the_music() -> None:
    policy = On({BUSY}, GoTo(BOB, say="I am trying a colleague."))
    async with simulate(humans={ANN: Human.busy(), BOB: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(ANN, fallback=policy).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            assert "I am trying a colleague." in r.tts.spoken


async def test_what_cannot_be_spoken_holds_nothing_up() -> None:
    policy = On({BUSY}, GoTo(BOB, say="I am trying a colleague."))
    async with simulate(humans={ANN: Human.busy(), BOB: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(ANN, fallback=policy).run) as r:
            r.tts.synthesize = None  # type: ignore[method-assign,assignment]
            r.ask()
            assert (await r.outcome()).bridged


def test_what_is_not_allowed_is_refused_before_there_is_a_call() -> None:
    fallback = On({BUSY}, Next()) | Otherwise(GoTo("+19005550100"))
    with pytest.raises(DestinationNotAllowedError):
        WarmTransfer(ANN, fallback=fallback, allowed=[ANN])
    with pytest.raises(DestinationNotAllowedError):
        ColdTransfer(ANN, fallback=fallback, guard=DestinationGuard(names=[ANN]))
    with pytest.raises(UnknownDestinationError, match="support"):
        WarmTransfer(OFFICE, department="sales", fallback=Otherwise(GoTo("billing")))


async def test_a_function_gets_past_no_guard() -> None:
    asked: list[Attempt] = []

    def policy(attempt: Attempt) -> Any:
        asked.append(attempt)
        return GoTo(BOB) if len(asked) == 1 else ReturnToAgent("Sorry.")

    transfer = WarmTransfer(ANN, fallback=policy, allowed=[ANN])
    async with simulate(humans={ANN: Human.busy(), BOB: Human.accepts()}) as call:
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.UNAVAILABLE
            assert outcome.said == "Sorry."
            assert not call.human(BOB).rings
    assert [a.status.value for a in asked] == ["busy", "unavailable"]


@pytest.mark.parametrize("kind", ["a number", "no such department"])
async def test_whom_a_function_goes_to_in_vain_stands_in_no_log(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    target = BOB if kind == "a number" else f"Ms Miller of {BOB}"
    asked: list[Attempt] = []

    def policy(attempt: Attempt) -> Any:
        asked.append(attempt)
        return GoTo(target) if len(asked) == 1 else ReturnToAgent("Sorry.")

    to = OFFICE if kind == "no such department" else ANN
    department = "sales" if kind == "no such department" else None
    transfer = WarmTransfer(to, department=department, fallback=policy, allowed=[ANN])
    async with simulate(humans={ANN: Human.busy(), BOB: Human.accepts()}) as call:
        async with rig(call, transfer.run) as r:
            r.ask()
            assert (await r.outcome()).status is TransferStatus.UNAVAILABLE
    (told,) = [one for one in caplog.records if "cannot be rung" in one.message]
    assert BOB in vars(told)["lk.pii.error"]
    assert BOB not in caplog.text
    assert "Error" in caplog.text, "the traceback says what kind of error it was"


async def test_a_department_that_the_router_no_longer_knows() -> None:
    class Changing(Router):
        async def offer(self, request: RouteRequest, attempts: Any) -> Any:
            if request.department == "support":
                raise UnknownDestinationError("department", "support", "it is gone")
            return Offer(self["sales"])

    transfer = WarmTransfer(
        Changing({"sales": ANN, "support": BOB}),
        department="sales",
        fallback=On({BUSY}, GoTo("support")),
    )
    async with simulate(humans={ANN: Human.busy()}) as call, rig(call, transfer.run) as r:
        r.ask()
        outcome = await r.outcome()
        assert outcome.status is TransferStatus.UNAVAILABLE
        assert outcome.caller_present


async def test_max_attempts_bounds_it_and_the_last_word_is_kept() -> None:
    policy = On({BUSY}, Retry(after=1)) | Otherwise(ReturnToAgent("That was all."))
    offers: list[TransferEvent] = []
    transfer = WarmTransfer(ANN, fallback=policy, max_attempts=3, on_event=offers.append)
    async with simulate(humans={ANN: Human.busy()}) as call, rig(call, transfer.run) as r:
        r.ask()
        outcome = await r.outcome()
        assert outcome.said == "That was all."
        assert len(outcome.attempts) == 3
    assert len([event for event in offers if isinstance(event, OfferMade)]) == 3


def test_a_router_with_a_policy_of_one_function_is_not_read() -> None:
    WarmTransfer(OFFICE, department="sales", fallback=lambda a: GoTo("nowhere"))
    WarmTransfer(OFFICE, department="sales", fallback=FallbackPolicy())
    with pytest.raises(ConfigurationError, match="Otherwise"):
        WarmTransfer(ANN, fallback=GoTo("sales"))  # type: ignore[arg-type]
