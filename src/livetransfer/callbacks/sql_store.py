"""SqlCallbackStore: promised calls in SQLite or PostgreSQL, through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from livetransfer._checks import check_count, check_seconds
from livetransfer._database import engine_of
from livetransfer.callback_request import FOLLOWS, CallbackRequest, CallbackStatus
from livetransfer.errors import ConfigurationError
from livetransfer.stores.folder import state_folder

from .checks import check_new, check_window
from .encryption import sealing_of
from .ledger import Promise
from .sql_rows import seconds, values_of
from .sql_table import AT_ONCE, PromiseTable, insert_into

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["SqlCallbackStore"]

FILE = "callbacks.sqlite"
_OVER = tuple(status for status in CallbackStatus if not FOLLOWS[status] - {CallbackStatus.WAITING})
_ENDED = (*_OVER, CallbackStatus.INDETERMINATE)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class SqlCallbackStore:
    """Keeps promised calls in a database: a CallbackLedger.

    A SQLite file serves all processes of a machine; PostgreSQL serves many machines, whose clocks
    have to agree to a second. The tables are made, and brought to this version, when it is first
    used. Needs ``pip install 'livetransfer[callbacks]'``, or ``[postgres]``.

    Args:
        database: The URL of a database, ``sqlite+aiosqlite:///callbacks.sqlite`` or
            ``postgresql+asyncpg://user@host/name``, or an AsyncEngine, which may be that of the
            records. Default: ``callbacks.sqlite`` in the state folder (``LIVETRANSFER_STATE``).
        keys: A key of ``Fernet.generate_key()``, or several, of which the first encrypts: number,
            reason and summary are then written encrypted. Needs
            ``pip install 'livetransfer[encryption]'``. None: as they are.
        clock: Returns the present, with a time zone.

    Raises:
        ConfigurationError: One of them cannot be used, or what it needs is not installed.
    """

    def __init__(
        self,
        database: str | AsyncEngine | None = None,
        *,
        keys: str | bytes | Sequence[str | bytes] | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        if database is None:
            folder = state_folder()
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise ConfigurationError("database", str(folder / FILE), reason) from error
            database = f"sqlite+aiosqlite:///{folder / FILE}"
        self._own = isinstance(database, str)
        self._engine = engine_of(database)
        self._sealing, self._clock = sealing_of(keys), clock
        self._table = PromiseTable(self._engine, self._sealing, clock)

    # -- who promises ----------------------------------------------------------------------

    async def add(self, request: CallbackRequest) -> CallbackRequest:
        """Keep a request; one whose `id` it has already is returned as it is kept.

        Raises:
            ConfigurationError: It is not new, has no number, or its window is over.
            StoreUnavailableError: It is not kept.
        """
        from .sql_schema import CALLS

        now = self._clock()
        check_new(request, now)
        values = values_of(request, now, self._sealing)

        async def keep(connection: AsyncConnection) -> CallbackRequest:
            done = await connection.execute(
                insert_into(connection, CALLS).values(values).on_conflict_do_nothing()
            )
            if done.rowcount:
                await self._table.note(connection, [request.id], request.status)
            found = await self._table.promises(connection, CALLS.c.id == request.id)
            return found[0].request

        return await self._table.transaction(keep)

    async def cancel(self, key: str, *, reason: str = "") -> Promise | None:
        """See [`CallbackLedger.cancel`][livetransfer.callbacks.CallbackLedger.cancel]."""
        from .sql_schema import CALLS

        async def cancel(connection: AsyncConnection) -> Promise | None:
            await self._table.cancel(connection, CALLS.c.id == key, _BEFORE_CANCELLED, reason)
            found = await self._table.promises(connection, CALLS.c.id == key)
            return found[0] if found else None

        return await self._table.transaction(cancel)

    async def cancel_number(self, number: str, *, reason: str = "") -> Sequence[Promise]:
        """See [`CallbackLedger.cancel_number`][livetransfer.callbacks.CallbackLedger]."""
        from .sql_schema import CALLS

        tags = self._sealing.tags(number)
        waits = (CallbackStatus.WAITING, CallbackStatus.CLAIMED)

        async def cancel(connection: AsyncConnection) -> Sequence[Promise]:
            ids = await self._table.cancel(connection, CALLS.c.number.in_(tags), waits, reason)
            return await self._table.promises(connection, CALLS.c.id.in_(ids)) if ids else []

        return await self._table.transaction(cancel)

    # -- who makes the calls ---------------------------------------------------------------

    async def claim(self, owner: str, *, limit: int, seconds: float) -> Sequence[Promise]:
        """See [`CallbackLedger.claim`][livetransfer.callbacks.CallbackLedger.claim]."""
        import sqlalchemy as sa

        from .sql_schema import CALLS

        check_count("limit", limit, 1, 1000)
        now, until = self._now_and(seconds)
        status = CALLS.c.status
        waits = (status == _WAITING) & (CALLS.c.due <= now)
        left = (status == _CLAIMED) & (CALLS.c.until <= now)
        due = (
            sa.select(CALLS.c.id)
            .where(sa.or_(waits, left), CALLS.c.not_after > now)
            .order_by(CALLS.c.priority.desc(), CALLS.c.made, CALLS.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            sa.update(CALLS)
            .values(status=_CLAIMED, owner=owner, taken=False, until=until)
            .returning(CALLS.c.id)
        )

        async def claim(connection: AsyncConnection) -> Sequence[Promise]:
            which = due
            if connection.dialect.name == "postgresql":
                # It is asked once only as a WITH. Python's driver for SQLite begins no transaction
                # before a WITH, and there it is asked once anyway.
                which = sa.select(due.cte("due").c.id)
            found = await connection.execute(claimed.where(CALLS.c.id.in_(which)))
            ids = [row.id for row in found]
            if not ids:
                return []
            await self._table.note(connection, ids, CallbackStatus.CLAIMED)
            promises = await self._table.promises(connection, CALLS.c.id.in_(ids))
            return sorted(promises, key=_first)

        return await self._table.transaction(claim)

    async def take(self, key: str, job: str, *, room: str, seconds: float) -> Promise | None:
        """See [`CallbackLedger.take`][livetransfer.callbacks.CallbackLedger.take]."""
        from .sql_schema import CALLS

        _, until = self._now_and(seconds)
        free = (CALLS.c.status == _CLAIMED) & (~CALLS.c.taken | (CALLS.c.owner == job))

        async def take(connection: AsyncConnection) -> Promise | None:
            done = await connection.execute(
                CALLS.update()
                .where(CALLS.c.id == key, free)
                .values(owner=job, taken=True, room=room, until=until)
            )
            if not done.rowcount:
                return None
            return (await self._table.promises(connection, CALLS.c.id == key))[0]

        return await self._table.transaction(take)

    async def dialling(self, key: str, job: str) -> bool:
        """See [`CallbackLedger.dialling`][livetransfer.callbacks.CallbackLedger.dialling]."""
        from .sql_schema import CALLS

        mine = (CALLS.c.status == _CLAIMED) & (CALLS.c.owner == job) & CALLS.c.taken

        async def dialling(connection: AsyncConnection) -> bool:
            done = await connection.execute(
                CALLS.update()
                .where(CALLS.c.id == key, mine)
                .values(status=_DIALLING, calls=CALLS.c.calls + 1)
            )
            if done.rowcount:
                await self._table.note(connection, [key], CallbackStatus.DIALLING)
            return bool(done.rowcount)

        return await self._table.transaction(dialling)

    async def renew(self, key: str, owner: str, *, seconds: float) -> bool:
        """See [`CallbackLedger.renew`][livetransfer.callbacks.CallbackLedger.renew]."""
        from .sql_schema import CALLS

        _, until = self._now_and(seconds)

        async def renew(connection: AsyncConnection) -> bool:
            done = await connection.execute(
                CALLS.update().where(CALLS.c.id == key, CALLS.c.owner == owner).values(until=until)
            )
            return bool(done.rowcount)

        return await self._table.transaction(renew)

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
        from .sql_schema import CALLS

        before = [str(one) for one in FOLLOWS if status in FOLLOWS[one]]
        now = seconds(self._clock())
        values: dict[str, Any] = {"status": str(status), "owner": None, "until": None}
        values["taken"] = False
        if status is CallbackStatus.WAITING:
            values["due"] = now if due is None else seconds(due)
        else:
            values["ended"] = now

        async def end(connection: AsyncConnection) -> bool:
            done = await connection.execute(
                CALLS.update()
                .where(CALLS.c.id == key, CALLS.c.owner == owner, CALLS.c.status.in_(before))
                .values(values)
            )
            if done.rowcount:
                await self._table.note(connection, [key], status, reason)
            return bool(done.rowcount)

        return await self._table.transaction(end)

    async def left_dialling(self, *, limit: int = 100) -> Sequence[Promise]:
        """See [`CallbackLedger.left_dialling`][livetransfer.callbacks.CallbackLedger]."""
        from .sql_schema import CALLS

        left = (CALLS.c.status == _DIALLING) & (CALLS.c.until <= seconds(self._clock()))
        return await self._table.transaction(lambda c: self._table.promises(c, left, limit))

    async def sweep(self) -> Sequence[Promise]:
        """See [`CallbackLedger.sweep`][livetransfer.callbacks.CallbackLedger.sweep]."""
        import sqlalchemy as sa

        from .sql_schema import CALLS

        now = seconds(self._clock())
        status = CALLS.c.status
        nobodys = (status == _WAITING) | ((status == _CLAIMED) & (CALLS.c.until <= now))
        values = {"status": str(CallbackStatus.FAILED), "owner": None, "until": None, "ended": now}
        # The rest is for the next time: a statement has a bound for its arguments.
        some = sa.select(CALLS.c.id).where(nobodys, CALLS.c.not_after <= now).limit(AT_ONCE)

        async def sweep(connection: AsyncConnection) -> Sequence[Promise]:
            over = await connection.execute(
                CALLS.update()
                .where(nobodys, CALLS.c.not_after <= now, CALLS.c.id.in_(some))
                .values(values)
                .returning(CALLS.c.id)
            )
            ids = [row.id for row in over]
            if not ids:
                return []
            await self._table.note(connection, ids, CallbackStatus.FAILED, "its window is over")
            return await self._table.promises(connection, CALLS.c.id.in_(ids))

        return await self._table.transaction(sweep)

    # -- who looks -------------------------------------------------------------------------

    async def get(self, key: str) -> Promise | None:
        """See [`CallbackLedger.get`][livetransfer.callbacks.CallbackLedger.get]."""
        from .sql_schema import CALLS

        found = await self._table.transaction(lambda c: self._table.promises(c, CALLS.c.id == key))
        return found[0] if found else None

    async def find(
        self,
        *,
        statuses: Collection[CallbackStatus] = (),
        number: str | None = None,
        limit: int = 100,
    ) -> Sequence[Promise]:
        """See [`CallbackLedger.find`][livetransfer.callbacks.CallbackLedger.find]."""
        import sqlalchemy as sa

        from .sql_schema import CALLS

        check_count("limit", limit, 1, 100_000)
        wanted: Any = sa.true()
        if statuses:
            wanted &= CALLS.c.status.in_([str(status) for status in statuses])
        if number is not None:
            wanted &= CALLS.c.number.in_(self._sealing.tags(number))
        return await self._table.transaction(lambda c: self._table.promises(c, wanted, limit))

    async def retry(self, key: str, *, due: datetime, not_after: datetime) -> Promise | None:
        """See [`CallbackLedger.retry`][livetransfer.callbacks.CallbackLedger.retry].

        One whose personal fields were dropped is returned as it is, too.

        Raises:
            ConfigurationError: The window ends before it begins, or is over.
            StoreUnavailableError: Nothing was changed, or it is not known.
        """
        from .sql_schema import CALLS

        check_window(due, not_after, self._clock())
        before = [str(one) for one in _ENDED if CallbackStatus.WAITING in FOLLOWS[one]]
        values = {
            "status": _WAITING,
            "due": seconds(due),
            "not_before": seconds(due),
            "not_after": seconds(not_after),
            "calls": 0,
            "ended": None,
        }

        async def retry(connection: AsyncConnection) -> Promise | None:
            done = await connection.execute(
                CALLS.update()
                .where(CALLS.c.id == key, CALLS.c.status.in_(before), CALLS.c.number.is_not(None))
                .values(values)
            )
            if done.rowcount:
                await self._table.note(
                    connection, [key], CallbackStatus.WAITING, "to be made again"
                )
            found = await self._table.promises(connection, CALLS.c.id == key)
            return found[0] if found else None

        return await self._table.transaction(retry)

    async def forget(self, before: datetime) -> int:
        """See [`CallbackLedger.forget`][livetransfer.callbacks.CallbackLedger.forget]."""
        from .sql_schema import CALLS

        old: Any = CALLS.c.status.in_([str(status) for status in _ENDED])
        old &= (CALLS.c.ended < seconds(before)) & CALLS.c.number.is_not(None)

        async def forget(connection: AsyncConnection) -> int:
            done = await connection.execute(
                CALLS.update().where(old).values(number=None, personal=None)
            )
            return int(done.rowcount)

        return await self._table.transaction(forget)

    async def aclose(self) -> None:
        """Close the connections, where the engine was made from a URL."""
        if self._own:
            await self._engine.dispose()

    def _now_and(self, further: float) -> tuple[float, float]:
        check_seconds("seconds", further, 0.001, 24 * 3600)
        now = self._clock()
        return seconds(now), seconds(now + timedelta(seconds=further))


_WAITING, _CLAIMED, _DIALLING = (
    str(status)
    for status in (CallbackStatus.WAITING, CallbackStatus.CLAIMED, CallbackStatus.DIALLING)
)
_BEFORE_CANCELLED = tuple(one for one in FOLLOWS if CallbackStatus.CANCELLED in FOLLOWS[one])


def _first(promise: Promise) -> tuple[int, datetime, str]:
    request = promise.request
    assert request.made is not None
    return -request.priority, request.made, request.id
