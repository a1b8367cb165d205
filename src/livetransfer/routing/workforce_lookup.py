"""Lookup: a system of the application is asked who of a team can take a call."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask

from .member import Member
from .router import RouteRequest

__all__ = ["Found", "Lookup", "LookupCode"]

logger = logging.getLogger("livetransfer")

LookupAnswer = Sequence[str | Member] | None
LookupCode = Callable[[RouteRequest, Sequence[Member]], LookupAnswer | Awaitable[LookupAnswer]]
"""Asked for a call and given who could take it; returns names of some, other members, or None."""

KEPT_SECONDS = 5.0
"""Seconds for which an answer, or a failure, is used again: a caller who waits asks often."""

AFTERWARDS = 1.0
"""Seconds that are left to a team, of those in which it has to answer, after its look-up."""

KEPT = 256
"""Calls whose answer is kept."""


@dataclass(frozen=True)
class Found:
    """What a look-up says of one call.

    Attributes:
        names: Members of the team who can take it.
        others: Members whom the look-up itself brought.
    """

    names: frozenset[str]
    others: tuple[Member, ...] = ()

    def others_at(self, now: datetime, *, briefs: bool) -> list[Member]:
        """Return those of the others who are on shift.

        Args:
            now: The moment that is meant, with its time zone.
            briefs: Whether the transfer briefs; else those who want to be briefed are left out.
        """
        return [
            member
            for member in self.others
            if (member.hours is None or member.hours.open_at(now))
            and (briefs or member.method != "warm")
        ]


class Lookup:
    """Asks, within a bound; the team as it is where that fails.

    Args:
        code: The application's code.
        limit: Seconds that it may take.
        team: The members of the team, by name.
    """

    def __init__(self, code: LookupCode, limit: float, team: Mapping[str, Member]) -> None:
        self._code, self._limit, self._team = code, limit, team
        self._kept: OrderedDict[tuple[str, str], tuple[float, int, Found | None]] = OrderedDict()

    async def ask(
        self, key: tuple[str, str], request: RouteRequest, members: Sequence[Member], tries: int
    ) -> Found | None:
        """Return who can take the call; None: the look-up says nothing.

        Args:
            key: The call and the queue.
            request: The call.
            members: Who could take it.
            tries: How many attempts there were: an answer is for one.
        """
        now = asyncio.get_running_loop().time()
        kept = self._kept.get(key)
        if kept is not None and kept[0] > now and kept[1] == tries:
            return kept[2]
        # The team as it is has to be found within the time that the run allows, too.
        limit = min(self._limit, max(request.within - AFTERWARDS, request.within / 2))
        try:
            found = self._read(await ask("lookup", lambda: self._code(request, members), limit))
        except CodeFailed as failed:
            logger.warning("a team's look-up failed; the team is used as it is", **logged(failed))
            request.failed(failed.hook, failed.reason, "the team is used as it is")
            found = None
        now = asyncio.get_running_loop().time()
        self._kept[key] = (now + KEPT_SECONDS, tries, found)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _read(self, answer: object) -> Found | None:
        if answer is None:
            return None
        if isinstance(answer, str) or not isinstance(answer, Sequence):
            kind = type(answer).__name__
            raise CodeFailed("lookup", f"returned a {kind}, not a sequence of members")
        names, others = set(), []
        for one in answer:
            if isinstance(one, Member):
                others.append(one)
            elif isinstance(one, str) and one in self._team:
                names.add(one)
            else:
                raise CodeFailed("lookup", "named somebody whom the team does not have")
        if len({one.name for one in others} | names) < len(others) + len(names):
            raise CodeFailed("lookup", "named somebody twice")
        return Found(frozenset(names), tuple(others))
