"""`livetransfer doctor`: says before the first call why the first call would fail."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from livetransfer._livekit.server_checks import Access
    from livetransfer.finding import Finding, FindingStatus

__all__ = ["doctor"]

TRUNK_VARIABLE = "LIVEKIT_SIP_OUTBOUND_TRUNK"
_STYLES: dict[FindingStatus, str] = {
    "ok": "green",
    "warning": "yellow",
    "failed": "bold red",
    "skipped": "dim",
}


def doctor(
    *,
    trunk: Annotated[
        str | None,
        typer.Option(help="The outbound trunk to look at.", envvar=TRUNK_VARIABLE),
    ] = None,
    hold: Annotated[
        str | None, typer.Option(help="The hold music, a file or a URL. Default: the built-in.")
    ] = None,
    redis: Annotated[
        str | None, typer.Option(help="The Redis of leases and limits, redis://...")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="The database of callbacks, as SQLAlchemy writes it.")
    ] = None,
    team: Annotated[
        str | None, typer.Option(help="The team's file: is it right, and who is open now?")
    ] = None,
    dispatch: Annotated[
        str | None,
        typer.Option(
            help="Give a worker of this agent_name ('' for one without) a job in an empty room, "
            "and see whether it comes. Its entrypoint runs."
        ),
    ] = None,
    call: Annotated[
        str | None,
        typer.Option(help="Really dial this number or SIP URI: a sentence is said, a key taken."),
    ] = None,
    refer: Annotated[
        bool,
        typer.Option(
            "--refer",
            help="After --call: dial again, once for tel: and once for sip:, and see whether the "
            "trunk takes a REFER.",
        ),
    ] = False,
    refer_to: Annotated[
        str | None,
        typer.Option(help="Where the REFER sends the phone. Default: the number of --call."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Show no colours.")] = False,
) -> None:
    """Say before the first call why the first call would fail.

    Looks at the credentials, the server, the key's rights, the telephony, the hold music and the
    stores. Nobody is called and no worker gets a job unless --call or --dispatch is given. The
    exit status is 1 if something failed; warnings are none.
    """
    if (refer or refer_to) and call is None:
        raise typer.BadParameter("--refer needs --call: somebody has to be on the line")
    logging.getLogger("livekit").setLevel(logging.ERROR)
    logging.getLogger("livetransfer").setLevel(logging.ERROR)
    findings = asyncio.run(
        _examine(
            trunk=trunk or None,
            hold=hold,
            redis=redis,
            database=database,
            team=team,
            dispatch=dispatch,
            call=call,
            refer_to=(refer_to or call) if refer or refer_to else None,
        )
    )
    if as_json:
        typer.echo(json.dumps([finding.to_dict() for finding in findings], indent=2))
    else:
        _show(findings, Console(no_color=no_color or None, highlight=False))
    if any(finding.status == "failed" for finding in findings):
        raise typer.Exit(1)


async def _examine(
    *,
    trunk: str | None,
    hold: str | None,
    redis: str | None,
    database: str | None,
    team: str | None,
    dispatch: str | None,
    call: str | None,
    refer_to: str | None,
) -> list[Finding]:
    """Make every check that was asked for; those that need not wait for each other do not."""
    # Imported here: it takes a second, and `livetransfer --help` should not.
    from livetransfer._livekit.server_checks import inspect_server, not_reached
    from livetransfer.finding import skipped

    from .setup_checks import (
        VARIABLES,
        check_credentials,
        check_hold,
    )
    from .store_checks import check_database, check_redis
    from .team_checks import check_state, check_team

    credentials = check_credentials()
    access = _access(trunk, VARIABLES) if credentials.status != "failed" else None

    async def server() -> list[Finding]:
        if access is None:
            return not_reached("there are no credentials")
        return await inspect_server(access, _room())

    found, listed, *beside = await asyncio.gather(
        server(),
        check_team(team),
        check_hold(hold),
        check_redis(redis),
        check_database(database),
        check_state(needed=team is not None and redis is None),
    )
    findings = [credentials, *found, *beside, *listed]
    broken = access is None or any(
        f.status == "failed" for f in found if f.name in ("server", "key", "token grants")
    )
    for asked, name in ((dispatch, "dispatch"), (call, "call")):
        if asked is not None and (access is None or broken):
            findings.append(skipped(name, "the server cannot be used"))
    if access is None or broken:
        return findings
    if dispatch is not None:
        from livetransfer._livekit.dispatch_probe import probe_dispatch

        findings.append(await probe_dispatch(access, _room(), dispatch))
    if call is not None:
        findings += await _calls(access, call, refer_to)
    return findings


async def _calls(access: Access, call: str, refer_to: str | None) -> list[Finding]:
    from livetransfer._livekit.call_probe import Sentence, probe_call, probe_refer
    from livetransfer.destination import Destination
    from livetransfer.errors import DestinationError
    from livetransfer.finding import failed, skipped

    from .lines import RATE, lines

    try:
        destination = Destination(call)
        target = Destination(refer_to) if refer_to is not None else None
    except DestinationError as error:
        return [failed("call", str(error), "--call +<country code><number>")]
    sentence = Sentence(lines()["ai.doctor"].samples.tobytes(), RATE)
    findings = await probe_call(access, _room(), destination, sentence)
    if target is None:
        return findings
    if findings[0].status == "failed":
        return [*findings, skipped("REFER", "the phone was not reached")]
    host = target.sip_host or await _trunk_host(access)
    for scheme, to in (
        ("tel:", f"tel:{target.number}" if target.number else None),
        ("sip:", f"sip:{target.sip_user}@{host}" if host and target.sip_user else None),
    ):
        if to is None:
            findings.append(skipped(f"REFER {scheme}", "the number has no such form"))
        else:
            findings.append(await probe_refer(access, _room(), destination, to, scheme))
    return findings


async def _trunk_host(access: Access) -> str | None:
    from livetransfer._livekit.server_checks import trunk_address

    return await trunk_address(access)


def _access(trunk: str | None, variables: Sequence[str]) -> Access:
    from livetransfer._livekit.server_checks import Access

    url, key, secret = (os.environ[variable].strip() for variable in variables)
    return Access(url, key, secret, trunk)


def _room() -> str:
    return f"livetransfer-doctor-{uuid.uuid4().hex[:8]}"


def _show(findings: list[Finding], console: Console) -> None:
    """Print a table for people."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        style = _STYLES[finding.status]
        skipped = finding.status == "skipped"
        shown = "not checked" if skipped else finding.status
        detail = escape(finding.detail.removeprefix("not checked: "))
        table.add_row(
            f"[{style}]{shown}[/]", escape(finding.name), f"[dim]{detail}[/]" if skipped else detail
        )
        if finding.remedy is not None and finding.status != "ok":
            table.add_row("", "", f"[dim]-> {escape(finding.remedy)}[/]")
    console.print(table)
    counts = [
        f"{number} {status}"
        for status in ("failed", "warning", "ok")
        if (number := sum(f.status == status for f in findings))
    ]
    console.print(f"\n{', '.join(counts)}")
