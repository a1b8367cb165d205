"""`livetransfer team`: who of a team is there, free, or paused; and pausing somebody."""

from __future__ import annotations

import asyncio
import json
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from livetransfer.routing import MemberStatus, Team, TeamStatus
    from livetransfer.stores import TeamStore

__all__ = ["team"]

_STYLES = {
    "available": "green",
    "ringing": "yellow",
    "talking": "cyan",
    "wrap_up": "blue",
    "paused": "magenta",
    "off_hours": "dim",
    "full": "cyan",
}

team = typer.Typer(
    help="Who of a team is there, free or paused; pause and resume somebody.",
    no_args_is_help=True,
)

_File = Annotated[
    Path, typer.Option("--file", help="The team file: YAML or JSON.", show_default=False)
]
_Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="The team's Redis, redis://...; or the state folder of another LocalStore. "
        "Default: this machine's LocalStore.",
        envvar="LIVETRANSFER_STORE",
    ),
]
_Name = Annotated[str, typer.Argument(help="The member's name.", show_default=False)]


@team.command()
def status(
    *,
    file: _File,
    store: _Store = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it until Ctrl-C, read again and again.")
    ] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between two looks.", min=0.2, max=3600)
    ] = 1.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --watch a line for each look.")
    ] = False,
) -> None:
    """Show what the members do, and who waits in the queues."""
    _run(lambda found: _show(found, watch, every, as_json), file, store)


@team.command()
def pause(
    member: _Name,
    *,
    file: _File,
    store: _Store = None,
    reason: Annotated[str, typer.Option(help="Why, for people.")] = "",
    seconds: Annotated[
        float | None, typer.Option(help="For how long. Default: until resumed.")
    ] = None,
) -> None:
    """Offer a member to nobody for a while. A call that he has goes on."""

    async def paused(found: Team) -> None:
        await found.pause(member, reason=reason, seconds=seconds)
        _console().print(f"{escape(member)} is paused")

    _run(paused, file, store)


@team.command()
def resume(member: _Name, *, file: _File, store: _Store = None) -> None:
    """Offer a member again who was paused."""

    async def resumed(found: Team) -> None:
        await found.resume(member)
        _console().print(f"{escape(member)} is offered again")

    _run(resumed, file, store)


def _console() -> Console:
    return Console(highlight=False)


def _run(act: Any, file: Path, store: str | None) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Imported here, because it takes a second and `livetransfer --help` should not.
    from livetransfer.errors import TransferError
    from livetransfer.routing import Team

    async def acted() -> None:
        found = Team.from_file(file, store=_store(store))
        try:
            await act(found)
        finally:
            await found.aclose()

    try:
        asyncio.run(acted())
    except TransferError as error:
        Console(stderr=True, highlight=False).print(f"[bold red]{escape(str(error))}[/]")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _store(given: str | None) -> TeamStore:
    from livetransfer.stores import LocalStore, RedisStore

    if given is None:
        return LocalStore()
    return RedisStore(given) if "://" in given else LocalStore(given)


async def _show(found: Team, watch: bool, every: float, as_json: bool) -> None:
    if as_json:
        while True:
            data = (await found.status()).to_dict()
            typer.echo(json.dumps(data, indent=None if watch else 2))
            if not watch:
                return
            await asyncio.sleep(every)
    if not watch:
        _console().print(_tables(await found.status()))
        return
    with Live(_tables(await found.status()), console=_console(), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(every)
            live.update(_tables(await found.status()), refresh=True)


def _tables(found: TeamStatus) -> Group:
    members = Table("Member", "Does", "Calls", "Taken", "For", "", title="Members")
    for one in found.members:
        style = _STYLES[one.presence]
        members.add_row(
            escape(one.name),
            f"[{style}]{one.presence.replace('_', ' ')}[/]",
            f"{one.calls}/{one.capacity}",
            str(one.taken),
            _seconds(one.seconds),
            _note(one),
        )
    queues = Table("Queue", "Open", "Waiting", "Longest", "Estimate", "Free", title="Queues")
    for queue in found.queues:
        queues.add_row(
            escape(queue.name),
            "[green]open[/]" if queue.open else "[dim]closed[/]",
            str(queue.waiting),
            _seconds(queue.longest_wait),
            _seconds(queue.estimate),
            f"{queue.available}/{queue.on_shift}",
        )
    return Group(members, queues)


def _note(member: MemberStatus) -> str:
    if member.presence != "paused":
        return ""
    note = escape(member.reason)
    if member.resumes_in is not None:
        note += f" ({_seconds(member.resumes_in)} left)"
    return note.strip()


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
