"""Runners: what is due is brought to a job, once, whoever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from livetransfer.callback_dispatch import RoomState, callback_in, callback_metadata
from livetransfer.callback_request import CallbackStatus
from livetransfer.callbacks import (
    CallbackDispatched,
    CallbackEnded,
    CallbackEvent,
    CallbackNotTaken,
    CallbackRunner,
    CallbackTaken,
    callback_of,
)
from livetransfer.callbacks import (
    wall_clock as wall,
)
from livetransfer.errors import ConfigurationError
from livetransfer.testing import virtual_time

from .kit import BEGAN, Job, Ledger, Rooms, request, wall_clock

S = CallbackStatus


@asynccontextmanager
async def time(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Let time jump, and the time of day with it."""
    async with virtual_time():
        with wall_clock(monkeypatch):
            yield


def taken_by(ledger: Ledger, after: float = 1.0) -> Any:
    """Return a worker that takes what it is given, after a while."""

    async def take(key: str, room: str) -> None:
        await asyncio.sleep(after)
        await ledger.take(key, f"job-{room}", room=room, seconds=60)

    return take


async def test_what_is_due_is_given_to_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    async with time(monkeypatch):
        later = request(id="c2", not_before=BEGAN + timedelta(hours=1))
        ledger = Ledger(request(), later)
        rooms, events = Rooms(taken_by(ledger)), list[CallbackEvent]()
        runner = CallbackRunner(ledger, rooms, on_event=events.append)
        await runner.once()
        await runner.handed_over()
        assert [key for key, _ in rooms.asked] == ["c1"]
        taken = ledger.promises["c1"]
        assert taken.status is S.CLAIMED
        assert taken.owner == f"job-{rooms.asked[0][1]}"
        assert rooms.deleted == []
        assert [type(event) for event in events] == [CallbackDispatched, CallbackTaken]
        assert ledger.promises["c2"].status is S.WAITING


async def test_a_dispatch_that_nobody_takes_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with time(monkeypatch):
        ledger = Ledger(request())
        rooms, events = Rooms(), list[CallbackEvent]()
        runner = CallbackRunner(ledger, rooms, pause=60.0, on_event=events.append)
        running = asyncio.ensure_future(runner.run())
        await asyncio.sleep(30.0)
        waits = ledger.promises["c1"]
        assert waits.status is S.WAITING
        assert rooms.deleted == [rooms.asked[0][1]], "the room was left"
        told = next(event for event in events if isinstance(event, CallbackNotTaken))
        assert "no worker took the job within 15 s" in told.reason
        assert told.due == waits.due
        rooms.takes = taken_by(ledger)
        await asyncio.sleep(70.0)
        assert len(rooms.asked) == 2
        assert rooms.asked[0][1] != rooms.asked[1][1]
        assert ledger.promises["c1"].owner == f"job-{rooms.asked[1][1]}"
        running.cancel()
        await asyncio.wait({running})


async def test_a_job_that_comes_too_late_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with time(monkeypatch):
        ledger = Ledger(request())
        rooms = Rooms(taken_by(ledger, after=20.0))
        runner = CallbackRunner(ledger, rooms)
        await runner.once()
        await runner.handed_over()
        await asyncio.sleep(30.0)
        assert ledger.promises["c1"].status is S.WAITING


async def test_a_server_that_is_away_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with time(monkeypatch):
        ledger, rooms, events = Ledger(request()), Rooms(), list[CallbackEvent]()
        rooms.fails = "LiveKit could not be reached at LIVEKIT_URL"
        runner = CallbackRunner(ledger, rooms, on_event=events.append)
        await runner.once()
        await runner.handed_over()
        assert ledger.promises["c1"].status is S.WAITING
        assert [e.reason for e in events if isinstance(e, CallbackNotTaken)] == [rooms.fails]


async def test_a_store_that_is_away_ends_no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    async with time(monkeypatch):
        ledger = Ledger(request())
        rooms = Rooms(taken_by(ledger))
        ledger.away = True
        running = asyncio.ensure_future(CallbackRunner(ledger, rooms).run())
        await asyncio.sleep(20.0)
        assert not running.done()
        ledger.away = False
        await asyncio.sleep(20.0)
        assert ledger.promises["c1"].owner == f"job-{rooms.asked[0][1]}"
        running.cancel()
        await asyncio.wait({running})


async def test_a_runner_that_ends_gives_back_what_no_job_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with time(monkeypatch):
        ledger, rooms = Ledger(request()), Rooms()
        running = asyncio.ensure_future(CallbackRunner(ledger, rooms).run())
        await asyncio.sleep(3.0)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        assert ledger.promises["c1"].status is S.WAITING
        assert ledger.promises["c1"].due <= wall.now()
        assert rooms.deleted == [rooms.asked[0][1]]


async def test_many_runners_make_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with time(monkeypatch):
        ledger = Ledger(*(request(id=f"c{n}") for n in range(40)))

        async def work(key: str, room: str) -> None:
            await taken_by(ledger)(key, room)
            if await ledger.dialling(key, f"job-{room}"):
                await asyncio.sleep(5.0)
                await ledger.end(key, f"job-{room}", S.DONE)

        rooms = Rooms(work)
        runners = [
            asyncio.ensure_future(CallbackRunner(ledger, rooms, at_once=7).run()) for _ in range(4)
        ]
        await asyncio.sleep(300.0)
        for each in runners:
            each.cancel()
        await asyncio.wait(runners)
        assert all(p.status is S.DONE and p.calls == 1 for p in ledger.promises.values())


