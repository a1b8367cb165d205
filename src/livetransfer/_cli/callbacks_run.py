"""`livetransfer callbacks run`: gives promised calls to a worker when they are due."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from contextlib import aclosing, suppress
from dataclasses import fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from .callback_store import Database, opened

if TYPE_CHECKING:
    from livetransfer.callbacks import CallbackEvent

__all__ = ["run"]


def run(
    *,
    database: Database = None,
    agent_name: Annotated[
        str,
        typer.Option("--agent-name", help="What the worker is called. Default: it has no name."),
    ] = "",
    every: Annotated[
        float, typer.Option(help="Seconds between two looks at what is due.", min=0.1, max=3600)
    ] = 5.0,
    at_once: Annotated[
        int, typer.Option(help="Callbacks on their way at once, over all runners.", min=1, max=1000)
    ] = 10,
    taken_within: Annotated[
        float, typer.Option(help="Seconds in which a worker has to take a job.", min=1, max=600)
    ] = 15.0,
    keep_days: Annotated[
        float,
        typer.Option(
            help="Days after which the personal fields of what has ended are dropped.", min=0
        ),
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as JSON.")] = False,
) -> None:
    """Give promised calls to a worker when they are due, until Ctrl-C. Any number may run.

    LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET say where. Nobody is dialled from here:
    the worker's job does that, with `make_callback`.
    """
    # Imported here, because it takes a second and `livetransfer --help` should not.
    from livetransfer.callbacks import CallbackRunner, LiveKitDispatcher
    from livetransfer.errors import TransferError

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")

    async def acted() -> None:
        async with opened(database) as kept, aclosing(LiveKitDispatcher(agent_name)) as rooms:
            runner = CallbackRunner(
                kept,
                rooms,
                every=every,
                at_once=at_once,
                taken_within=taken_within,
                keep_days=keep_days,
                on_event=lambda event: typer.echo(_line(event, as_json)),
            )
            # A store that cannot be used at all is said at once, not once every few seconds.
            await kept.find(limit=1)
            if not as_json:
                Console(highlight=False).print(f"{escape(runner.name)} looks every {every:g} s")
            await _until_told(runner.run())

    try:
        asyncio.run(acted())
    except TransferError as error:
        Console(stderr=True, highlight=False).print(f"[bold red]{escape(str(error))}[/]")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _until_told(work: Any) -> None:
    """Run `work` until it ends, or the process is asked to: what it has begun it gives back."""
    task = asyncio.ensure_future(work)
    with suppress(NotImplementedError):  # on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        raise
    if not task.cancelled():
        task.result()


def _line(event: CallbackEvent, as_json: bool) -> str:
    """Return an event as one line; no number of anybody is in it."""
    said = {"event": type(event).__name__}
    said.update({each.name: getattr(event, each.name) for each in fields(event)})
    if as_json:
        return json.dumps(said, default=_plain)
    rest = " ".join(f"{_plain(said[name])}" for name in said if name != "event" and said[name])
    return f"{datetime.now(timezone.utc):%H:%M:%S} {said['event']} {rest}"


def _plain(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
