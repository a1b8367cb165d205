"""`livetransfer callbacks`: the promised calls; cancelling one, and making one again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from livetransfer.callback_request import CallbackStatus

from .callback_store import Database, opened
from .callbacks_run import run

if TYPE_CHECKING:
    from livetransfer.callbacks import Promise, SqlCallbackStore

__all__ = ["callbacks"]

_STYLES = {
    CallbackStatus.WAITING: "yellow",
    CallbackStatus.CLAIMED: "cyan",
    CallbackStatus.DIALLING: "cyan",
    CallbackStatus.DONE: "green",
    CallbackStatus.FAILED: "red",
    CallbackStatus.CANCELLED: "dim",
    CallbackStatus.INDETERMINATE: "bold red",
}

callbacks = typer.Typer(
    help="The calls that were promised to callers: have them made, look at them, cancel one.",
    no_args_is_help=True,
)
callbacks.command("run")(run)

_Key = Annotated[str, typer.Argument(help="What names the call, or how it begins.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Numbers = Annotated[bool, typer.Option("--numbers", help="Show whole numbers, not the last four.")]


@callbacks.command("list")
def list_callbacks(
    *,
    database: Database = None,
    status: Annotated[
        list[CallbackStatus] | None, typer.Option(help="Only these; may be given again.")
    ] = None,
    number: Annotated[str | None, typer.Option(help="Only those of this number, in E.164.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=100_000)] = 100,
    numbers: _Numbers = False,
    as_json: _Json = False,
) -> None:
    """List the promised calls, the next due first."""

    async def listed(store: SqlCallbackStore) -> None:
        found = await store.find(statuses=status or (), number=number, limit=limit)
        if as_json:
            typer.echo(json.dumps([described(one, numbers) for one in found], indent=2))
        else:
            _console().print(_table([(one, numbers) for one in found]))

    _run(listed, database)


@callbacks.command()
def show(
    key: _Key, *, database: Database = None, numbers: _Numbers = False, as_json: _Json = False
) -> None:
    """Show one promised call, and what has happened with it."""

    async def shown(store: SqlCallbackStore) -> None:
        _print(await _one(store, key), numbers, as_json)

    _run(shown, database)


@callbacks.command()
def cancel(
    key: _Key,
    *,
    database: Database = None,
    reason: Annotated[str, typer.Option(help="Why, for people; no number.")] = "",
    as_json: _Json = False,
) -> None:
    """Cancel one that has not been dialled. Exit status 1: it is being dialled, or has ended."""

    async def cancelled(store: SqlCallbackStore) -> None:
        found = await store.cancel((await _one(store, key)).id, reason=reason)
        assert found is not None
        if found.status is not CallbackStatus.CANCELLED:
            raise _Refused(f"it is {found.status}, and cannot be cancelled any more")
        _print(found, False, as_json)

    _run(cancelled, database)


@callbacks.command()
def retry(
    key: _Key,
    *,
    database: Database = None,
    minutes: Annotated[
        float, typer.Option(help="From now on, within so many minutes.", min=1, max=40_000)
    ] = 60,
    as_json: _Json = False,
) -> None:
    """Have one made again that failed, was cancelled, or of which it is not known.

    Exit status 1: it waits anyway, is being made, is done, or its number was dropped.
    """

    async def again(store: SqlCallbackStore) -> None:
        before = await _one(store, key)
        now = datetime.now(timezone.utc)
        found = await store.retry(before.id, due=now, not_after=now + timedelta(minutes=minutes))
        assert found is not None
        if before.status is found.status:
            gone = "" if found.request.number else "; its number was dropped"
            raise _Refused(f"it is {found.status}, and is not made again{gone}")
        _print(found, False, as_json)

    _run(again, database)


class _Refused(Exception):
    """What was asked for cannot be done; the text says why."""


def described(promise: Promise, numbers: bool) -> dict[str, Any]:
    """Return what is known of a promised call, for JSON."""
    request = promise.request
    return {
        "id": promise.id,
        "status": str(promise.status),
        "number": _number(request.number, numbers),
        "reason": request.reason,
        "queue": request.queue,
        "destination": None if request.destination is None else request.destination.label,
        "due": _iso(promise.due),
        "not_before": _iso(request.not_before),
        "not_after": _iso(request.not_after),
        "timezone": request.timezone,
        "made": None if request.made is None else _iso(request.made),
        "calls": promise.calls,
        "attempts": request.attempts,
        "priority": request.priority,
        "call": request.call if numbers else None,
        "room": promise.room,
        "owner": promise.owner,
        "history": [
            {"at": _iso(entry.at), "status": str(entry.status), "reason": entry.reason}
            for entry in request.history
        ],
    }


async def _one(store: SqlCallbackStore, key: str) -> Promise:
    found = await store.get(key)
    if found is not None:
        return found
    alike = [one for one in await store.find(limit=100_000) if one.id.startswith(key)]
    if len(alike) == 1:
        return alike[0]
    raise _Refused(
        f"{len(alike)} promised calls begin with {key!r}" if alike else f"there is no {key!r}"
    )


def _print(promise: Promise, numbers: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(described(promise, numbers), indent=2))
        return
    _console().print(_table([(promise, numbers)]))
    request, zone = promise.request, _zone(promise)
    for name, text in (("About", request.reason), ("Summary", request.summary)):
        if text:
            _console().print(f"{name}: {escape(text)}")
    for entry in request.history:
        at = entry.at.astimezone(zone).strftime("%d %b %H:%M:%S")
        _console().print(f"  {at}  {entry.status}  {escape(entry.reason)}".rstrip())


def _table(rows: list[tuple[Promise, bool]]) -> Table:
    table = Table("Call", "Status", "Number", "Due", "Until", "Queue", "Dialled")
    for promise, numbers in rows:
        request, zone = promise.request, _zone(promise)
        style = _STYLES[promise.status]
        table.add_row(
            escape(promise.id[:12]),
            f"[{style}]{promise.status}[/]",
            _number(request.number, numbers),
            promise.due.astimezone(zone).strftime("%d %b %H:%M"),
            request.not_after.astimezone(zone).strftime("%d %b %H:%M %Z"),
            escape(request.queue or ""),
            f"{promise.calls}/{request.attempts}",
        )
    return table


def _zone(promise: Promise) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(promise.request.timezone)


def _number(number: str, whole: bool) -> str:
    if not number:
        return "dropped"
    return number if whole else f"…{number[-4:]}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")


def _console() -> Console:
    return Console(highlight=False)


def _run(act: Callable[[SqlCallbackStore], Awaitable[None]], database: str | None) -> None:
    # Imported here, because it takes a second and `livetransfer --help` should not.
    from livetransfer.errors import TransferError

    async def acted() -> None:
        async with opened(database) as store:
            await act(store)

    try:
        asyncio.run(acted())
    except (TransferError, _Refused) as error:
        Console(stderr=True, highlight=False).print(f"[bold red]{escape(str(error))}[/]")
        raise typer.Exit(1) from None
