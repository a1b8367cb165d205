"""The audio of a participant as frames: newest track, bounded queue, an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from livekit import rtc

from livetransfer._livekit.leg_audio import RoomLegAudio
from livetransfer._livekit.leg_room import Place

from .livekit_fakes import FakeRoom, fake_call

HUMAN = "human-1"
N = 320


def frame(level: int = 0) -> rtc.AudioFrame:
    return rtc.AudioFrame(bytes([level, 0]) * N, 16_000, 1, N)


@dataclass
class Event:
    frame: rtc.AudioFrame


class Stream:
    """The frames of one track, as a test gives them."""

    opened: list[Stream]

    def __init__(self, track: Any, rate: int) -> None:
        self.track, self.rate = track, rate
        self.closed = False
        self._queue: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()
        self.opened.append(self)

    def give(self, *levels: int) -> None:
        for level in levels:
            self._queue.put_nowait(frame(level))

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            yield Event(await self._queue.get())

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def streams() -> list[Stream]:
    Stream.opened = []
    return Stream.opened


def listening(joined: bool = True) -> tuple[FakeRoom, RoomLegAudio]:
    room, wire, events = fake_call()
    if joined:
        room.join(HUMAN)
    audio = RoomLegAudio(Place(wire, events), HUMAN, 16_000, Stream)
    if joined:
        room.publish(HUMAN, "TR_1")
    return room, audio


def level(got: rtc.AudioFrame) -> int:
    return bytes(got.data)[0]


async def test_frames_come_in_order(streams: list[Stream]) -> None:
    _, audio = listening()
    await asyncio.sleep(0)
    streams[0].give(1, 2, 3)
    assert [level(await audio.__anext__()) for _ in range(3)] == [1, 2, 3]
    assert (streams[0].rate, audio.sample_rate, audio.dropped) == (16_000, 16_000, 0)
    await audio.aclose()


async def test_it_waits_for_who_is_not_there_yet(streams: list[Stream]) -> None:
    room, audio = listening(joined=False)
    taking = asyncio.create_task(audio.__anext__())
    await asyncio.sleep(0.01)
    room.publish("caller", "TR_other")
    room.join(HUMAN)
    room.publish(HUMAN, "TR_1")
    await asyncio.sleep(0)
    assert len(streams) == 1  # the caller is somebody else
    streams[0].give(7)
    assert level(await taking) == 7
    await audio.aclose()


async def test_the_newest_track_counts(streams: list[Stream]) -> None:
    room, audio = listening()
    await asyncio.sleep(0)
    room.publish(HUMAN, "TR_2")
    await asyncio.sleep(0.01)
    assert streams[0].closed
    streams[1].give(2)
    assert level(await audio.__anext__()) == 2
    await audio.aclose()
    assert streams[1].closed


async def test_two_seconds_are_kept(streams: list[Stream]) -> None:
    _, audio = listening()
    await asyncio.sleep(0)
    streams[0].give(*range(150))
    await asyncio.sleep(0.01)
    assert audio.dropped == pytest.approx(1.0)
    assert level(await audio.__anext__()) == 50
    await audio.aclose()


@pytest.mark.parametrize("how", ["left", "lost", "disconnected"])
async def test_what_is_queued_comes_before_the_end(streams: list[Stream], how: str) -> None:
    room, audio = listening()
    before = room.listening
    await asyncio.sleep(0)
    streams[0].give(1, 2)
    await asyncio.sleep(0.01)
    if how == "left":
        room.leave(HUMAN)
    elif how == "lost":
        room.emit("disconnected")
    else:
        room.emit("connection_state_changed", rtc.ConnectionState.CONN_DISCONNECTED)
    assert [level(got) async for got in audio] == [1, 2]
    await asyncio.sleep(0.01)
    assert streams[0].closed
    assert room.listening == before - 4
    await audio.aclose()


async def test_closed_it_ends_at_once(streams: list[Stream]) -> None:
    room, audio = listening()
    taking = asyncio.create_task(audio.__anext__())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="listen to it twice"):
        await audio.__anext__()
    await audio.aclose()
    await audio.aclose()
    with pytest.raises(StopAsyncIteration):
        await taking
    room.publish(HUMAN, "TR_2")
    assert len(streams) == 1


async def test_cancelled_no_frame_is_lost(streams: list[Stream]) -> None:
    _, audio = listening()
    await asyncio.sleep(0)
    for number in range(20):
        taking = asyncio.create_task(audio.__anext__())
        await asyncio.sleep(0)
        streams[0].give(number)
        for _ in range(number % 5):
            await asyncio.sleep(0)
        taking.cancel()
        try:
            got = await taking
        except asyncio.CancelledError:
            got = await audio.__anext__()
        assert level(got) == number
    await audio.aclose()
