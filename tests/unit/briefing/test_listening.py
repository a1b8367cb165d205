"""A recogniser is asked from the answer on, and not while the phone rings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from livetransfer import BriefingAgent, WarmTransfer
from livetransfer.briefing.listen_from_answer import from_answer_on
from livetransfer.testing import Human, Press, Wait, simulate
from tests.e2e.scripted_stt import ScriptedSTT
from tests.unit.transfers import rig

ANN = "+15550100"


class CountedSTT(ScriptedSTT):
    """Notes when its streams are opened."""

    def __init__(self) -> None:
        super().__init__({})
        self.opened: list[float] = []

    def stream(self, **options: Any) -> Any:
        self.opened.append(asyncio.get_running_loop().time())
        return super().stream(**options)


async def opened(human: Human, kind: type[BriefingAgent] = BriefingAgent) -> list[float]:
    """When, after the transfer was asked for, streams were opened for the human."""
    stt = CountedSTT()
    async with simulate(humans={ANN: human}) as call:
        transfer = WarmTransfer(ANN, ring_timeout=20, briefing=lambda: kind(stt=stt))
        async with rig(call, transfer.run) as r:
            began = asyncio.get_running_loop().time()
            r.ask()
            await r.outcome()
            return [at - began for at in stt.opened]


async def test_no_recogniser_is_asked_while_it_rings() -> None:
    (at,) = await opened(Human(ring=8, script=[Wait(5), Press("1"), Wait(60)]))
    assert 8 <= at < 9.5


async def test_nor_for_a_phone_that_nobody_answers() -> None:
    assert await opened(Human.no_answer()) == []


async def test_an_agent_that_overrides_the_node_iterates_over_ours() -> None:
    class Written(BriefingAgent):
        async def stt_node(self, audio: Any, model_settings: Any) -> Any:
            async for event in super().stt_node(audio, model_settings):
                yield event

    (at,) = await opened(Human(ring=8, script=[Wait(5), Press("1"), Wait(60)]), Written)
    assert 8 <= at < 9.5


class Line:
    """Frames, given one by one, and when it is asked for the next."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[int | None] = asyncio.Queue()
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[int]:
        try:
            while (frame := await self.frames.get()) is not None:
                yield frame
        finally:
            self.closed = True


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_before_the_answer_is_dropped_and_nothing_after_it() -> None:
    line, answered = Line(), asyncio.get_running_loop().create_future()
    heard = asyncio.ensure_future(from_answer_on(line, answered))
    for frame in (1, 2):
        line.frames.put_nowait(frame)
        await settle()
    assert not heard.done()
    answered.set_result(None)
    frames = await heard
    for each in (3, 4, None):
        line.frames.put_nowait(each)
    assert [frame async for frame in frames] == [3, 4]


async def test_a_line_that_ends_while_it_rings() -> None:
    line, answered = Line(), asyncio.get_running_loop().create_future()
    heard = asyncio.ensure_future(from_answer_on(line, answered))
    line.frames.put_nowait(None)
    await settle()
    assert not heard.done()
    answered.set_result(None)
    assert [frame async for frame in await heard] == []


@pytest.mark.parametrize("answers", [False, True])
async def test_who_is_cancelled_leaves_nothing_behind(answers: bool) -> None:
    line, answered = Line(), asyncio.get_running_loop().create_future()

    async def listen() -> None:
        async for _ in await from_answer_on(line, answered):
            pass

    before = asyncio.all_tasks()
    listening = asyncio.ensure_future(listen())
    await settle()
    if answers:
        answered.set_result(None)
        await settle()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert asyncio.all_tasks() == before
    assert line.closed


async def test_an_answer_that_is_cancelled_is_one() -> None:
    line, answered = Line(), asyncio.get_running_loop().create_future()
    answered.cancel()
    frames = await from_answer_on(line, answered)
    line.frames.put_nowait(1)
    line.frames.put_nowait(None)
    assert [frame async for frame in frames] == [1]
