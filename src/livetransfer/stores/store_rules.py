"""Ledger: what each step of a store does, over rows that somebody keeps; no I/O, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from .port import Groups
from .states import (
    Grant,
    Held,
    LeasePhase,
    MemberState,
    Pause,
    Snapshot,
    Stale,
    Taken,
    Ticket,
    Usage,
    Waiting,
)

__all__ = ["AUTOPAUSE", "Handling", "Ledger", "Place", "Rows"]

AUTOPAUSE = "calls not answered"
"""The reason of a pause that the store itself made."""
REMEMBERED = 8
"""Leases of a member that were released last: a renewal that comes late takes none of them again.
"""
MEMORY = 20
"""Calls over which the handling time is averaged: old ones fade."""


@dataclass(frozen=True)
class Place:
    """A caller's place in the line of a team.

    Attributes:
        call: The call.
        queue: The queue.
        priority: The priority.
        since: Since when he waits.
        seq: What orders two of one age.
        until: When the place expires.
        waits: False once he has been given somebody: the place is remembered only.
        members: Those who could take the call.
    """

    call: str
    queue: str
    priority: int
    since: float
    seq: int
    until: float
    waits: bool
    members: frozenset[str]

    @property
    def order(self) -> tuple[int, float, int]:
        """What sorts the line."""
        return (-self.priority, self.since, self.seq)


@dataclass(frozen=True)
class Handling:
    """The measured time of the calls of a queue: the mean in seconds, and of how many calls."""

    mean: float = 0.0
    calls: int = 0

    def and_one(self, seconds: float) -> Handling:
        """Return it with one call more."""
        calls = min(self.calls + 1, MEMORY)
        return Handling(self.mean + (seconds - self.mean) / calls, calls)


class Rows(Protocol):
    """The rows of one team, within one atomic step."""

    def members(self, names: Collection[str]) -> Mapping[str, MemberState]:
        """Return the states of `names` that are known."""

    def member(self, name: str) -> MemberState:
        """Return the state of `name`."""

    def put_member(self, name: str, state: MemberState) -> None:
        """Keep a state."""

    def places(self) -> Iterable[Place]:
        """Return all places, in any order."""

    def place(self, call: str) -> Place | None:
        """Return the place of `call`."""

    def put_place(self, place: Place) -> None:
        """Keep a place."""

    def drop_place(self, call: str) -> None:
        """Forget a place."""

    def version(self) -> int:
        """Return the team's version."""

    def next_version(self) -> int:
        """Return the team's version, one higher from now on."""

    def cursor(self, queue: str) -> str | None:
        """Return whom a queue took last."""

    def put_cursor(self, queue: str, member: str) -> None:
        """Keep whom a queue took last."""

    def handling(self, queue: str) -> Handling:
        """Return the measured times of a queue."""

    def put_handling(self, queue: str, handling: Handling) -> None:
        """Keep the measured times of a queue."""


