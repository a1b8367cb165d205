"""Code of the application at every seam, doing what such code does; one table for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from livetransfer import (
    BriefingAgent,
    HoldMusicPlayer,
    HoldMusicProblem,
    HookFailed,
    Router,
    TransferEvent,
    TransferOutcome,
    WarmTransfer,
)
from livetransfer.hold import BUILTIN, Comfort
from livetransfer.testing import Human, Simulation, simulate
from tests.unit.transfers import rig

from .promises import SILENCE
from .tables import check

ANN = "+15550100"
BOUND = 75.0
"""Seconds that the whole of a transfer may take here, whatever the application's code does."""


class Odd(BaseException):
    """No Exception: what a library for plugins raises to leave all of its callers."""


def _raise(error: BaseException) -> Any:
    raise error


async def _after(seconds: float, value: Any) -> Any:
    await asyncio.sleep(seconds)
    return value


Behaviour = Callable[[Any], Any]
"""What the code does, given what it would return if it were well."""

BEHAVIOURS: dict[str, Behaviour] = {
    "20 s": lambda well: _after(20, well),
    "for ever": lambda well: _after(1e6, well),
    "raises": lambda well: _raise(ValueError("no")),
    "raises later": lambda well: _fails_later(ValueError("no")),
    "BaseException": lambda well: _raise(Odd()),
    "cancels itself": lambda well: _fails_later(asyncio.CancelledError()),
    "nothing": lambda well: None,
    "wrong type": lambda well: 5,
    "async": lambda well: _after(0, well),
    "plain": lambda well: well,
}


async def _fails_later(error: BaseException) -> Any:
    await asyncio.sleep(0.1)
    raise error


class Seam:
    """One place where code of the application is called.

    Args:
        make: Makes the transfer, with the code in that place.
        hook: What its events call it; None where a failure there has no event of its own.
        harmless: The behaviours which are well here, so that no event is expected.
    """

    def __init__(
        self, make: Callable[[Behaviour, Any], WarmTransfer], hook: str | None, *harmless: str
    ) -> None:
        self.make, self.hook, self.harmless = make, hook, harmless


def _router(does: Behaviour, tell: Any) -> WarmTransfer:
    class Own(Router):
        def resolve(self, request: Any) -> Any:
            return does([ANN])

    return WarmTransfer(Own({"sales": ANN}), on_event=tell)


def _offer(does: Behaviour, tell: Any) -> WarmTransfer:
    from livetransfer import Destination
    from livetransfer.routing import Offer

    class Own(Router):
        def offer(self, request: Any, attempts: Any) -> Any:
            return None if attempts else does(Offer((Destination(ANN),)))

    return WarmTransfer(Own({"sales": ANN}), on_event=tell)


def _policy(does: Behaviour, tell: Any) -> WarmTransfer:
    from livetransfer import ReturnToAgent

    return WarmTransfer("+15550199", fallback=lambda _: does(ReturnToAgent()), on_event=tell)


def _listener(does: Behaviour, tell: Any) -> WarmTransfer:
    def listen(event: TransferEvent) -> Any:
        tell(event)
        return does(None)

    return WarmTransfer(ANN, on_event=listen)


def _announce(does: Behaviour, tell: Any) -> WarmTransfer:
    class Own(WarmTransfer):
        def announce(self, session: Any) -> Any:
            return does(None)

    return Own(ANN, on_event=tell)


def _brief(does: Behaviour, tell: Any) -> WarmTransfer:
    from livetransfer import Verdict

    class Own(WarmTransfer):
        def brief(self, agent: Any) -> Any:
            return does(Verdict("accepted"))

    return Own(ANN, briefing_timeout=30, on_event=tell)


def _briefing(name: str, well: Any) -> Callable[[Behaviour, Any], WarmTransfer]:
    def make(does: Behaviour, tell: Any) -> WarmTransfer:
        own = type("Own", (BriefingAgent,), {name: lambda self, *_: does(well)})
        return WarmTransfer(ANN, briefing=own, on_event=tell)

    return make


def _factory(does: Behaviour, tell: Any) -> WarmTransfer:
    return WarmTransfer(ANN, briefing=lambda: does(BriefingAgent()), on_event=tell)


def _comfort(does: Behaviour, tell: Any) -> WarmTransfer:
    lines = Comfort(lambda held: does("You are not forgotten."), every=3, first=1)
    return WarmTransfer(ANN, hold_music=HoldMusicPlayer(BUILTIN, comfort=lines), on_event=tell)


def _allowed(does: Behaviour, tell: Any) -> WarmTransfer:
    class Own(Router):
        async def resolve(self, request: Any) -> Any:
            return [ANN]

    return WarmTransfer(Own({"sales": ANN}), allowed=lambda _: does(True), on_event=tell)


