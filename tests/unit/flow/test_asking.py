"""A router of the application's own, asked inside the run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from livetransfer import (
    Destination,
    FallbackPolicy,
    GoTo,
    HangUp,
    HookFailed,
    Next,
    OfferMade,
    On,
    Otherwise,
    Retry,
    Router,
    RouteRequest,
    TransferEvent,
    TransferStatus,
    UnknownDestinationError,
    WarmTransfer,
)
from livetransfer.outcome import Attempt
from livetransfer.routing import Offer, Wait
from livetransfer.testing import Human, Simulation, simulate
from tests.unit.transfers import rig

ANN, BOB = "+15550100", "+15550101"


class Found(Router):
    """Finds what it was given; raises it where it is an error."""

    def __init__(self, *found: Any, after: float = 0.0) -> None:
        super().__init__({"sales": ANN})
        self._found, self._after = list(found), after
        self.asked: list[RouteRequest] = []

    async def resolve(self, request: RouteRequest) -> Any:
        self.asked.append(request)
        await asyncio.sleep(self._after)
        found = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(found, BaseException):
            raise found
        return found


class Offers(Router):
    """Makes one offer after the other, then says that there is nobody."""

    def __init__(self, *offers: Offer | Wait | None) -> None:
        super().__init__({"sales": ANN})
        self._offers = list(offers)
        self.seen: list[int] = []

    def offer(self, request: RouteRequest, attempts: Sequence[Attempt]) -> Any:
        self.seen.append(len(attempts))
        return self._offers.pop(0) if self._offers else None


@pytest.mark.parametrize("found", ["+15550100", Destination(ANN), [ANN], (Destination(ANN),)])
async def test_it_may_find_one_or_several(found: object) -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(Found(found)).run) as r:
            r.ask()
            assert (await r.outcome()).bridged


@pytest.mark.parametrize(
    "found", [5, "nobody", {"+15550177": 1}, ValueError("no"), [5], KeyError(ANN)], ids=repr
)
async def test_one_that_fails_is_an_outcome_and_nobody_is_rung(
    found: object, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[TransferEvent] = []
    async with simulate(humans={ANN: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(Found(found), on_event=told.append).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.UNAVAILABLE
            assert outcome.destination is None
            assert outcome.attempts[0].destination is None
            assert ANN not in str(outcome)
            await asyncio.sleep(3)
            assert call.caller.talks_to_ai
            assert not call.human(ANN).rings
    failed = [event for event in told if isinstance(event, HookFailed)]
    assert [event.hook for event in failed] == ["router"]
    assert "a router failed" in caplog.text
    assert ANN not in caplog.text


@pytest.mark.parametrize("found", [None, [], ()], ids=repr)
async def test_one_that_finds_nobody_is_an_outcome_too(found: object) -> None:
    told: list[TransferEvent] = []
    async with simulate(humans={ANN: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(Found(found), on_event=told.append).run) as r:
            r.ask()
            assert (await r.outcome()).status is TransferStatus.UNAVAILABLE
    assert not [event for event in told if isinstance(event, HookFailed)]


async def test_one_that_never_returns_is_given_up_and_the_caller_hears_music() -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        transfer = WarmTransfer(Found(ANN, after=1e6), announcement="One moment.")
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.UNAVAILABLE
            assert "10 s" in (outcome.reason or "")
            music = call.caller.heard("hold-music")
            assert sum(heard.end - heard.start for heard in music) > 8.5


async def test_a_slow_one_finds_the_caller_on_hold_and_the_human_in_the_end() -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(Found(ANN, after=8.0)).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            assert call.caller.heard("hold-music")


async def test_the_callers_hang_up_ends_the_look_up() -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(Found(ANN, after=8.0)).run) as r:
            r.ask()
            await asyncio.sleep(3)
            call.caller.hang_up()
            at = call.now
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.CALLER_LEFT
            assert call.now - at < 0.5
            assert not call.human(ANN).rings


async def test_an_unknown_department_is_an_error_that_a_model_can_mend() -> None:
    from livekit.agents import ToolError

    async with simulate() as call:
        transfer = WarmTransfer(Found(UnknownDestinationError("department", "x", "use sales")))
        async with rig(call, transfer.run) as r:
            r.ask()
            with pytest.raises(UnknownDestinationError) as caught:
                await r.outcome()
            assert isinstance(caught.value, ToolError)


async def test_retry_asks_the_router_again_where_it_found_nobody() -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        router = Found([], ANN)
        transfer = WarmTransfer(router, fallback=lambda attempt: Retry(after=2))
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            assert [a.status.value for a in outcome.attempts] == ["unavailable", "bridged"]


async def test_next_returns_to_the_ai_where_it_found_nobody() -> None:
    async with simulate() as call:
        async with rig(call, WarmTransfer(Found([]), fallback=lambda attempt: Next()).run) as r:
            r.ask()
            assert (await r.outcome()).status is TransferStatus.UNAVAILABLE


async def test_offers_are_asked_for_before_each_attempt() -> None:
    told: list[TransferEvent] = []
    humans = {ANN: Human.busy(), BOB: Human.accepts()}
    async with simulate(humans=humans) as call:
        router = Offers(Offer((Destination(ANN),)), Offer((Destination(BOB),), queue="sales"))
        async with rig(call, WarmTransfer(router, on_event=told.append).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            assert router.seen == [0, 1]
    offers = [event for event in told if isinstance(event, OfferMade)]
    assert [event.queue for event in offers] == [None, "sales"]


async def test_after_the_last_offer_nobody_is_left() -> None:
    async with simulate(humans={ANN: Human.busy()}) as call:
        async with rig(call, WarmTransfer(Offers(Offer((Destination(ANN),)))).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert [a.status.value for a in outcome.attempts] == ["busy", "unavailable"]


class Queued:
    """A place in a queue of one, whose turn comes after some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.left = 0

    async def changed(self) -> None:
        await asyncio.sleep(self._seconds)

    async def leave(self) -> None:
        self.left += 1


