"""Helpers for tests of callbacks: a ledger in memory, rooms in memory, a job, and a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from livekit.agents import AgentSession

from livetransfer.callback_dispatch import RoomState, callback_metadata
from livetransfer.callback_request import (
    FOLLOWS,
    CallbackRequest,
    CallbackStatus,
    HistoryEntry,
)
from livetransfer.callbacks import Promise, wall
from livetransfer.errors import DispatchFailed, StoreUnavailableError
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS, ToolCall

ANN = "+15550100"
BOB = "+15550101"
CALLER = "+15550199"
BEGAN = datetime(2030, 1, 7, 9, 0, tzinfo=timezone.utc)
RULES: Any = [
    ("put them through", ToolCall("connect_to_caller")),
    ("cannot take", ToolCall("decline_transfer", {"reason": "in a meeting"})),
]


def request(**fields: Any) -> CallbackRequest:
    """Return a promised call that may be made for eight hours from the beginning on."""
    found: dict[str, Any] = {
        "id": "c1",
        "number": CALLER,
        "not_before": BEGAN,
        "not_after": BEGAN + timedelta(hours=8),
        "reason": "The invoice is wrong.",
        "summary": "The caller is Ms Miller, customer 4711.",
        "made": BEGAN,
    }
    return CallbackRequest(**{**found, **fields})


@contextmanager
def wall_clock(monkeypatch: Any) -> Iterator[None]:
    """The time of day goes with the loop's."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    monkeypatch.setattr(wall, "now", lambda: BEGAN + timedelta(seconds=loop.time() - began))
    yield


def session() -> AgentSession[Any]:
    """Return a session with models that speak and listen; it is not started."""
    return AgentSession(llm=ScriptedLLM(RULES), tts=ScriptedTTS())