def _source(does: Behaviour, tell: Any) -> WarmTransfer:
    async def frames() -> AsyncIterator[rtc.AudioFrame]:
        well = rtc.AudioFrame(np.full(2400, 3000, np.int16).tobytes(), 24_000, 1, 2400)
        while True:
            found = does(well)
            yield await found if asyncio.iscoroutine(found) else found

    return WarmTransfer(ANN, hold_music=frames(), on_event=tell)


SEAMS: dict[str, Seam] = {
    "`Router.resolve`": Seam(_router, "router", "nothing", "async", "plain"),
    "`Router.offer`": Seam(_offer, "router", "nothing", "async", "plain"),
    "the fallback policy": Seam(_policy, "fallback", "nothing", "plain"),
    "`on_event`": Seam(_listener, None),
    "`announce`": Seam(_announce, "announce", "20 s", "nothing", "wrong type", "async", "plain"),
    "`brief`": Seam(_brief, "brief", "20 s", "for ever", "async", "plain"),
    "`summarise`": Seam(
        _briefing("summarise", "A caller."), "summarise", "20 s", "for ever", "async", "plain"
    ),
    "`greeting`": Seam(_briefing("greeting", "Hello."), "greeting", "plain"),
    "`opening`": Seam(_briefing("opening", "Hello."), "opening", "plain"),
    "`question`": Seam(_briefing("question", "May I?"), "question", "plain"),
    "the briefing's factory": Seam(_factory, "briefing", "plain"),
    "a comfort line": Seam(_comfort, None),
    "`allowed`": Seam(_allowed, "allowed", "nothing", "wrong type", "plain"),
    "the hold source": Seam(_source, None),
}

RESULTS: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("does", BEHAVIOURS)
@pytest.mark.parametrize("where", SEAMS)
async def test_the_call_goes_on_or_falls_back(where: str, does: str) -> None:
    seam = SEAMS[where]
    told: list[TransferEvent] = []
    async with simulate(humans={ANN: Human.accepts(after=3)}) as call:
        transfer = seam.make(BEHAVIOURS[does], told.append)
        async with rig(call, transfer.run) as r:
            began = call.now
            r.ask()
            outcome = await r.outcome(within=1000)
            assert call.now - began < BOUND
            await _somebody_to_talk_to(call, outcome)
            _never_in_silence(call, began, outcome)
        call.caller.hang_up()
        await asyncio.sleep(150)  # also a listener that is given up for every event
    _told(seam, does, told)
    RESULTS[where, does] = outcome.status.value


async def _somebody_to_talk_to(call: Simulation, outcome: TransferOutcome) -> None:
    if outcome.bridged:
        assert call.caller.talks_to(ANN)
        return
    assert call.caller.talks_to_ai
    back = call.now
    await asyncio.sleep(8)
    assert call.caller.heard("agent", start=back), "the AI says nothing"
    assert not call.human(ANN).ringing


def _never_in_silence(call: Simulation, began: float, outcome: TransferOutcome) -> None:
    music = call.caller.heard("hold-music")
    if music:
        ends = music[-1].end if outcome.bridged else call.now - 8
        assert call.caller.silence(music[0].start, ends) <= SILENCE
        assert music[0].start - began < 31


def _told(seam: Seam, does: str, told: list[TransferEvent]) -> None:
    hooks = {event.hook for event in told if isinstance(event, HookFailed)}
    problems = [event for event in told if isinstance(event, HoldMusicProblem)]
    if seam.hook is None:
        assert not hooks
    elif does in seam.harmless:
        assert not hooks
        assert not problems
    else:
        assert hooks == {seam.hook}


@pytest.mark.parametrize("where", ["`Router.resolve`", "`Router.offer`", "`announce`", "`brief`"])
async def test_the_callers_hang_up_ends_it_at_once(where: str) -> None:
    told: list[TransferEvent] = []
    async with simulate(humans={ANN: Human.accepts(after=3)}) as call:
        transfer = SEAMS[where].make(BEHAVIOURS["for ever"], told.append)
        async with rig(call, transfer.run) as r:
            r.ask()
            await asyncio.sleep(8)
            call.caller.hang_up()
            left = call.now
            outcome = await r.outcome(within=100)
            assert outcome.status.value == "caller_left"
            assert call.now - left < 6.5  # a human who is being briefed hears why
            assert not call.human(ANN).ringing


def test_the_table_in_the_docs() -> None:
    if len(RESULTS) != len(SEAMS) * len(BEHAVIOURS):
        pytest.skip("the table of the seams needs all of its cells: --dist loadfile")
    lines = [
        "| | " + " | ".join(BEHAVIOURS) + " |",
        "|---" * (len(BEHAVIOURS) + 1) + "|",
    ]
    lines += [
        f"| {where} | " + " | ".join(RESULTS[where, does] for does in BEHAVIOURS) + " |"
        for where in SEAMS
    ]
    check("seams", "\n".join(lines))
