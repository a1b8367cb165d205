"""Joins: who hears whom among the parties of a simulated call."""

from __future__ import annotations

import asyncio
from itertools import combinations

from .tape import Tape

__all__ = ["Joins"]


class Joins:
    """One room: who is in it hears all the others, but for the legs that are sealed.

    A leg that was dialled is sealed until it is bridged, from the caller and from all other legs.

    Args:
        tape: Where it is recorded.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._parties: list[str] = []
        self._bridged: dict[str, float] = {}
        self._changed = asyncio.Event()

    def enter(self, identity: str) -> None:
        """`identity` comes into the room, for the first time or again; nothing seals it."""
        self._tape.arrive(identity)
        if identity not in self._parties:
            self._parties.append(identity)
        self._link()

    def admit(self, identity: str) -> None:
        """A caller who was dialled is one of the parties now, whom bridged legs hear."""
        if identity not in self._parties:
            self._parties.append(identity)

    def bridge(self, identity: str) -> None:
        """A leg is sealed no more."""
        self._bridged.setdefault(identity, self._tape.now())
        self._link()

    def bridged_at(self, identity: str) -> float:
        """When a leg was bridged, or a leg was to this party; endless if that is not so."""
        if identity in self._parties:
            return min(self._bridged.values(), default=float("inf"))
        return self._bridged.get(identity, float("inf"))

    def seal(self, identity: str) -> None:
        """A leg hears no party any more, and none hears it."""
        self._bridged.pop(identity, None)
        self._tape.part(identity)

    async def joined(self, identity: str) -> None:
        """Wait until a leg is joined with the caller or with others who are bridged to him."""
        while not any(
            self._tape.are_linked(party, identity)
            for party in (*self._parties, *self._bridged)
            if party != identity
        ):
            self._changed.clear()
            await self._changed.wait()

    def _link(self) -> None:
        here = [one for one in (*self._parties, *self._bridged) if self._tape.is_here(one)]
        for one, other in combinations(here, 2):
            self._tape.link(one, other)
        self._changed.set()
