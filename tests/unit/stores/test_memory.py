"""MemoryStore: virtual time is its time, and in a job's process it warns."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from typing import Any

import pytest

from livetransfer.stores import Count, MemoryStore, Taken, Ticket
from livetransfer.stores import memory as module
from livetransfer.testing import virtual_time

TICKET = Ticket("1", "q")


async def test_virtual_time_is_its_time() -> None:
    store = MemoryStore()
    async with virtual_time():
        await store.take("team", TICKET, [["anna"]], ttl=30)
        await asyncio.sleep(29)
        assert await store.take("team", TICKET, [["anna"]], ttl=30) is None
        await asyncio.sleep(2)
        assert isinstance(await store.take("team", TICKET, [["anna"]], ttl=30), Taken)


@pytest.mark.parametrize(
    ("child", "job", "warns"), [(True, True, True), (True, False, False), (False, True, False)]
)
async def test_it_warns_in_the_process_of_a_job(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    child: bool,
    job: bool,
    warns: bool,
) -> None:
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object() if child else None)
    monkeypatch.setattr(module, "get_job_context", lambda required: object() if job else None)
    store = MemoryStore()
    with caplog.at_level(logging.WARNING, "livetransfer"):
        await store.take("team", TICKET, [["anna"]], ttl=30)
        await store.snapshot("team", ["anna"])
        await store.count("1", [Count("k", 1, 1, 1)])

    said = [record.message for record in caplog.records if "MemoryStore" in record.message]
    assert len(said) == warns


async def test_a_store_of_two_threads_gives_each_member_once() -> None:
    store = MemoryStore(clock=lambda: 0.0)

    async def all_of_them() -> int:
        found = [
            await store.take("team", Ticket(f"{i}", "q"), [[f"m{i}"]], ttl=30) for i in range(200)
        ]
        return len([each for each in found if each is not None])

    def in_a_loop_of_its_own() -> Any:
        return asyncio.run(all_of_them())

    counts = await asyncio.gather(*(asyncio.to_thread(in_a_loop_of_its_own) for _ in range(4)))

    assert sum(counts) == 200


async def test_news_reach_another_thread() -> None:
    store = MemoryStore()

    def pauses() -> None:
        asyncio.run(store.pause("team", "anna"))

    news = asyncio.create_task(store.news("team", 0, 20))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(pauses)
    await asyncio.wait_for(news, 2)


async def test_what_is_over_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 10)
    now = 0.0
    store = MemoryStore(clock=lambda: now)
    for now in range(100):
        await store.count(f"{now}", [Count(f"caller {now}", 1, 1, 5)])

    assert len(store._counts) <= 12
