"""Roster: who of a team can take the calls of one queue now: by skills, tier and hours."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from .department_opening import Opening
from .hours import Hours
from .lease import LeaseTerms
from .member import Member
from .queue import Queue
from .ranked_tier import Tier

__all__ = ["Pool", "Roster", "Shifts"]

_KEPT = 32
"""Pools of one roster that are kept: one for each set of skills asked for."""

_FOREVER = float("inf")


class Shifts:
    """Which hours are open now: read once, and again when one of them changes.

    Args:
        hours: The hours.
    """

    def __init__(self, hours: Sequence[Hours]) -> None:
        self.hours = tuple(dict.fromkeys(hours))
        self._since, self._until = _FOREVER, -_FOREVER
        self.open: frozenset[Hours] = frozenset()

    def read(self, now: float) -> bool:
        """See which are open at `now`, seconds since the epoch; return whether it was read anew."""
        if self._since <= now < self._until:
            return False
        instant = datetime.fromtimestamp(now, timezone.utc)
        self.open = frozenset(hours for hours in self.hours if hours.open_at(instant))
        changes = [change for hours in self.hours if (change := hours.next_change(instant))]
        self._since = now
        self._until = min((change.timestamp() for change in changes), default=_FOREVER)
        return True


@dataclass(frozen=True)
class Pool:
    """Members who can take a call, as long as nobody's hours change.

    Attributes:
        members: The members by name, in the order of the queue.
        tiers: The tiers, the first to ring first.
        places: Each one's place in the queue, those who cannot take the call included.
        names: Their names.
        visitors: The names of those who are no members of the queue: a look-up has brought them.
        capacities: How many calls those take who take several.
        terms: How long each is taken.
    """

    members: Mapping[str, Member]
    tiers: tuple[Tier, ...]
    places: Mapping[str, int]
    names: frozenset[str]
    visitors: frozenset[str]
    capacities: Mapping[str, int]
    terms: Mapping[str, LeaseTerms]


class Roster:
    """The members of one queue, whoever they are at a given moment.

    Args:
        queue: The queue.
        members: All who may be its members, in its order.
        terms: How long they are taken, of their wrap-up.
    """

    def __init__(
        self, queue: Queue, members: Sequence[Member], terms: Callable[[float], LeaseTerms]
    ) -> None:
        self.queue = queue
        self.members = tuple(members)
        self.names = frozenset(member.name for member in members)
        self._terms = terms
        self._places = {member.name: place for place, member in enumerate(members)}
        self._shifts = Shifts([m.hours for m in members if m.hours is not None])
        self._always = any(m.hours is None for m in members)
        self._own = None if queue.hours is None else Shifts([queue.hours])
        self._pools: OrderedDict[object, Pool] = OrderedDict()

    def open(self, now: float) -> bool:
        """Return whether the queue is open at `now`, whoever is there."""
        if self._own is None:
            return True
        self._own.read(now)
        return bool(self._own.open)

    def opening(self, now: float) -> Opening:
        """Return whether its people take calls at `now`, and when they do again."""
        queue, instant = self.queue, datetime.fromtimestamp(now, timezone.utc)
        self._shifts.read(now)
        anybody = self._always or bool(self._shifts.open)
        if self.open(now) and anybody:
            return Opening(queue.about, kind=queue.kind)
        if queue.hours is not None and not queue.hours.open_at(instant):
            opens = queue.hours.opens_after(instant)
        else:
            begins = [b for hours in self._shifts.hours if (b := hours.opens_after(instant))]
            opens = min(begins, default=None)
        # As it is in the time zone of those who open.
        words = None if opens is None else opens.strftime("%A %H:%M")
        return Opening(queue.about, open=False, opens=words, kind=queue.kind)

    def pool(self, required: Mapping[str, int], now: float, *, briefs: bool = True) -> Pool:
        """Return who is on shift at `now` and has the skills that are required.

        Args:
            required: The skills.
            now: Seconds since the epoch.
            briefs: Whether the transfer briefs; else those who want to be briefed are left out.
        """
        if self._shifts.read(now):
            self._pools.clear()
        key = (frozenset(required.items()), briefs)
        pool = self._pools.get(key)
        if pool is None:
            on_shift = self._shifts.open
            pool = self.of(
                required,
                [
                    member
                    for member in self.members
                    if (member.hours is None or member.hours in on_shift)
                    and has(member, required)
                    and (briefs or member.method != "warm")
                ],
            )
            self._pools[key] = pool
            if len(self._pools) > _KEPT:
                self._pools.popitem(last=False)
        return pool

    def of(self, required: Mapping[str, int], members: Sequence[Member]) -> Pool:
        """Return a pool of these, for calls that need the skills that are required."""
        tiers: dict[int, list[Member]] = {}
        for member in members:
            tiers.setdefault(member.priority, []).append(member)
        wrap_up = self.queue.wrap_up
        places: Mapping[str, int] = self._places
        if others := [member.name for member in members if member.name not in places]:
            places = {**places, **{name: len(places) + i for i, name in enumerate(others)}}
        return Pool(
            {member.name: member for member in members},
            tuple(
                Tier(tiers[tier], places, self.queue.strategy, required) for tier in sorted(tiers)
            ),
            places,
            frozenset(member.name for member in members),
            frozenset(others),
            {member.name: member.capacity for member in members if member.capacity != 1},
            {
                member.name: self._terms(wrap_up if member.wrap_up is None else member.wrap_up)
                for member in members
            },
        )


def has(member: Member, required: Mapping[str, int]) -> bool:
    """Return whether a member has the skills that are required, at their levels."""
    skills = member.skills
    return all(skills.get(skill, 0) >= level for skill, level in required.items())
