"""Helpers for tests of callbacks: a ledger in memory, rooms in memory, a job, and a clock."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from livekit.agents import AgentSession

from livetransfer.callback_dispatch import RoomState, callback_metadata
from livetransfer.callback_request import CallbackRequest
from livetransfer.callbacks import MemoryCallbackStore, Promise
from livetransfer.callbacks import wall_clock as wall
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


class Ledger(MemoryCallbackStore):
    """A ledger in memory that goes by the loop's time, and may be away.

    Attributes:
        away: Whether every method raises.
        forgotten: Every moment that `forget` was called with.
    """

    def __init__(self, *requests: CallbackRequest) -> None:
        super().__init__(clock=wall.now)
        for each in requests:
            self._kept[each.id] = Promise(each, each.not_before)
        self.away = False
        self.forgotten: list[datetime] = []

    @property
    def promises(self) -> dict[str, Promise]:
        """What is kept."""
        return self._kept

    async def forget(self, before: datetime) -> int:
        """Remember it."""
        self.forgotten.append(before)
        return await super().forget(before)


def _unless_away(name: str) -> Any:
    method = getattr(MemoryCallbackStore, name)

    @functools.wraps(method)
    async def asked(self: Ledger, *args: Any, **options: Any) -> Any:
        if self.away:
            raise StoreUnavailableError("the store is away")
        return await method(self, *args, **options)

    return asked


_ASKED = ("get", "find", "claim", "take", "dialling", "renew", "end", "left_dialling", "sweep")
for _name in (*_ASKED, "cancel_number"):
    setattr(Ledger, _name, _unless_away(_name))