class Rooms:
    """A CallbackDispatcher in memory.

    Attributes:
        asked: Every dispatch, as ``(key, room)``.
        there: What `look` returns, by the room's name.
        deleted: Every room that was deleted.
        fails: What every method raises; None: nothing.
        takes: Called with each dispatch, in a task: what a worker does with it.
    """

    def __init__(self, takes: Callable[[str, str], Any] | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.there: dict[str, RoomState] = {}
        self.deleted: list[str] = []
        self.fails: str | None = None
        self.takes = takes
        self.jobs: list[asyncio.Task[Any]] = []

    def _check(self) -> None:
        if self.fails is not None:
            raise DispatchFailed(self.fails)

    async def dispatch(self, key: str, room: str) -> None:
        """Remember it, and let the worker take it."""
        self._check()
        self.asked.append((key, room))
        self.there[room] = RoomState()
        if self.takes is not None:
            self.jobs.append(asyncio.ensure_future(self.takes(key, room)))

    async def look(self, room: str) -> RoomState | None:
        """Return who is there."""
        self._check()
        return self.there.get(room)

    async def delete(self, room: str) -> None:
        """Forget the room."""
        self._check()
        self.deleted.append(room)
        self.there.pop(room, None)

    async def aclose(self) -> None:
        """Nothing."""


class Job:
    """As much of a JobContext as a callback needs.

    Attributes:
        deleted: Every room that was deleted.
    """

    def __init__(
        self,
        key: str | None = "c1",
        *,
        room: str = "room-1",
        name: str = "j1",
        nameless: bool = False,
    ) -> None:
        told = "" if key is None else callback_metadata(key)
        self.job = SimpleNamespace(
            id=name,
            metadata="" if nameless else told,
            room=SimpleNamespace(name=room, metadata=told if nameless else ""),
        )
        self.room = SimpleNamespace(name=room, isconnected=lambda: True)
        self.deleted: list[str] = []

    async def connect(self) -> None:
        """Nothing."""

    def delete_room(self, room: str) -> asyncio.Future[None]:
        """Remember it."""
        self.deleted.append(room)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Ledger:
    """A CallbackLedger in memory, as small as these tests need.

    Attributes:
        promises: What is kept.
        away: Whether every method raises.
        log: Every change, as ``(id, status)``.
    """

    def __init__(self, *requests: CallbackRequest) -> None:
        self.promises = {each.id: Promise(each, each.not_before) for each in requests}
        self.away = False
        self.log: list[tuple[str, CallbackStatus]] = []
        self.forgotten: list[datetime] = []

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailableError("the store is away")

    def _set(self, p: Promise, status: CallbackStatus, reason: str = "", **fields: Any) -> Promise:
        assert status in FOLLOWS[p.status], (p.status, status)
        entry = HistoryEntry(wall.now(), status, reason)
        kept = replace(p.request, status=status, history=(*p.request.history, entry))
        self.log.append((p.id, status))
        self.promises[p.id] = found = replace(p, request=kept, **fields)
        return found

    async def add(self, request: CallbackRequest) -> None:
        self._check()
        self.promises.setdefault(request.id, Promise(request, request.not_before))

    async def get(self, key: str) -> Promise | None:
        self._check()
        return self.promises.get(key)

    async def find(
        self,
        *,
        statuses: Collection[CallbackStatus] = (),
        number: str | None = None,
        limit: int = 100,
    ) -> Sequence[Promise]:
        self._check()
        return [p for p in self.promises.values() if not statuses or p.status in statuses][:limit]

    async def claim(self, owner: str, *, limit: int, seconds: float) -> Sequence[Promise]:
        self._check()
        now, found = wall.now(), list[Promise]()
        for p in list(self.promises.values()):
            waits = p.status is CallbackStatus.WAITING and p.due <= now < p.request.not_after
            left = p.status is CallbackStatus.CLAIMED and p.until is not None and p.until <= now
            if (waits or left) and len(found) < limit:
                until = now + timedelta(seconds=seconds)
                found.append(self._set(p, CallbackStatus.CLAIMED, owner=owner, until=until))
        return found

    async def take(self, key: str, job: str, *, room: str, seconds: float) -> Promise | None:
        self._check()
        p = self.promises.get(key)
        if p is None or p.status is not CallbackStatus.CLAIMED or (p.owner or "").startswith("job"):
            return None
        until = wall.now() + timedelta(seconds=seconds)
        return self._set(p, CallbackStatus.CLAIMED, owner=job, until=until, room=room)

    async def dialling(self, key: str, job: str) -> bool:
        self._check()
        p = self.promises[key]
        if p.status is not CallbackStatus.CLAIMED or p.owner != job:
            return False
        self._set(p, CallbackStatus.DIALLING, calls=p.calls + 1)
        return True

    async def renew(self, key: str, owner: str, *, seconds: float) -> bool:
        self._check()
        p = self.promises[key]
        if p.owner != owner:
            return False
        self.promises[key] = replace(p, until=wall.now() + timedelta(seconds=seconds))
        return True

    async def end(
        self,
        key: str,
        owner: str,
        status: CallbackStatus,
        *,
        reason: str = "",
        due: datetime | None = None,
    ) -> bool:
        self._check()
        p = self.promises[key]
        if p.owner != owner or status not in FOLLOWS[p.status]:
            return False
        self._set(p, status, reason, owner=None, until=None, due=due or wall.now())
        return True

    async def left_dialling(self, *, limit: int = 100) -> Sequence[Promise]:
        self._check()
        return [
            p
            for p in self.promises.values()
            if p.status is CallbackStatus.DIALLING and p.until is not None and p.until <= wall.now()
        ]

    async def sweep(self) -> Sequence[Promise]:
        self._check()
        over = [
            p
            for p in self.promises.values()
            if p.status is CallbackStatus.WAITING and p.request.not_after <= wall.now()
        ]
        return [self._set(p, CallbackStatus.FAILED, "over") for p in over]

    async def cancel(self, key: str, *, reason: str = "") -> Promise | None:
        self._check()
        p = self.promises.get(key)
        if p is None or CallbackStatus.CANCELLED not in FOLLOWS[p.status]:
            return p
        return self._set(p, CallbackStatus.CANCELLED, reason, owner=None)

    async def cancel_number(self, number: str, *, reason: str = "") -> Sequence[Promise]:
        found = [p for p in self.promises.values() if p.request.number == number]
        return [each for p in found if (each := await self.cancel(p.id, reason=reason))]

    async def retry(self, key: str, *, due: datetime, not_after: datetime) -> Promise | None:
        raise NotImplementedError

    async def forget(self, before: datetime) -> int:
        self.forgotten.append(before)
        return 0

    async def aclose(self) -> None:
        pass
