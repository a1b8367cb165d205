"""Several humans in one call: each on a leg of its own, sealed from the caller and the others."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest

from livetransfer.control import Leg, LegAnswered, LegLeft, LegRinging
from livetransfer.errors import DialFailed

from .rigs import Answers, Events, Listener, Rig, RingsOn, answered

INSTANTS = 0.2
"""Seconds, right after an answer, in which voices may meet for instants."""
PAIRS: list[tuple[Listener, Listener]] = list(permutations(("caller", "human", "second"), 2))


async def both_answered(rig: Rig) -> tuple[Leg, Leg]:
    """Two phones ring at a time, and both are answered."""
    first, second = await asyncio.gather(
        answered(rig, "human-1"), answered(rig, "human-2", who="second", after=0.5)
    )
    return first, second


def hear_each_other(rig: Rig) -> set[tuple[Listener, Listener]]:
    """Who has heard whom."""
    return {(one, other) for one, other in PAIRS if rig.heard(one, other)}


async def test_all_are_sealed_from_each_other(rig: Rig) -> None:
    await both_answered(rig)
    await rig.run(INSTANTS)
    rig.forget()
    await rig.run(1.5)
    assert hear_each_other(rig) == set()


async def test_the_first_is_sealed_while_the_second_answers(rig: Rig) -> None:
    await answered(rig, "human-1")
    await rig.run(INSTANTS)
    rig.forget()
    await answered(rig, "human-2", who="second", after=0.5)
    await rig.run(1.0)
    assert rig.heard("human", "caller") == rig.heard("caller", "human") == 0
    assert rig.heard("human", "second") == 0


@pytest.mark.parametrize("bridged", ["human", "second"])
async def test_who_is_not_bridged_stays_sealed(rig: Rig, bridged: Listener) -> None:
    legs = dict(zip(("human", "second"), await both_answered(rig), strict=True))
    other: Listener = "second" if bridged == "human" else "human"
    await rig.control.bridge(legs[bridged])
    await asyncio.gather(rig.hears("caller", bridged), rig.hears(bridged, "caller"))
    rig.forget()
    await rig.run(1.0)
    assert hear_each_other(rig) == {("caller", bridged), (bridged, "caller")}
    # The other is let go: the two do not notice.
    await rig.control.hang_up(legs[other])
    assert rig.state_of(bridged) == "talking"  # type: ignore[arg-type]
    rig.forget()
    await rig.run(1.0)
    assert rig.heard("caller", bridged) > 900
    assert rig.heard(bridged, "caller") > 900


async def test_a_briefing_is_for_one_of_them(rig: Rig) -> None:
    conversations = [await rig.control.open_conversation(f"human-{n}") for n in (1, 2)]
    await rig.brief(conversations[0])
    await both_answered(rig)
    await rig.hears("human", "briefing", 1.0)
    await rig.run(1.0)
    assert rig.heard("second", "briefing") == rig.heard("caller", "briefing") == 0
    await rig.brief(conversations[1])
    await rig.hears("second", "briefing", 1.0)
    await conversations[0].aclose()
    await rig.deaf_to("human", "briefing", 1.0)
    rig.forget()
    await rig.run(0.5)
    assert rig.heard("second", "briefing") > 400
    await conversations[1].aclose()


async def test_one_stops_ringing_the_other_rings_on(rig: Rig) -> None:
    events = Events(rig.control)
    first = asyncio.create_task(
        rig.control.dial(rig.human(RingsOn()), identity="human-1", ring_timeout=20.0)
    )
    destination = rig.human(Answers(after=2.5), "second")
    second = asyncio.create_task(
        rig.control.dial(destination, identity="human-2", ring_timeout=20.0)
    )
    await events.wait(LegRinging, "human-1")
    await events.wait(LegRinging, "human-2")
    await rig.control.hang_up(Leg("human-1"))
    with pytest.raises(DialFailed):
        await first
    await rig.human_is("ended", 1.0)
    assert rig.state_of("second") == "ringing"
    assert await second == Leg("human-2", destination)
    assert events.of(LegAnswered, "human-2")
    assert not events.of(LegAnswered, "human-1")


async def test_one_hangs_up_the_other_is_still_there(rig: Rig) -> None:
    _, second = await both_answered(rig)
    events = Events(rig.control)
    await rig.hang_up("human")
    await events.wait(LegLeft, "human-1", within=1.0)
    assert not events.of(LegLeft, "human-2")
    await rig.control.bridge(second)
    await asyncio.gather(rig.hears("caller", "second"), rig.hears("second", "caller"))
