"""Team: people and queues; who of them is rung for a call, over all workers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

from livetransfer._checks import check_seconds
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, UnknownDestinationError
from livetransfer.outcome import Attempt
from livetransfer.stores import LocalStore, Snapshot, Stale, TeamStore, Ticket

from .department_opening import Opening
from .eligible_members import Roster
from .free_members import (
    Line,
    anybody,
    capacities_of,
    names_of,
    narrowed,
    not_rung,
    offer_of,
    passed_over,
    ranking,
    terms_of,
    turning,
    turns_of,
)
from .lease import LeaseTerms, take
from .member import Member, check_name
from .offer import Offer, Wait
from .queue import Queue
from .queue_place import QueuePlace
from .router import Router, RouteRequest
from .shared_store import SharedStore
from .staff import members_by_name, members_of, queues_by_name
from .team_status import TeamStatus, team_status
from .waiting_time import estimate, turn_after
from .workforce_lookup import Lookup, LookupCode

__all__ = ["Team"]

FEW = 8
"""Groups of a ranking that are tried first: mostly one of them is free, and the rest is saved."""

TRIES = 5
"""Times that a ranking is made anew because a member has changed meanwhile; then it is used."""


class Team(Router):
    """People and queues: a Router that knows who is on shift, who is free, and who waits.

    Each of its queues is a department. Before each attempt it takes the members that it offers,
    for as long as they ring, talk and wrap up, so that no worker rings them for somebody else;
    where all are taken the caller waits in the queue, on hold.

    Args:
        members: The people.
        queues: The queues.
        store: Through which the workers share who is taken. Default: `LocalStore`, which all
            processes of one machine share.
        default: The queue when none is asked for. Default: the only one, if there is one.
        name: What the store calls the team: teams of one name share their members.
        lease_seconds: Seconds after which a member is free again whose worker has died, and a
            caller's place is given up.
        talk_time_unknown: Seconds that a member counts as talking where nobody can see the end:
            after a REFER, or with ``after="leave"``.
        autopause_after: Calls in a row that a member does not answer until he is paused. Default:
            never.
        autopause_for: Seconds of such a pause. Default: until he is resumed.
        lookup: Asked for each call with the request and the members who could take it, plain or
            async. It returns the names of those who can, `Member` objects of its own, or None for
            all; where it fails, all are used.
        lookup_timeout: Seconds that it may take.
        store_required: Whether the store has to answer at the start; False: this machine's
            LocalStore is used until it does. A store that is lost later is always waited for:
            nobody is rung on a guess.

    Raises:
        ConfigurationError: An option cannot be used, members and queues do not fit together, or
            the extra of a store or of hours is not installed.
    """

    def __init__(
        self,
        members: Sequence[Member],
        queues: Sequence[Queue],
        *,
        store: TeamStore | None = None,
        default: str | None = None,
        name: str = "team",
        lease_seconds: float = 30.0,
        talk_time_unknown: float = 300.0,
        autopause_after: int | None = None,
        autopause_for: float | None = None,
        lookup: LookupCode | None = None,
        lookup_timeout: float = 2.0,
        store_required: bool = True,
    ) -> None:
        self._members = members_by_name(members)
        self._queues = queues_by_name(queues)
        self._name = check_name("name", name)
        self._lease_seconds = check_seconds("lease_seconds", lease_seconds, 1, 600)

        @lru_cache(maxsize=1024)
        def terms(wrap_up: float) -> LeaseTerms:
            return LeaseTerms(
                lease_seconds, wrap_up, talk_time_unknown, autopause_after, autopause_for
            )

        terms(0.0)
        by_skill: dict[str, list[Member]] = {}
        for member in self._members.values():
            for skill in member.skills:
                by_skill.setdefault(skill, []).append(member)
        self._rosters = {
            queue.name: Roster(queue, members_of(queue, self._members, by_skill), terms)
            for queue in self._queues.values()
        }
        if default is not None and default not in self._queues:
            raise ConfigurationError("default", default, f"use one of {sorted(self._queues)}")
        self._default = next(iter(self._queues)) if len(self._queues) == 1 else default
        if store is not None and not isinstance(store, TeamStore):
            raise ConfigurationError("store", store, "give a LocalStore, RedisStore or MemoryStore")
        if not isinstance(store_required, bool):
            raise ConfigurationError("store_required", store_required, "use True or False")
        self._store = SharedStore(LocalStore() if store is None else store, store_required)
        check_seconds("lookup_timeout", lookup_timeout, 0.05, 60)
        if lookup is not None and not callable(lookup):
            raise ConfigurationError("lookup", lookup, "give a function")
        self._lookup = None if lookup is None else Lookup(lookup, lookup_timeout, self._members)
        self._places: WeakValueDictionary[str, QueuePlace] = WeakValueDictionary()

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        store: TeamStore | None = None,
        lookup: LookupCode | None = None,
        store_required: bool = True,
    ) -> Team:
        """Return the team that a YAML or JSON file describes.

        Args:
            path: The file; see the how-to on team files.
            store: The store; see `Team`.
            lookup: See `Team`.
            store_required: See `Team`.

        Raises:
            ConfigurationError: The file cannot be read; the message names line and field.
        """
        from .team_file import read_team

        members, queues, options = read_team(Path(path))
        return cls(
            members, queues, store=store, lookup=lookup, store_required=store_required, **options
        )

    # -- what a Router has -------------------------------------------------------------------

    @property
    def departments(self) -> tuple[str, ...]:
        """The names of the queues."""
        return tuple(self._queues)

    @property
    def members(self) -> Mapping[str, Member]:
        """The members, by name."""
        return dict(self._members)

    @property
    def queues(self) -> Mapping[str, Queue]:
        """The queues, by name."""
        return dict(self._queues)

    def __getitem__(self, department: str) -> tuple[Destination, ...]:
        """Return the destinations of all members of a queue.

        Raises:
            UnknownDestinationError: There is no such queue.
        """
        roster = self._roster(department)
        return tuple(member.destination for member in roster.members)

    def __iter__(self) -> Iterator[str]:
        return iter(self._queues)

    def __contains__(self, department: object) -> bool:
        return department in self._queues

    def openings(self, now: datetime | None = None) -> Mapping[str, Opening]:
        """Return which queues are open, whether or not somebody is free.

        Args:
            now: The moment that is meant, with its time zone. Default: this one.
        """
        moment = self._now() if now is None else now.timestamp()
        return {name: roster.opening(moment) for name, roster in self._rosters.items()}

    def _now(self) -> float:
        """Return the seconds since the epoch, by which hours are read."""
        return time.time()

    def _roster(self, department: object) -> Roster:
        name = self._default if department is None else department
        try:
            return self._rosters[name]  # type: ignore[index]
        except (KeyError, TypeError):
            raise UnknownDestinationError(
                "department", department, f"use one of {sorted(self._rosters)}"
            ) from None

    # -- an offer ----------------------------------------------------------------------------

    async def offer(
        self, request: RouteRequest, attempts: Sequence[Attempt]
    ) -> Offer | Wait | None:
        """Take who is to be rung next, or a place in line.

        On cancellation nobody stays taken.

        Args:
            request: What is known of the call.
            attempts: What became of the phones that were rung before: they are not rung again
                for this call, unless the fallback says so and it may help.

        Returns:
            An Offer that holds its members' leases; a Wait where all are taken; None where nobody
            is on shift, the queue is closed, or all were rung.

        Raises:
            UnknownDestinationError: There is no such queue, or none was asked for.
            StoreUnavailableError: The store does not answer: nobody is rung on a guess.
        """
        roster, now = self._roster(request.department), self._now()
        if not roster.open(now):
            return None
        queue = roster.queue
        call = request.call or request.caller or uuid.uuid4().hex
        known = self._lines(roster, request, now)
        lines = await self._looked_up(known, call, request, attempts)
        lines = [self._not_rung(line, request, attempts) for line in lines]
        names = names_of(lines)
        if not names and not self._may_come(roster, request, attempts, now, names_of(known)):
            return None
        store = await self._store.get(request.tell)
        priority = request.priority + queue.priority
        ticket = Ticket(call, queue.name, priority, request.waited + request.seniority, names)
        read = store, self._name, names, queue.name, turning(lines)
        snapshot, stale = await self._store.snapshot(*read), 0
        limit: int | None = FEW
        while groups := ranking(lines, request, snapshot, limit):
            taken = await take(
                store,
                self._name,
                ticket,
                groups,
                terms=terms_of(lines, groups),
                capacities=capacities_of(lines),
                version=snapshot.version if stale < TRIES else None,
                turns=turns_of(lines, groups),
            )
            if isinstance(taken, Stale):
                stale += 1
                snapshot = await self._store.snapshot(*read)
            elif taken is not None:
                if (place := self._places.pop(call, None)) is not None:
                    place.served()
                return offer_of(lines, queue, taken)
            elif limit is not None and len(groups) >= limit:
                limit = None  # the first ones are kept for callers who have waited longer
            else:
                break
        left = queue.max_wait - request.queued
        paused = names and not anybody(names, snapshot, left)
        if paused and not self._may_come(roster, request, attempts, now, names):
            return None
        ticket = replace(ticket, members=names - passed_over(names, groups, lines, snapshot))
        return await self._wait(store, ticket, lines, snapshot, left)

    def _lines(self, roster: Roster, request: RouteRequest, now: float) -> list[Line]:
        """Return whose members may be offered by now: the queue's, and those it flows over to."""
        found, queue, waited = [], roster.queue, request.waited
        while True:
            if roster.open(now):
                required = queue.required(request.skills, request.waited)
                pool = roster.pool(required, now, briefs=request.kind == "warm")
                found.append(Line(queue, pool, required))
            if queue.overflow is None or waited < (queue.overflow_after or 0.0):
                return found
            waited -= queue.overflow_after or 0.0
            roster = self._rosters[queue.overflow]
            queue = roster.queue

    def _may_come(
        self,
        roster: Roster,
        request: RouteRequest,
        attempts: Sequence[Attempt],
        now: float,
        known: frozenset[str],
    ) -> bool:
        """Return whether others may be offered later, because the caller will have waited."""
        left = max(0.0, roster.queue.max_wait - request.queued)
        later = replace(request, waited=request.waited + left)
        lines = self._lines(roster, later, now)
        return bool(names_of([self._not_rung(o, request, attempts) for o in lines]) - known)

    def _not_rung(self, line: Line, request: RouteRequest, attempts: Sequence[Attempt]) -> Line:
        return not_rung(line, self._rosters[line.queue.name], request, attempts)

    async def _looked_up(
        self,
        lines: list[Line],
        call: str,
        request: RouteRequest,
        attempts: Sequence[Attempt],
    ) -> list[Line]:
        if self._lookup is None:
            return lines
        members = {m.name: m for line in lines for m in line.pool.members.values()}
        key = (call, lines[0].queue.name)
        found = await self._lookup.ask(key, request, tuple(members.values()), len(attempts))
        if found is None:
            return lines
        now = datetime.fromtimestamp(self._now(), timezone.utc)
        others = found.others_at(now, briefs=request.kind == "warm")
        return [
            narrowed(line, self._rosters[line.queue.name], found.names, () if index else others)
            for index, line in enumerate(lines)
        ]

    async def _wait(
        self,
        store: TeamStore,
        ticket: Ticket,
        lines: Sequence[Line],
        snapshot: Snapshot,
        left: float,
    ) -> Wait:
        place = self._places.get(ticket.call)
        seen = snapshot
        if place is not None and not place.is_in(store):
            await place.leave()  # the team's own store has come
        if place is None or place.over:
            place = await QueuePlace.join(store, self._name, ticket, self._lease_seconds)
            self._places[ticket.call] = place
        else:
            await place.update(ticket.members, ticket.queue)
        if snapshot.position(ticket.call) is None:
            snapshot = await store.snapshot(self._name, ticket.members, ticket.queue)
        place.seen(seen)
        if (position := snapshot.position(ticket.call)) is None:
            return Wait(place, ticket.queue, None, None, max(0.0, left))
        ahead = snapshot.ahead(ticket.call)
        turn = turn_after(ahead, ticket.queue, ticket.members, self._rosters)
        seconds = estimate(snapshot, ticket.members, capacities_of(lines), turn)
        return Wait(place, ticket.queue, position, seconds, max(0.0, left))

    # -- presence ----------------------------------------------------------------------------

    async def pause(self, member: str, reason: str = "", seconds: float | None = None) -> None:
        """Offer a member to nobody for a while. A call that he has goes on.

        Args:
            member: His name.
            reason: Why, for people.
            seconds: For how long. Default: until he is resumed.

        Raises:
            ConfigurationError: The team has no such member, or `seconds` cannot be used.
            StoreUnavailableError: The store does not answer.
        """
        self._known(member)
        if not isinstance(reason, str) or len(reason) > 200:
            raise ConfigurationError("reason", reason, "use a text of at most 200 characters")
        if seconds is not None:
            check_seconds("seconds", seconds, 1, 366 * 86400)
        await (await self._store.get(_unheard)).pause(self._name, member, reason, seconds)

    async def resume(self, member: str) -> None:
        """Offer a member again who was paused, by whomever. Idempotent.

        Raises:
            ConfigurationError: The team has no such member.
            StoreUnavailableError: The store does not answer.
        """
        self._known(member)
        await (await self._store.get(_unheard)).resume(self._name, member)

    async def status(self) -> TeamStatus:
        """Return how the members and the queues stand now.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        store = await self._store.get(_unheard)
        snapshot = await store.snapshot(self._name, tuple(self._members))
        handling = {
            name: (await store.snapshot(self._name, (), name)).handling for name in self._queues
        }
        return team_status(
            tuple(self._members.values()),
            self._rosters,
            snapshot,
            handling,
            self._now(),
        )

    async def aclose(self) -> None:
        """Close the store. Idempotent; a later use opens it again."""
        await self._store.own.aclose()

    def _known(self, member: str) -> None:
        if member not in self._members:
            raise ConfigurationError("member", member, "the team has no such member")


def _unheard(event: object) -> None:
    """Nobody listens outside of a transfer."""