async def test_not_more_than_asked_for_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async with time(monkeypatch):
        ledger = Ledger(*(request(id=f"c{n}") for n in range(9)))
        rooms = Rooms(taken_by(ledger))
        runner = CallbackRunner(ledger, rooms, at_once=3)
        for _ in range(3):
            await runner.once()
            await asyncio.sleep(5.0)
        assert len(rooms.asked) == 3


async def test_a_job_that_died_before_it_dialled_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with time(monkeypatch):
        ledger = Ledger(request())
        rooms = Rooms(taken_by(ledger))
        running = asyncio.ensure_future(CallbackRunner(ledger, rooms).run())
        await asyncio.sleep(100.0)  # its job took it, and was never heard of again
        assert len(rooms.asked) == 2
        assert rooms.deleted == [rooms.asked[0][1]], "a human may be alone in there"
        running.cancel()
        await asyncio.wait({running})


async def dialled(ledger: Ledger, room: str | None = "room-1") -> None:
    """A job has dialled the caller, and is not heard of any more."""
    await ledger.claim("runner-0", limit=1, seconds=5)
    await ledger.take("c1", "job-1", room=room or "", seconds=5)
    assert await ledger.dialling("c1", "job-1")
    if room is None:
        ledger.promises["c1"] = replace(ledger.promises["c1"], room=None)
    await asyncio.sleep(10.0)


@pytest.mark.parametrize(
    ("there", "status", "deleted"),
    [
        pytest.param(None, S.INDETERMINATE, False, id="no room"),
        pytest.param(RoomState(0, 0), S.INDETERMINATE, True, id="empty room"),
        pytest.param(RoomState(0, 1), S.INDETERMINATE, True, id="somebody alone"),
        pytest.param(RoomState(0, 2, bridged=True), S.DONE, False, id="they talk"),
        pytest.param(RoomState(0, 1, bridged=True), S.DONE, True, id="one has stayed"),
        pytest.param(RoomState(1, 1), S.DIALLING, False, id="the agent is there"),
        pytest.param(RoomState(1, 2, bridged=True), S.DIALLING, False, id="agent and both"),
    ],
)
async def test_one_that_was_left_dialling_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, there: RoomState | None, status: S, deleted: bool
) -> None:
    async with time(monkeypatch):
        ledger, rooms, events = Ledger(request()), Rooms(), list[CallbackEvent]()
        await dialled(ledger)
        if there is not None:
            rooms.there["room-1"] = there
        runner = CallbackRunner(ledger, rooms, on_event=events.append)
        for _ in range(3):
            await runner.once()
            await asyncio.sleep(5.0)
        assert ledger.promises["c1"].status is status
        assert rooms.asked == [], "it was dialled again"
        assert ("room-1" in rooms.deleted) == deleted
        ended = [event.status for event in events if isinstance(event, CallbackEnded)]
        assert ended == ([] if status is S.DIALLING else [status])


async def test_it_is_not_given_up_while_the_server_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with time(monkeypatch):
        ledger, rooms = Ledger(request()), Rooms()
        await dialled(ledger)
        rooms.fails = "LiveKit could not be reached"
        runner = CallbackRunner(ledger, rooms)
        await runner.once()
        before = ledger.promises["c1"].status
        rooms.fails = None
        await runner.once()
        assert [before, ledger.promises["c1"].status] == [S.DIALLING, S.INDETERMINATE]


async def test_a_window_that_is_over_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with time(monkeypatch):
        ledger = Ledger(request(not_after=BEGAN + timedelta(seconds=5)))
        rooms, events = Rooms(), list[CallbackEvent]()
        await asyncio.sleep(6.0)
        await CallbackRunner(ledger, rooms, on_event=events.append).once()
        assert rooms.asked == []
        assert [type(event) for event in events] == [CallbackEnded]


async def test_personal_fields_are_dropped_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with time(monkeypatch):
        ledger, rooms = Ledger(), Rooms()
        runner = CallbackRunner(ledger, rooms, keep_days=30)
        await runner.once()
        await runner.once()
        assert ledger.forgotten == [BEGAN - timedelta(days=30)]
        await asyncio.sleep(3700.0)
        await runner.once()
        assert len(ledger.forgotten) == 2
        await CallbackRunner(ledger, rooms, keep_days=None).once()
        assert len(ledger.forgotten) == 2


async def test_a_listener_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def listener(event: CallbackEvent) -> None:
        raise RuntimeError(type(event).__name__)

    async with time(monkeypatch):
        ledger = Ledger(request())
        runner = CallbackRunner(ledger, Rooms(taken_by(ledger)), on_event=listener)
        await runner.once()
        await runner.handed_over()
        assert ledger.promises["c1"].owner != runner.name


@pytest.mark.parametrize(
    "options",
    [{"every": 0}, {"at_once": 0}, {"taken_within": 0}, {"pause": 0}, {"keep_days": -1}],
    ids=str,
)
def test_an_option_that_cannot_be_used_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        CallbackRunner(Ledger(), Rooms(), **options)


def test_a_ledger_and_a_dispatcher_are_needed() -> None:
    with pytest.raises(ConfigurationError, match="ledger"):
        CallbackRunner(object(), Rooms())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="dispatcher"):
        CallbackRunner(Ledger(), object())  # type: ignore[arg-type]


@pytest.mark.parametrize("nameless", [False, True])
def test_a_job_is_told_its_callback(nameless: bool) -> None:
    assert callback_of(Job("c7", nameless=nameless)) == "c7"  # type: ignore[arg-type]
    assert callback_of(Job(None)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "metadata",
    ["", "hello", '{"a": 1}', "[1]", '"livetransfer.callback"', '{"livetransfer.callback": 4}'],
)
def test_metadata_of_others_is_none_of_ours(metadata: str) -> None:
    assert callback_in(metadata) is None
    assert callback_in(callback_metadata("c1")) == "c1"
