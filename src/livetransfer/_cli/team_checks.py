"""What can be checked of a team: its file, who is open now, and where its workers share it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from livetransfer.errors import ConfigurationError, StoreUnavailableError
from livetransfer.finding import Finding, failed, ok, skipped, warning

if TYPE_CHECKING:
    from livetransfer.routing import Team

__all__ = ["check_state", "check_team"]

AHEAD = timedelta(days=8)
"""How far it is looked whether a queue ever opens: a week, and a holiday."""
EVERY = timedelta(minutes=30)
_TOLD = 6
"""Queues of which each is told; of more, how many are open."""


async def check_team(path: str | None) -> list[Finding]:
    """Read a team file, and see which queues are open now.

    Args:
        path: The file; None where there is no team.
    """
    names = ("team file", "hours")
    if path is None:
        return [skipped(name, "not configured", "--team team.yaml") for name in names]
    from livetransfer.routing import Team
    from livetransfer.stores import MemoryStore

    try:
        # Reading the hours of a year of public holidays takes its time.
        team = await asyncio.to_thread(Team.from_file, path, store=MemoryStore())
    except ConfigurationError as error:
        there = await asyncio.to_thread(Path(path).exists)
        mends = f"see {path}" if there else "--team with the file of a team"
        wrong = failed(names[0], f"{error.field}: {error.remedy}", mends)
        return [wrong, skipped(names[1], "the team cannot be read")]
    members, queues = team.members, team.queues
    used = {destination for queue in queues for destination in team[queue]}
    unused = [name for name, member in members.items() if member.destination not in used]
    detail = f"{_several(len(members), 'member')}, {_several(len(queues), 'queue')}"
    if unused:
        shown = ", ".join(unused[:_TOLD]) + (", ..." if len(unused) > _TOLD else "")
        found = warning(
            names[0], f"{detail}; in no queue: {shown}", "name them in a queue's members or skills"
        )
    else:
        found = ok(names[0], detail)
    return [found, await asyncio.to_thread(_hours, team)]


def _hours(team: Team) -> Finding:
    name = "hours"
    openings = team.openings()
    never = _never_open(team)
    if never:
        return warning(
            name,
            f"nobody takes calls of {', '.join(never[:_TOLD])} in the next {AHEAD.days} days",
            "see whether the hours of the queue and those of its members meet, and the time zone",
        )
    if len(openings) > _TOLD:
        count = sum(each.open for each in openings.values())
        return ok(name, f"{count} of {len(openings)} queues are open now")
    told = [
        f"{queue} is open" if each.open else f"{queue} is closed, opens {each.opens}"
        for queue, each in openings.items()
    ]
    return ok(name, "; ".join(told))


def _never_open(team: Team) -> list[str]:
    """Return the queues that open at no moment of the days ahead."""
    never = dict.fromkeys(team.queues)
    moment = datetime.now(timezone.utc)
    end = moment + AHEAD
    while never and moment < end:
        for queue, each in team.openings(moment).items():
            if each.open:
                never.pop(queue, None)
        moment += EVERY
    return list(never)


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


async def check_state(*, needed: bool) -> Finding:
    """See whether the processes of this machine can share a file. It is not made by this.

    Args:
        needed: Whether calls fail without it.
    """
    name = "state folder"
    wrong = failed if needed else warning
    remedy = "export LIVETRANSFER_STATE=/a/folder/of/the/worker, on a disk of the machine"
    from livetransfer.stores import LocalStore

    try:
        store = LocalStore()
    except ConfigurationError as error:
        return wrong(name, f"{error.value}: {error.remedy}", remedy)
    if not store.path.exists():
        return _could_be_made(store.path.parent, wrong, name, remedy)
    began = time.monotonic()
    try:
        await store.open()
    except StoreUnavailableError as error:
        return wrong(name, str(error), remedy)
    finally:
        await store.aclose()
    return ok(name, f"{store.path.parent} answers in {(time.monotonic() - began) * 1000:.0f} ms")


def _could_be_made(
    folder: Path, wrong: Callable[[str, str, str | None], Finding], name: str, remedy: str
) -> Finding:
    there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return wrong(name, f"{folder} cannot be made: {there} cannot be written to", remedy)
    return ok(name, f"{folder}, made at the first call")
