"""examples/hold_music.py does what it says."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

from livetransfer.testing import virtual_time
from tests.unit.test_examples import load

from .hold_kit import RATE, FakeSink, encoded, quietest, tone


class Line:
    """As much of a CallControl as music needs."""

    def __init__(self) -> None:
        self.sink = FakeSink()
        self.to: list[str] = []

    async def open_audio(self, to: Any, *, name: str = "") -> FakeSink:
        self.to = list(to)
        return self.sink


def example() -> ModuleType:
    return load("hold_music")


async def test_music_while_the_warehouse_is_asked() -> None:
    async with virtual_time() as clock:
        line = Line()
        answer = await example().look_up(line, "caller", "42")
        assert answer == "Order 42 was sent this morning."
        assert line.to == ["caller"]
        assert line.sink.closed
        assert clock.elapsed < 9
        heard = line.sink.heard
        assert 7.8 < len(heard) / RATE < 9
        assert quietest(heard[RATE : 8 * RATE]) > -60
        assert line.sink.gaps == []


async def test_lines_now_and_then() -> None:
    async with virtual_time():
        line = Line()
        thanks = encoded(tone(2, 1300))
        await example().with_a_line_now_and_then(line, "caller", thanks)
        assert line.sink.gaps == []
        await asyncio.sleep(0)
        assert len(line.sink.heard) / RATE > 22
