"""Hold music on a real call, for a long time: no window at the caller's phone is without it.

What the phone hears went through the SIP bridge, which keeps 60 ms in stock. Where the machine
itself stands still for longer, every program on it at the same moment, the bridge runs dry; a
window that is missing then, and only then, is not held against the music.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import numpy as np
import pytest

from . import cast, standstill, tones
from .behaviour import Answer
from .switchboard import Switchboard

SETTLE = 2.0
"""Seconds after the answer: until then the seal may take the music away for a moment."""

IN_FLIGHT = 0.5
"""Seconds until everything that was on its way has been heard."""


RECENT = 0.2
"""Seconds after a standstill in which a window may be missing for it: 0.1 s (measured)."""


class Hole(NamedTuple):
    """Windows without music, on end."""

    at: float
    seconds: float


def missing_windows(at: tones.Floats, sent: tones.Floats) -> list[Hole]:
    """Where between the windows with music there is one without, by the sender's clock."""
    steps = np.diff(sent)
    return [
        Hole(float(at[i]), round(float(steps[i]) - tones.WINDOW_S, 3))
        for i in np.flatnonzero(steps >= 1.5 * tones.WINDOW_S)
    ]


@pytest.mark.parametrize(
    "seconds",
    [5.0, pytest.param(600.0, marks=[pytest.mark.slow, pytest.mark.timeout(700)])],
)
async def test_no_window_is_without_music(switchboard: Switchboard, seconds: float) -> None:
    call = await switchboard.call(
        [Answer(after=0.5)], options={"max_hold": 3600, "briefing_timeout": 3600}
    )
    await call.ask()
    human = await call.human()
    await human.hears(cast.BRIEFING)
    await asyncio.sleep(SETTLE)
    with standstill.Witness() as witness:
        start = time.monotonic()
        await asyncio.sleep(seconds)
        end = time.monotonic()
        await asyncio.sleep(IN_FLIGHT)
    recording = call.caller.recording
    at = recording.times()
    heard = recording.levels()[:, tones.column(cast.MUSIC)] >= tones.AUDIBLE
    inside = heard & (at >= start) & (at < end)
    holes = missing_windows(at[inside], recording.sent()[inside])
    excused = [hole for hole in holes if witness.stood_still(hole.at - RECENT, hole.at)]
    print(f"{inside.sum()} windows with music in {end - start:.1f} s")
    for hole in holes:
        why = "the machine stood still" if hole in excused else "no reason"
        print(f"none for {hole.seconds:.2f} s at {hole.at - start:.2f} s: {why}")
    stood = [f"{each.ended - each.began:.3f} at {each.began - start:.2f}" for each in witness.seen]
    print(f"standstills (s): {stood}")
    assert holes == excused
    # At both ends a window may lie across the moment.
    assert max(at[inside][0] - start, end - at[inside][-1]) < 3.5 * tones.WINDOW_S