async def test_waiting_is_on_hold_is_told_and_does_not_count_as_hold() -> None:
    told: list[TransferEvent] = []
    place = Queued(100)
    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:
        router = Offers(Wait(place, "sales", 1, 90.0), Offer((Destination(ANN),)))
        transfer = WarmTransfer(router, max_hold=20, on_event=told.append)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            assert outcome.timings["waiting"] == pytest.approx(100, abs=1)
            assert outcome.attempts[0].waited == pytest.approx(100, abs=1)
            assert place.left == 0


async def test_max_wait_ends_the_wait_and_the_place_is_given_up() -> None:
    place = Queued(1e6)
    async with simulate() as call:
        router = Offers(Wait(place, "sales", 3, None, max_wait=60))
        async with rig(call, WarmTransfer(router, max_hold=20).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.UNAVAILABLE
            assert place.left == 1


async def test_who_hangs_up_in_the_queue_gives_up_the_place() -> None:
    place = Queued(1e6)
    async with simulate() as call:
        async with rig(call, WarmTransfer(Offers(Wait(place, "sales"))).run) as r:
            r.ask()
            await asyncio.sleep(30)
            call.caller.hang_up()
            assert (await r.outcome()).status is TransferStatus.CALLER_LEFT
            await asyncio.sleep(1)
            assert place.left == 1


async def test_the_exit_key_leaves_the_queue() -> None:
    place = Queued(1e6)
    async with simulate() as call:
        async with rig(call, WarmTransfer(Offers(Wait(place)), exit_key="*").run) as r:
            r.ask()
            await asyncio.sleep(30)
            call.caller.press("*")
            assert (await r.outcome()).status is TransferStatus.CANCELLED
            await asyncio.sleep(1)
            assert place.left == 1


async def test_the_fallback_decides_what_follows_the_exit_key_in_a_queue() -> None:
    seen: list[Attempt] = []

    def policy(attempt: Attempt) -> Any:
        seen.append(attempt)
        return GoTo("sales")

    async with simulate() as call:
        transfer = WarmTransfer(
            Offers(Wait(Queued(1e6), "sales", 1)), exit_key="*", fallback=policy
        )
        async with rig(call, transfer.run) as r:
            r.ask()
            call.at(30, lambda: call.caller.press("*"))
            outcome = await r.outcome()
    assert outcome.status is TransferStatus.CANCELLED
    assert outcome.reason == "the caller pressed the exit key"
    (attempt,) = seen
    assert (attempt.status, attempt.last) == (TransferStatus.CANCELLED, True)
    assert attempt.queue is not None
    assert outcome.attempts == (attempt,)


@pytest.mark.parametrize(
    ("policy", "stays"),
    [
        (On("cancelled", HangUp()) | FallbackPolicy(), False),
        (FallbackPolicy(finally_="hang_up"), True),
        (Otherwise(HangUp()), True),
        (None, True),
    ],
)
async def test_after_it_he_is_hung_up_only_where_a_rule_says_so(policy: Any, stays: bool) -> None:
    async with simulate() as call:
        transfer = WarmTransfer(Offers(Wait(Queued(1e6))), exit_key="*", fallback=policy)
        async with rig(call, transfer.run) as r:
            r.ask()
            call.at(30, lambda: call.caller.press("*"))
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.CANCELLED
            assert outcome.caller_present is stays


async def test_the_key_counts_while_a_router_is_asked_again() -> None:
    lease = Taken()

    class Slow(Offers):
        async def offer(self, request: RouteRequest, attempts: Sequence[Attempt]) -> Any:
            if request.queued:
                await asyncio.sleep(5)
            return super().offer(request, attempts)

    async with simulate(humans={ANN: Human.accepts()}) as call:
        router = Slow(Wait(Queued(10)), Offer((Destination(ANN),), leases=(lease,)))
        async with rig(call, WarmTransfer(router, exit_key="*").run) as r:
            r.ask()
            call.at(13, lambda: call.caller.press("*"))
            assert (await r.outcome()).status is TransferStatus.CANCELLED
            await asyncio.sleep(1)
    assert lease.released == [TransferStatus.ANSWERED_ELSEWHERE]
    assert not call.human(ANN).rings


@pytest.mark.parametrize("talks", [False, True], ids=["on hold", "the AI goes on talking"])
async def test_a_router_knows_how_long_he_has_waited_and_in_this_queue(talks: bool) -> None:
    asked: list[tuple[float, float]] = []

    class Asked(Offers):
        def offer(self, request: RouteRequest, attempts: Sequence[Attempt]) -> Any:
            asked.append((request.waited, request.queued))
            return super().offer(request, attempts)

    ann = Offer((Destination(ANN),), ring_timeout=10)
    router = Asked(ann, Wait(Queued(30)), ann, Wait(Queued(20)), None, Wait(Queued(10)), None)
    policy = On("no_answer", Retry(after=0)) | On("unavailable", GoTo("sales"))
    async with simulate(humans={ANN: Human.silent(after=100)}) as call:
        transfer = WarmTransfer(
            router,
            fallback=policy,
            while_ringing="conversation" if talks else "music",
        )
        async with rig(call, transfer.run) as r:
            r.ask()
            await asyncio.sleep(120)
    waited = [waited for waited, _ in asked]
    assert [round(queued) for _, queued in asked] == [0, 0, 30, 30, 50, 0, 10]
    expected = [0, 0, 30, 30, 50, 50, 60] if talks else [0, 10, 40, 50, 70, 70, 80]
    assert waited == pytest.approx(expected, abs=2.5)


class Late(Router):
    """Offers somebody when it is too late."""

    def __init__(self, call: Simulation, lease: Taken, how: str) -> None:
        super().__init__({"sales": ANN})
        self._call, self._lease, self._how = call, lease, how

    async def offer(self, request: RouteRequest, attempts: Sequence[Attempt]) -> Offer:
        if self._how == "in the same instant":
            await asyncio.sleep(3)
            self._call.caller.hang_up()
        else:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
        return Offer((Destination(ANN),), leases=(self._lease,))


@pytest.mark.parametrize("how", ["in the same instant", "after a hang-up", "after route_timeout"])
async def test_an_offer_that_comes_too_late_is_given_back(how: str) -> None:
    lease = Taken()
    async with simulate(humans={ANN: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(Late(call, lease, how)).run) as r:
            r.ask()
            if how == "after a hang-up":
                call.at(5, call.caller.hang_up)
            await r.outcome()
            await asyncio.sleep(1)
    assert lease.released == [TransferStatus.ANSWERED_ELSEWHERE]


class Restless:
    """A place that always says that it has changed, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def changed(self) -> None:
        if self._error is not None:
            raise self._error

    async def leave(self) -> None:
        raise ConnectionError("the store is gone")


@pytest.mark.parametrize("error", [None, ConnectionError("gone")], ids=["restless", "fails"])
async def test_a_place_that_does_not_wait_does_not_turn_the_loop_and_ends_in_time(
    error: Exception | None,
) -> None:
    place = Restless(error)
    async with simulate() as call:
        router = Offers(*[Wait(place, "sales", 1, max_wait=30)] * 500)
        async with rig(call, WarmTransfer(router).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.UNAVAILABLE
            assert len(router.seen) < 160
            assert outcome.timings["waiting"] == pytest.approx(30, abs=1)


class Taken:
    """A lease that notes what it is told."""

    member = "ann"

    def __init__(self) -> None:
        self.released: list[TransferStatus] = []

    async def talking(self) -> None:
        """The member talks."""

    async def release(self, status: TransferStatus, *, talked: bool = False) -> None:
        """The member is done."""
        self.released.append(status)

    async def leave_talking(self) -> None:
        """The member talks on."""


async def test_the_leases_of_an_offer_that_is_refused_are_given_back_at_once() -> None:
    lease = Taken()
    router = Offers(Offer((Destination(ANN),), leases=(lease,)))
    async with simulate(humans={ANN: Human.accepts()}) as call:
        transfer = WarmTransfer(router, allowed=["+49*"])
        async with rig(call, transfer.run) as r:
            outcome = await transfer.run(r.session)
    assert outcome.status is TransferStatus.UNAVAILABLE
    assert lease.released == [TransferStatus.ANSWERED_ELSEWHERE]
    assert not call.human(ANN).rings
