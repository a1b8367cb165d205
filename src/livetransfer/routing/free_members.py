"""Line: members of one queue who may be offered to a caller; and what is read off several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from livetransfer.destination import Destination
from livetransfer.outcome import Attempt
from livetransfer.status import RETRYABLE, TransferStatus
from livetransfer.stores import Snapshot

from .eligible_members import Pool, Roster
from .lease import LeaseTerms, MemberLease
from .member import Member
from .offer import Offer
from .queue import Queue
from .router import RouteRequest

__all__ = [
    "Line",
    "anybody",
    "capacities_of",
    "names_of",
    "narrowed",
    "not_rung",
    "offer_of",
    "passed_over",
    "ranking",
    "terms_of",
    "turning",
    "turns_of",
]


@dataclass(frozen=True)
class Line:
    """Members of one queue who may be offered: the caller's own queue, or one it flows over to.

    Attributes:
        queue: The queue.
        pool: Its members who can take the call.
        required: The skills that it asks for now.
    """

    queue: Queue
    pool: Pool
    required: Mapping[str, int]


def not_rung(
    line: Line, roster: Roster, request: RouteRequest, attempts: Sequence[Attempt]
) -> Line:
    """Return a line without those who were rung for this call, unless they are tried again."""
    if not attempts:
        return line
    last = {_who(a.destination): a.status for a in attempts if a.destination is not None}
    over = {
        who
        for who, status in last.items()
        # One whom a colleague was faster than has done nothing: the call may still be his.
        if status is not TransferStatus.ANSWERED_ELSEWHERE
        and not (request.retry and status in RETRYABLE)
    }
    members = line.pool.members.values()
    left = [member for member in members if _who(member.destination) not in over]
    if len(left) == len(members):
        return line
    return replace(line, pool=roster.of(line.required, left))


def narrowed(line: Line, roster: Roster, names: frozenset[str], others: Sequence[Member]) -> Line:
    """Return a line with those of its members who are named, and with others."""
    members = [member for member in line.pool.members.values() if member.name in names]
    return replace(line, pool=roster.of(line.required, [*members, *others]))


def passed_over(
    names: frozenset[str],
    groups: Sequence[Sequence[str]],
    lines: Sequence[Line],
    snapshot: Snapshot,
) -> frozenset[str]:
    """Return those who are free and whom a strategy does not want to be rung for this caller.

    He does not wait for them: they would be kept for him, and he would never get one.

    Args:
        names: All of whom the lines are.
        groups: Whom the strategies have named, all of them.
        lines: The lines.
        snapshot: The team as it is.
    """
    capacities, wanted = capacities_of(lines), frozenset(chain.from_iterable(groups))
    return frozenset(
        name
        for name in names - wanted
        if snapshot.state(name).free(snapshot.now, capacities.get(name, 1))
    )


def _who(destination: Destination) -> tuple[str, str | None]:
    return destination.address, destination.name


def names_of(lines: Sequence[Line]) -> frozenset[str]:
    """Return the names of all."""
    if len(lines) == 1:
        return lines[0].pool.names
    return frozenset[str]().union(*(line.pool.names for line in lines))


def terms_of(lines: Sequence[Line], groups: Sequence[Sequence[str]]) -> Mapping[str, LeaseTerms]:
    found = {}
    for name in chain.from_iterable(groups):
        line = next(line for line in lines if name in line.pool.terms)
        found[name] = line.pool.terms[name]
    return found


def turning(lines: Sequence[Line]) -> list[str]:
    """Return the queues that a caller flows over to and whose strategy may ask whose turn it is."""
    return [line.queue.name for line in lines[1:] if line.queue.strategy.turns]


def turns_of(lines: Sequence[Line], groups: Sequence[Sequence[str]]) -> Mapping[str, str]:
    """Return whose turn it is where members are taken who are not of the caller's own queue.

    See `TeamStore.take`: it is the turn of the queue that is flowed over to, and of none where a
    look-up has brought somebody who is in no queue.

    Args:
        lines: The lines, the caller's own queue first.
        groups: The ranking.
    """
    found: dict[str, str] = {}
    if len(lines) == 1 and not lines[0].pool.visitors:
        return found
    for name in chain.from_iterable(groups):
        line = next(line for line in lines if name in line.pool.names)
        if name in line.pool.visitors:
            found[name] = ""
        elif line is not lines[0]:
            found[name] = line.queue.name
    return found


def capacities_of(lines: Sequence[Line]) -> Mapping[str, int]:
    """Return how many calls those take who take several."""
    if len(lines) == 1:
        return lines[0].pool.capacities
    return {name: count for line in lines for name, count in line.pool.capacities.items()}


def ranking(
    lines: Sequence[Line], request: RouteRequest, snapshot: Snapshot, limit: int | None
) -> list[list[str]]:
    """Return who of some lines can be rung, in groups; each line by its own queue's strategy.

    Args:
        lines: The lines, the caller's own queue first.
        request: What is known of the call.
        snapshot: The team as it is.
        limit: How many groups are enough.
    """
    groups: list[list[str]] = []
    for index, line in enumerate(lines):
        asked = request
        if line.required != request.skills:
            asked = replace(request, skills=line.required)
        cursor = snapshot.cursors.get(line.queue.name) if index else snapshot.cursor
        after = None if cursor is None else line.pool.places.get(cursor)
        for tier in line.pool.tiers:
            groups += tier.ranked(snapshot, asked, after, limit)
            if limit is not None and len(groups) >= limit:
                return groups
    return groups


def anybody(names: frozenset[str], snapshot: Snapshot, within: float) -> bool:
    """Return whether somebody is there: not all are paused for longer than the caller waits."""
    now = snapshot.now
    for name in names:
        pause = snapshot.state(name).paused(now)
        if pause is None or (pause.until is not None and pause.until - now < within):
            return True
    return False


def offer_of(lines: Sequence[Line], queue: Queue, leases: Sequence[MemberLease]) -> Offer:
    """Return the offer of those who were taken for a caller of `queue`."""
    first = leases[0].member
    line = next(line for line in lines if first in line.pool.names)
    members = [line.pool.members[lease.member] for lease in leases]
    methods = tuple(member.method for member in members)
    return Offer(
        tuple(member.destination for member in members),
        line.queue.ring_timeout,
        leases=tuple(leases),
        queue=queue.name,
        methods=methods if any(methods) else (),
    )
