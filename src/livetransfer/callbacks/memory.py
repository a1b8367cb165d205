"""MemoryCallbackStore: promised calls in this process, for tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from livetransfer._checks import check_count, check_seconds
from livetransfer.callback_request import (
    FOLLOWS,
    CallbackRequest,
    CallbackStatus,
    HistoryEntry,
)

from .checks import check_new, check_window
from .ledger import Promise

__all__ = ["MemoryCallbackStore"]

_W, _C, _D = CallbackStatus.WAITING, CallbackStatus.CLAIMED, CallbackStatus.DIALLING


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class MemoryCallbackStore:
    """Keeps promised calls in this process: a CallbackLedger for tests.

    What it keeps is gone with the process, and every job of a worker is a process of its own:
    promises to callers belong in a `SqlCallbackStore`.

    Args:
        clock: Returns the present, with a time zone.
    """

    def __init__(self, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._clock = clock
        self._kept: dict[str, Promise] = {}
        self._taken: set[str] = set()
        self._ended: dict[str, datetime] = {}

    async def add(self, request: CallbackRequest) -> CallbackRequest:
        """Keep a request; one whose `id` it has already is returned as it is kept.

        Raises:
            ConfigurationError: It is not new, has no number, or its window is over.
        """
        now = self._clock()
        check_new(request, now)
        if request.id not in self._kept:
            entry = HistoryEntry(now, request.status)
            kept = replace(request, made=request.made or now, history=(entry,))
            self._kept[request.id] = Promise(kept, kept.not_before)
        return self._kept[request.id].request

    async def get(self, key: str) -> Promise | None:
        """See [`CallbackLedger.get`][livetransfer.callbacks.CallbackLedger.get]."""
        return self._kept.get(key)

    async def find(
        self,
        *,
        statuses: Collection[CallbackStatus] = (),
        number: str | None = None,
        limit: int = 100,
    ) -> Sequence[Promise]:
        """See [`CallbackLedger.find`][livetransfer.callbacks.CallbackLedger.find]."""
        check_count("limit", limit, 1, 100_000)
        found = [
            one
            for one in self._kept.values()
            if (not statuses or one.status in statuses)
            and (number is None or one.request.number == number)
        ]
        return sorted(found, key=lambda one: (one.due, one.id))[:limit]

    async def claim(self, owner: str, *, limit: int, seconds: float) -> Sequence[Promise]:
        """See [`CallbackLedger.claim`][livetransfer.callbacks.CallbackLedger.claim]."""
        check_count("limit", limit, 1, 1000)
        now, until = self._now_and(seconds)
        due = [
            one
            for one in self._kept.values()
            if now < one.request.not_after
            and ((one.status is _W and one.due <= now) or _left(one, _C, now))
        ]
        due.sort(key=lambda one: (-one.request.priority, one.request.made or now, one.id))
        for one in due[:limit]:
            self._taken.discard(one.id)
            self._to(one, _C, owner=owner, until=until)
        return [self._kept[one.id] for one in due[:limit]]

    async def take(self, key: str, job: str, *, room: str, seconds: float) -> Promise | None:
        """See [`CallbackLedger.take`][livetransfer.callbacks.CallbackLedger.take]."""
        _, until = self._now_and(seconds)
        one = self._kept.get(key)
        if one is None or one.status is not _C or (key in self._taken and one.owner != job):
            return None
        self._taken.add(key)
        self._kept[key] = replace(one, owner=job, room=room, until=until)
        return self._kept[key]

    async def dialling(self, key: str, job: str) -> bool:
        """See [`CallbackLedger.dialling`][livetransfer.callbacks.CallbackLedger.dialling]."""
        one = self._kept.get(key)
        if one is None or one.status is not _C or one.owner != job or key not in self._taken:
            return False
        self._to(one, _D, calls=one.calls + 1)
        return True

    async def renew(self, key: str, owner: str, *, seconds: float) -> bool:
        """See [`CallbackLedger.renew`][livetransfer.callbacks.CallbackLedger.renew]."""
        _, until = self._now_and(seconds)
        one = self._kept.get(key)
        if one is None or one.owner != owner:
            return False
        self._kept[key] = replace(one, until=until)
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
        """See [`CallbackLedger.end`][livetransfer.callbacks.CallbackLedger.end]."""
        one, now = self._kept.get(key), self._clock()
        if one is None or one.owner != owner or status not in FOLLOWS[one.status]:
            return False
        if status is _W:
            self._free(one, status, reason, due=due or now)
        else:
            self._free(one, status, reason)
        return True

    async def left_dialling(self, *, limit: int = 100) -> Sequence[Promise]:
        """See [`CallbackLedger.left_dialling`][livetransfer.callbacks.CallbackLedger]."""
        now = self._clock()
        return [one for one in self._kept.values() if _left(one, _D, now)][:limit]

    async def sweep(self) -> Sequence[Promise]:
        """See [`CallbackLedger.sweep`][livetransfer.callbacks.CallbackLedger.sweep]."""
        now = self._clock()
        over = [
            one
            for one in self._kept.values()
            if one.request.not_after <= now and (one.status is _W or _left(one, _C, now))
        ]
        return [self._free(one, CallbackStatus.FAILED, "its window is over") for one in over]

    async def cancel(self, key: str, *, reason: str = "") -> Promise | None:
        """See [`CallbackLedger.cancel`][livetransfer.callbacks.CallbackLedger.cancel]."""
        one = self._kept.get(key)
        if one is None or CallbackStatus.CANCELLED not in FOLLOWS[one.status]:
            return one
        return self._free(one, CallbackStatus.CANCELLED, reason)

    async def cancel_number(self, number: str, *, reason: str = "") -> Sequence[Promise]:
        """See [`CallbackLedger.cancel_number`][livetransfer.callbacks.CallbackLedger]."""
        found = await self.find(statuses=(_W, _C), number=number, limit=100_000)
        return [self._free(one, CallbackStatus.CANCELLED, reason) for one in found]

    async def retry(self, key: str, *, due: datetime, not_after: datetime) -> Promise | None:
        """See [`CallbackLedger.retry`][livetransfer.callbacks.CallbackLedger.retry].

        One whose personal fields were dropped is returned as it is, too.

        Raises:
            ConfigurationError: The window ends before it begins, or is over.
        """
        check_window(due, not_after, self._clock())
        one = self._kept.get(key)
        ended = key in self._ended
        if one is None or not ended or _W not in FOLLOWS[one.status] or not one.request.number:
            return one
        del self._ended[key]
        kept = replace(one.request, not_before=due, not_after=not_after)
        self._to(replace(one, request=kept), _W, "to be made again", due=due, calls=0)
        return self._kept[key]

    async def forget(self, before: datetime) -> int:
        """See [`CallbackLedger.forget`][livetransfer.callbacks.CallbackLedger.forget]."""
        old = [key for key, at in self._ended.items() if at < before]
        old = [key for key in old if self._kept[key].request.number]
        for key in old:
            one = self._kept[key]
            kept = replace(one.request, number="", reason="", summary=None, call=None)
            self._kept[key] = replace(one, request=kept)
        return len(old)

    async def aclose(self) -> None:
        """Nothing: it has no connections."""

    def _now_and(self, further: float) -> tuple[datetime, datetime]:
        check_seconds("seconds", further, 0.001, 24 * 3600)
        now = self._clock()
        return now, now + timedelta(seconds=further)

    def _to(
        self, one: Promise, status: CallbackStatus, reason: str = "", **changes: Any
    ) -> Promise:
        entry = HistoryEntry(self._clock(), status, reason)
        request = replace(one.request, status=status, history=(*one.request.history, entry))
        self._kept[one.id] = replace(one, request=request, **changes)
        return self._kept[one.id]

    def _free(self, one: Promise, status: CallbackStatus, reason: str, **changes: Any) -> Promise:
        self._taken.discard(one.id)
        if status is not _W:
            self._ended[one.id] = self._clock()
        return self._to(one, status, reason, owner=None, until=None, **changes)


def _left(one: Promise, status: CallbackStatus, now: datetime) -> bool:
    return one.status is status and one.until is not None and one.until <= now
