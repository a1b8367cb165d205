"""How long the parties wait, on virtual time, also where no request is ever answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livetransfer import ColdTransfer, Phase, Retry, WarmTransfer
from livetransfer._flow.hang_up import PURSUED
from livetransfer.testing import Human, Ring

from .cells import DELAY
from .promises import RESTORED, STOPS_RINGING, check_promises
from .scene import ANN, ANNOUNCEMENT, Scene, stage

INTERRUPTIBLE = (
    Phase.ANNOUNCING,
    Phase.HOLDING,
    Phase.DIALLING,
    Phase.RINGING,
    Phase.BRIEFING,
    Phase.BRIDGING,
    Phase.REFERRING,
)
VERBS = (
    "bridge",
    "dial",
    "open_audio",
    "open_conversation",
    "refer",
    "start_conversation",
)


def staged(phase: Phase, **options: Any) -> Any:
    """Stage a call whose `phase` lasts."""
    if phase is Phase.ANNOUNCING:
        options["announcement"] = ANNOUNCEMENT
    if phase is Phase.HOLDING:
        options["fallback"] = lambda attempt: Retry(after=6.0)
    kind: Any = ColdTransfer if phase is Phase.REFERRING else WarmTransfer
    human = [Human.busy(), Human.accepts(3)] if phase is Phase.HOLDING else Human.accepts(3)
    return stage(lambda listen: kind(ANN, on_event=listen, **options), humans={ANN: human})


def disturb(scene: Scene, phase: Phase, dead: str, act: Any) -> None:
    """Let `act` happen in `phase`, in which what is `dead` never answers from then on."""
    faults = scene.call.faults
    if phase is Phase.DIALLING:
        faults.delay("dial", 3.0)
    if phase in (Phase.BRIDGING, Phase.REFERRING):
        faults.delay("bridge" if phase is Phase.BRIDGING else "refer", 3.0)

    def now(scene: Scene) -> None:
        if dead in ("hang-up once", "everything once"):
            faults.never("hang_up")
        if dead == "hang-up":
            faults.never("hang_up", times=None)
            scene.broken_hang_up = True
        if dead == "everything once":
            for verb in VERBS:
                faults.never(verb)
        act(scene)

    scene.when(phase, now, DELAY[phase], nth=2 if phase is Phase.HOLDING else 1)


@pytest.mark.parametrize("dead", ["nothing", "hang-up once", "hang-up", "everything once"])
@pytest.mark.parametrize("phase", INTERRUPTIBLE, ids=str)
async def test_cancelled_the_caller_has_the_ai_at_once(phase: Phase, dead: str) -> None:
    async with staged(phase) as scene:
        disturb(scene, phase, dead, Scene.cancel)
        scene.ask()
        while scene.cancelled is None:
            await asyncio.sleep(0.01)
        while not scene.call.caller.talks_to_ai or scene.call.caller.hears("hold-music"):
            assert scene.call.now - scene.cancelled <= RESTORED
            await asyncio.sleep(0.01)
        await scene.over()
        assert (scene.returned or 0) - scene.cancelled <= 5.0
        await scene.settle(PURSUED + 10 if scene.broken_hang_up else 8)
        scene.slow_hang_up = dead != "nothing"
        await check_promises(scene)


@pytest.mark.parametrize("dead", ["nothing", "hang-up once", "hang-up", "everything once"])
@pytest.mark.parametrize("phase", INTERRUPTIBLE, ids=str)
async def test_the_caller_hangs_up_and_no_phone_rings_any_more(phase: Phase, dead: str) -> None:
    async with staged(phase) as scene:
        disturb(scene, phase, dead, Scene.caller_hangs_up)
        scene.ask()
        while scene.caller_left is None:
            await asyncio.sleep(0.01)
        phone = scene.call.human(ANN)
        while phone.ringing:
            assert scene.call.now - scene.caller_left <= STOPS_RINGING
            await asyncio.sleep(0.01)
        await scene.over()
        assert (scene.returned or 0) - scene.caller_left <= 11
        await scene.settle(PURSUED + 10 if scene.broken_hang_up else 8)
        assert not phone.ringing
        scene.slow_hang_up = dead != "nothing"
        await check_promises(scene, bound=11)


async def test_a_phone_that_rings_although_its_request_is_lost_stops_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its ringing goes on on the other side until a hang-up arrives."""
    async with stage(lambda listen: WarmTransfer(ANN, on_event=listen)) as scene:
        phone = scene.call.human(ANN)
        end = phone.end

        def ends(ring: Ring, how: str, **options: Any) -> None:
            if how != "the dial was cancelled":
                end(ring, how, **options)

        monkeypatch.setattr(phone, "end", ends)
        scene.call.faults.never("hang_up")
        scene.when(Phase.RINGING, Scene.caller_hangs_up, 1.0)
        scene.ask()
        await scene.over()
        await scene.settle()
        await check_promises(scene)
