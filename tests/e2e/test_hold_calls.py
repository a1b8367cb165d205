"""Hold music on a real call, for a long time: no window at the caller's phone is without it."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from . import cast, tones
from .behaviour import Answer
from .switchboard import Switchboard

SETTLE = 2.0
"""Seconds after the answer: until then the seal may take the music away for a moment."""

IN_FLIGHT = 0.5
"""Seconds until everything that was on its way has been heard."""


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
    start = time.monotonic()
    await asyncio.sleep(seconds)
    end = time.monotonic()
    await asyncio.sleep(IN_FLIGHT)
    recording = call.caller.recording
    at = recording.times()
    heard = recording.levels()[:, tones.column(cast.MUSIC)] >= tones.AUDIBLE
    inside = heard & (at >= start) & (at < end)
    steps = np.diff(recording.sent()[inside])
    print(f"{inside.sum()} windows with music in {end - start:.1f} s; steps to {max(steps):.3f} s")
    assert max(steps) < 1.5 * tones.WINDOW_S
    # At both ends a window may lie across the moment.
    assert max(at[inside][0] - start, end - at[inside][-1]) < 3.5 * tones.WINDOW_S