class Ledger:
    """The steps of a store, as `TeamStore` describes them, at one moment.

    Args:
        rows: The team's rows; nobody else changes them meanwhile.
        now: The store's clock, in seconds.
    """

    def __init__(self, rows: Rows, now: float) -> None:
        self._rows, self._now = rows, now

    def snapshot(self, members: Collection[str], queue: str | None) -> Snapshot:
        """See `TeamStore.snapshot`."""
        rows = self._rows
        line = tuple(
            Waiting(place.call, place.queue, place.priority, place.since) for place in self._line()
        )
        return Snapshot(
            rows.version(),
            self._now,
            rows.members(members),
            line,
            rows.cursor(queue) if queue is not None else None,
            self._mean(queue) if queue is not None else None,
        )

    def _mean(self, queue: str) -> float | None:
        handling = self._rows.handling(queue)
        return handling.mean if handling.calls else None

    def _line(self) -> list[Place]:
        waiting = [p for p in self._rows.places() if p.waits and p.until > self._now]
        return sorted(waiting, key=lambda place: place.order) if len(waiting) > 1 else waiting

    # -- leases ----------------------------------------------------------------------------

    def take(
        self,
        ticket: Ticket,
        groups: Groups,
        *,
        capacities: Mapping[str, int],
        version: int | None,
        turns: Mapping[str, str],
        ttl: float,
        lease: str,
    ) -> Taken | Stale | None:
        """See `TeamStore.take`."""
        rows, now = self._rows, self._now
        own = self._own(ticket)
        ahead = [p.members for p in self._line() if p.call != ticket.call and p.order < own.order]
        free: list[str] = []
        for group in groups:
            for name in group:
                if (
                    rows.member(name).free(now, capacities.get(name, 1))
                    and name not in free
                    and not any(name in members for members in ahead)
                ):
                    free.append(name)
            if free:
                break
        else:
            return None
        if version is not None and any(rows.member(name).version > version for name in free):
            return Stale()
        grants = tuple(
            Grant(name, lease, ticket.call, ticket.queue, capacities.get(name, 1), now)
            for name in free
        )
        for grant in grants:
            self._hold(grant, ttl)
        if turn := turns.get(free[0], ticket.queue):
            rows.put_cursor(turn, free[0])
        if rows.place(ticket.call) is not None:
            rows.put_place(replace(own, waits=False, until=now + ttl))
        return Taken(grants)

    def _hold(self, grant: Grant, ttl: float) -> None:
        now = self._now
        held = Held(grant.id, grant.call, grant.queue, "ringing", now, now + ttl)
        state = self._swept(self._rows.member(grant.member))
        self._put(grant.member, state, held=(*state.held, held), last_rung=now)

    def renew(self, grant: Grant, phase: LeasePhase, ttl: float) -> bool:
        """See `TeamStore.renew`."""
        now = self._now
        state = self._rows.member(grant.member)
        if grant.id in state.released:
            return False
        mine = next((held for held in state.held if held.id == grant.id), None)
        if mine is None or mine.until <= now:
            state = self._swept(state)
            if len(state.held) >= grant.capacity:
                return False
            before = mine
            mine = Held(grant.id, grant.call, grant.queue, phase, grant.since, now + ttl)
            state = replace(state, held=(*state.held, mine))
            first = phase == "talking" and (before is None or before.phase == "ringing")
            changed = True
        else:
            first = phase == "talking" and mine.phase == "ringing"
            changed = mine.phase != phase
            renewed = replace(mine, phase=phase, until=now + ttl)
            state = replace(
                state, held=tuple(renewed if h.id == grant.id else h for h in state.held)
            )
        if first:
            state = replace(state, calls=state.calls + 1, missed=0)
        if changed:
            self._put(grant.member, state)
        else:
            self._rows.put_member(grant.member, state)
        return True

    def release(self, grant: Grant, usage: Usage) -> None:
        """See `TeamStore.release`."""
        now = self._now
        state = self._rows.member(grant.member)
        mine = next((held for held in state.held if held.id == grant.id), None)
        if mine is None:
            return
        others = tuple(held for held in state.held if held.id != grant.id)
        if any(held.until <= now for held in others):
            state = self._swept(replace(state, held=others))
            others = state.held
        changes: dict[str, Any] = {"released": (*state.released, grant.id)[-REMEMBERED:]}
        if usage.talked:
            if usage.wrap_up > 0 and mine.until > now:
                wrapping = replace(mine, phase="wrap_up", id="", until=now + usage.wrap_up)
                others = (*others, wrapping)
            changes["last_call_ended"] = now
            seconds = now - mine.since + usage.wrap_up
            handling = self._rows.handling(grant.queue)
            self._rows.put_handling(grant.queue, handling.and_one(seconds))
        if usage.answered is not None:
            changes["missed"] = 0 if usage.answered else state.missed + 1
        if usage.answered is False and (
            usage.autopause_after is not None and changes["missed"] >= usage.autopause_after
        ):
            until = None if usage.autopause_for is None else now + usage.autopause_for
            changes |= {"pause": Pause(AUTOPAUSE, until), "missed": 0}
        self._put(grant.member, state, held=others, **changes)

    def _swept(self, state: MemberState) -> MemberState:
        """Return it without what has expired."""
        gone = [held for held in state.held if held.until <= self._now]
        if not gone:
            return state
        ended = [held.until for held in gone if held.phase == "talking"]
        if ended:
            state = replace(state, last_call_ended=max(*ended, state.last_call_ended or 0.0))
        return replace(state, held=state.alive(self._now))

    def _put(self, name: str, state: MemberState, **changes: Any) -> None:
        """Keep a state, with `changes`, as one that makes rankings stale."""
        version = self._rows.next_version()
        self._rows.put_member(name, replace(state, version=version, **changes))

    # -- the line --------------------------------------------------------------------------

    def _own(self, ticket: Ticket) -> Place:
        """Return the caller's place: the one he has, or the one that he would have now."""
        place = self._rows.place(ticket.call)
        if place is not None and place.until > self._now:
            return place
        now = self._now
        seq = self._rows.version() + 1
        return Place(
            ticket.call,
            ticket.queue,
            ticket.priority,
            now - ticket.waited,
            seq,
            now,
            True,
            ticket.members,
        )

    def join(self, ticket: Ticket, ttl: float) -> None:
        """See `TeamStore.join`."""
        now, own = self._now, self._own(ticket)
        for place in list(self._rows.places()):
            if place.until <= now:
                self._rows.drop_place(place.call)
        kept = replace(
            own,
            queue=ticket.queue,
            priority=ticket.priority,
            since=min(own.since, now - ticket.waited),
            until=now + ttl,
            waits=True,
            members=ticket.members,
        )
        self._rows.put_place(kept)
        self._rows.next_version()

    def stay(self, ticket: Ticket, ttl: float) -> None:
        """See `TeamStore.stay`."""
        place = self._rows.place(ticket.call)
        if place is None or (place.waits and place.until <= self._now):
            self.join(ticket, ttl)
        elif place.waits:
            self._rows.put_place(replace(place, until=self._now + ttl, members=ticket.members))

    def leave(self, call: str) -> None:
        """See `TeamStore.leave`."""
        if self._rows.place(call) is not None:
            self._rows.drop_place(call)
            self._rows.next_version()

    # -- presence --------------------------------------------------------------------------

    def pause(self, member: str, reason: str, seconds: float | None) -> None:
        """See `TeamStore.pause`."""
        until = None if seconds is None else self._now + seconds
        self._put(member, self._rows.member(member), pause=Pause(reason, until))

    def resume(self, member: str) -> None:
        """See `TeamStore.resume`."""
        self._put(member, self._rows.member(member), pause=None, missed=0)
