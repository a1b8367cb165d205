"""After every test: nothing of any transfer is left in the process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from livetransfer._flow import hold_line
from livetransfer._tasks import kept

GRACE = 0.2
"""Real seconds for the last turns of the loop."""


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """Fail if a task, a step that is kept, a tail of music, or an error nobody saw is left."""
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    unseen: list[str] = []
    loop.set_exception_handler(lambda _, context: unseen.append(str(context)))
    yield
    await settled(before)
    gc.collect()
    assert not unseen, unseen


async def settled(before: set[asyncio.Task[object]]) -> None:
    """Assert that no task of a transfer runs that did not run `before`.

    Raises:
        AssertionError: One does.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + GRACE
    while (left := _left(before)) and loop.time() < until:
        await asyncio.sleep(0.01)
    assert not left, left


def _left(before: set[asyncio.Task[object]]) -> list[str]:
    me = asyncio.current_task()
    left = [
        repr(task)
        for task in asyncio.all_tasks()
        if task not in before and task is not me and _ours(task)
    ]
    left += [f"kept: {task!r}" for task in kept()]
    left += [f"a tail of {tail!r}" for tail in hold_line._tails.values()]
    return left


def _ours(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return "livetransfer" in task.get_name() or (
        code is not None
        and "/livetransfer/" in code.co_filename
        and "/testing/" not in code.co_filename
    )
