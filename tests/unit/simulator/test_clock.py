"""Virtual time: nothing is waited for that can be jumped to, and nothing else is jumped over."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from livetransfer.testing import clock as clock_module
from livetransfer.testing import virtual_time


async def test_an_hour_takes_no_time() -> None:
    began = time.monotonic()
    async with virtual_time() as clock:
        assert clock.virtual
        await asyncio.sleep(3600)
        assert clock.elapsed == pytest.approx(3600)
        assert clock.now == pytest.approx(clock.start + 3600)
    assert time.monotonic() - began < 1


async def test_time_stands_still_while_code_runs() -> None:
    async with virtual_time() as clock:
        time.sleep(0.02)  # noqa: ASYNC251
        await asyncio.sleep(0)
        assert clock.elapsed == 0.0


async def test_timers_go_off_in_order_and_on_time() -> None:
    went: list[tuple[str, float]] = []
    async with virtual_time() as clock:

        async def ring(name: str, after: float) -> None:
            await asyncio.sleep(after)
            went.append((name, round(clock.elapsed, 6)))

        await asyncio.gather(ring("c", 30), ring("a", 0.1), ring("b", 7.25))
    assert went == [("a", 0.1), ("b", 7.25), ("c", 30.0)]


async def test_a_timeout_is_met_at_its_time() -> None:
    async with virtual_time() as clock:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 12)
        assert clock.elapsed == pytest.approx(12)
        await clock.sleep_until(20)
        await clock.sleep_until(5)
        assert clock.elapsed == pytest.approx(20)


async def test_afterwards_time_goes_on_from_there_and_really() -> None:
    loop = asyncio.get_running_loop()
    late = asyncio.Event()
    async with virtual_time() as clock:
        await asyncio.sleep(100)
        loop.call_later(0.03, late.set)
        ended = clock.now
    began = time.monotonic()
    assert ended <= loop.time() < ended + 0.02
    await asyncio.wait_for(late.wait(), 2)
    assert time.monotonic() - began >= 0.025
    async with virtual_time() as again:
        assert again.start >= ended + 0.025
        await asyncio.sleep(50)
        assert again.elapsed == pytest.approx(50)


async def test_uses_nest() -> None:
    async with virtual_time() as outer:
        await asyncio.sleep(10)
        async with virtual_time() as inner:
            await asyncio.sleep(5)
            assert inner.elapsed == pytest.approx(5)
        await asyncio.sleep(5)
        assert outer.elapsed == pytest.approx(20)


async def test_an_error_puts_the_loop_back() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(LookupError):
        async with virtual_time():
            raise LookupError
    assert "run_in_executor" not in vars(loop)
    began = time.monotonic()
    await asyncio.sleep(0.02)
    assert time.monotonic() - began >= 0.015


async def test_a_thread_is_waited_for_and_costs_no_time() -> None:
    async with virtual_time() as clock:
        alarm = asyncio.create_task(asyncio.sleep(5))
        await asyncio.to_thread(time.sleep, 0.05)
        assert not alarm.done()
        assert clock.elapsed == 0.0
        await alarm
        assert clock.elapsed == pytest.approx(5)


async def test_beside_a_long_thread_time_passes_as_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_module, "_THREAD_GRACE", 0.01)
    release = threading.Event()
    async with virtual_time() as clock:
        waiting = asyncio.create_task(asyncio.to_thread(release.wait, 2.0))
        # The thread waits for this timer: jumping would be wrong, and standing still would hang.
        await asyncio.sleep(0.05)
        release.set()
        assert await waiting
        assert clock.elapsed == pytest.approx(0.05) or 0.05 < clock.elapsed < 1


async def test_another_thread_may_call_in() -> None:
    loop = asyncio.get_running_loop()
    called = asyncio.Event()

    def call_in() -> None:
        time.sleep(0.03)
        loop.call_soon_threadsafe(called.set)

    async with virtual_time() as clock:
        thread = threading.Thread(target=call_in)
        thread.start()
        await called.wait()  # no timer is pending, so there is nothing to jump to
        assert clock.elapsed == 0.0
        thread.join()


async def test_a_busy_loop_does_not_stop_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "_BUSY_STEPS", 100)

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    async with virtual_time():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(spin(), 0.05)


def test_a_loop_of_another_kind_is_refused() -> None:
    class Loop:
        """Like uvloop's: no selector, and written in C."""

        __slots__ = ()

    with pytest.raises(RuntimeError, match="uvloop"):
        clock_module._Warp(Loop())  # type: ignore[arg-type]


async def test_it_begins_at_the_same_instant_on_every_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVETRANSFER_VIRTUAL_START", "5000")
    loop = asyncio.get_running_loop()
    set_before = asyncio.create_task(asyncio.sleep(3))
    await asyncio.sleep(0)
    async with virtual_time() as clock:
        assert clock.start == 5000.0
        await set_before
        assert clock.elapsed == pytest.approx(3, abs=0.05)
    async with virtual_time() as clock:
        assert clock.start >= 5002.9  # never backwards, for one loop
    assert loop.time() >= 5002.9
