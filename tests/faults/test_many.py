"""Hundreds of transfers at the same time: each ends as scripted, and nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter
from itertools import pairwise

import pytest

from livetransfer import Phase, WarmTransfer

from .conftest import settled
from .promises import check_promises
from .scene import ANN, Scene, stage
from .script import HUMANS

CAST: tuple[tuple[str, str, str | None], ...] = (
    ("accepts", "bridged", None),
    ("asks, then accepts", "bridged", None),
    ("declines", "declined", None),
    ("busy", "busy", None),
    ("does not answer", "no_answer", None),
    ("hangs up", "human_left", None),
    ("rejects", "declined", None),
    ("silent", "caller_left", "caller"),
    ("silent", "timed_out", None),
    ("accepts", "cancelled", "cancel"),
)
"""Who answers, what comes of it, and who ends it before."""


EACH = 4096
"""Bytes that may stay of a transfer, for the test's own records: a log line, a task's name."""

CACHES = 512 * 1024
"""Bytes that the caches of the interpreter and its libraries may still grow by."""


async def one(number: int) -> str:
    """Run one transfer; return what became of it."""
    human, expected, ends = CAST[number % len(CAST)]
    async with stage(
        lambda listen: WarmTransfer(ANN, on_event=listen, ring_timeout=10, briefing_timeout=15),
        humans={ANN: HUMANS[human]},
    ) as scene:
        await asyncio.sleep(number % 7 * 0.3)
        if ends == "caller":
            scene.when(Phase.BRIEFING, Scene.caller_hangs_up, 1)
        elif ends == "cancel":
            scene.when(Phase.RINGING, Scene.cancel, 0.5)
        scene.ask()
        await scene.over()
        await scene.settle()
        outcome = scene.outcome
        became = outcome.status.value if outcome is not None else "cancelled"
        assert became == expected, (human, became, scene.result)
        await check_promises(scene)
        return became


async def together(count: int) -> Counter[str]:
    """Run `count` of them at the same time."""
    return Counter(await asyncio.gather(*(one(i) for i in range(count))))


@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.slow)])
async def test_at_the_same_time(count: int) -> None:
    before = asyncio.all_tasks()
    became = await together(count)
    assert became == Counter(expected for _, expected, _ in CAST * (count // len(CAST)))
    await settled(before)
    gc.collect()
    left = [task for task in asyncio.all_tasks() if task not in before]
    assert not left, Counter(str(task.get_coro()) for task in left)


@pytest.mark.parametrize("count", [40, pytest.param(250, marks=pytest.mark.slow)])
async def test_memory_is_flat(count: int) -> None:
    """After the first ones, which fill what is kept for the process."""
    await together(50)
    await together(count)
    gc.collect()
    tracemalloc.start()
    stays = []
    try:
        for _ in range(3):
            await together(count)
            gc.collect()
            stays.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # What leaks does so each time; a cache (of the lines of a traceback, say) is filled once.
    grown = [after - before for before, after in pairwise(stays)]
    assert min(grown) < count * EACH + CACHES, f"{min(grown) / count:.0f} bytes stay of each"
