"""CallbackLedger: the port of whoever keeps promised calls and tells who makes each of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from livetransfer.callback_request import CallbackRequest, CallbackStatus, CallbackStore

__all__ = ["CallbackLedger", "Promise"]


@dataclass(frozen=True)
class Promise:
    """A promised call and how it stands.

    Attributes:
        request: What was promised; its `status` and `history` are those of now.
        due: When it is to be made next, with a time zone.
        calls: How many times the caller was dialled.
        owner: Who has it: a runner, then a job. None: nobody.
        until: When the claim of `owner` ends unless it is renewed.
        room: The room of the job that makes it, or made it last.
    """

    request: CallbackRequest
    due: datetime
    calls: int = 0
    owner: str | None = None
    until: datetime | None = None
    room: str | None = None

    @property
    def id(self) -> str:
        """What names it."""
        return self.request.id

    @property
    def status(self) -> CallbackStatus:
        """How it stands."""
        return self.request.status


@runtime_checkable
class CallbackLedger(CallbackStore, Protocol):
    """Who keeps promised calls for those who make them.

    Each method is one transaction: it has happened whole, or not at all. What may follow what is
    `livetransfer.callback_request.FOLLOWS`; a method that finds a request elsewhere changes
    nothing and says so by what it returns. Every change is an entry of the request's history.

    Raises:
        StoreUnavailableError: From every method: the store is not to be had. It may be asked again.
    """

    async def get(self, key: str) -> Promise | None:
        """Return one, or None."""

    async def find(
        self,
        *,
        statuses: Collection[CallbackStatus] = (),
        number: str | None = None,
        limit: int = 100,
    ) -> Sequence[Promise]:
        """Return those that match, the next due first; no status: of every status."""

    async def claim(self, owner: str, *, limit: int, seconds: float) -> Sequence[Promise]:
        """Claim what is due for a runner, for `seconds`; the highest priority, then the oldest.

        Due is what is waiting, its `due` come and its window not over; and what was claimed by one
        who let his time pass before he dialled. Of several who claim at once each gets others.
        """

    async def take(self, key: str, job: str, *, room: str, seconds: float) -> Promise | None:
        """Hand a claimed one to the job that makes it, in `room`, for `seconds`.

        Returns:
            None: another job has it, or it is not claimed any more. The job leaves.
        """

    async def dialling(self, key: str, job: str) -> bool:
        """Say that the caller is dialled now: before the request is made.

        From here on it is never claimed again by itself. Counts one of `calls`.

        Returns:
            Whether the job may dial: False where it is no longer its own, or was cancelled.
        """

    async def renew(self, key: str, owner: str, *, seconds: float) -> bool:
        """Keep it for `seconds` more. False: it is no longer the owner's."""

    async def end(
        self,
        key: str,
        owner: str,
        status: CallbackStatus,
        *,
        reason: str = "",
        due: datetime | None = None,
    ) -> bool:
        """Say what became of it, and give it up.

        Args:
            key: Which: the `id` of its request.
            owner: Who has it; nobody else can end it.
            status: `WAITING`, to be made again at `due`; or one that is final.
            reason: Why, for people; no number.
            due: When it is made again, with a time zone. None: at once.

        Returns:
            False: it is not the owner's, or has another end already; nothing was changed.
        """

    async def left_dialling(self, *, limit: int = 100) -> Sequence[Promise]:
        """Return those that are dialling and whose owner let the time pass: look at their rooms."""

    async def sweep(self) -> Sequence[Promise]:
        """End what waits and whose window is over, as failed; return them."""

    async def cancel(self, key: str, *, reason: str = "") -> Promise | None:
        """Cancel one that is waiting, claimed or indeterminate; None: there is no such one.

        One that is dialling, or has ended, is returned as it is.
        """

    async def cancel_number(self, number: str, *, reason: str = "") -> Sequence[Promise]:
        """Cancel all that wait or are claimed for a number in E.164; return them."""

    async def retry(self, key: str, *, due: datetime, not_after: datetime) -> Promise | None:
        """Make one again that failed, was cancelled or is indeterminate; None: there is none.

        One that stands elsewhere is returned as it is.
        """

    async def forget(self, before: datetime) -> int:
        """Drop the personal fields of what ended before `before`; return how many."""

    async def aclose(self) -> None:
        """Give up the connections."""
