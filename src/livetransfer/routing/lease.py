"""MemberLease: a member of a team, taken from a store, while he rings, talks and wraps up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from livetransfer._checks import check_count, check_seconds
from livetransfer._tasks import keep
from livetransfer.errors import StoreUnavailableError
from livetransfer.status import TransferStatus
from livetransfer.stores import Grant, Groups, LeasePhase, Stale, Taken, TeamStore, Ticket, Usage

from .lease_renewal import Keeping

__all__ = ["LeaseTerms", "MemberLease", "take"]

logger = logging.getLogger("livetransfer")

AGAIN = 1.0
"""Seconds after which a release that a store did not take is tried again."""

_ANSWERED: Mapping[TransferStatus, bool] = {
    TransferStatus.BRIDGED: True,
    TransferStatus.REFERRED: True,
    TransferStatus.DECLINED: True,
    TransferStatus.HUMAN_LEFT: True,
    TransferStatus.NO_ANSWER: False,
    TransferStatus.VOICEMAIL: False,
}
"""What says that a member answers his phone, or that he does not."""


@dataclass(frozen=True)
class LeaseTerms:
    """How long a member is taken.

    Args:
        ttl: Seconds after which a lease expires whose worker has died.
        wrap_up: Seconds that the member needs after a call in which he talked.
        talk_time_unknown: Seconds that he is taken where nobody can see the end of the call.
        autopause_after: Calls in a row not answered after which he is paused; None for never.
        autopause_for: Seconds of that pause; None until he is resumed.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    ttl: float = 30.0
    wrap_up: float = 0.0
    talk_time_unknown: float = 300.0
    autopause_after: int | None = None
    autopause_for: float | None = None

    def __post_init__(self) -> None:
        check_seconds("ttl", self.ttl, 0.1, 600)
        check_seconds("wrap_up", self.wrap_up, 0, 3600)
        check_seconds("talk_time_unknown", self.talk_time_unknown, 0, 8 * 3600)
        if self.autopause_after is not None:
            check_count("autopause_after", self.autopause_after, 1, 100)
        if self.autopause_for is not None:
            check_seconds("autopause_for", self.autopause_for, 1, 7 * 86400)


class MemberLease:
    """A member is taken. It renews itself while somebody holds it, and is released once.

    Where the store is lost it goes on trying, and no call is touched by it: the lease expires in
    the store after `LeaseTerms.ttl`, and is taken again when the store is back, unless somebody
    else has the member by then.

    Args:
        store: The store.
        team: The team.
        grant: What the store gave.
        terms: How long it holds.
    """

    def __init__(self, store: TeamStore, team: str, grant: Grant, terms: LeaseTerms) -> None:
        self._store, self._team, self._grant, self._terms = store, team, grant, terms
        self._phase: LeasePhase = "ringing"
        self._over = False
        self._lost = False
        self._one_at_a_time = asyncio.Lock()
        self._keeping = Keeping(self, MemberLease._renew, terms.ttl / 3)

    @property
    def member(self) -> str:
        """The name of the member."""
        return self._grant.member

    async def talking(self) -> None:
        """The member has been joined with the caller."""
        if not self._over:
            self._phase = "talking"
            await self._renew()

    async def _renew(self) -> None:
        async with self._one_at_a_time:
            if self._over:
                return
            try:
                held = await self._store.renew(
                    self._team, self._grant, self._phase, self._terms.ttl
                )
            except StoreUnavailableError:
                return  # the store itself tells that it is lost; the next renewal tries again
        if held == self._lost:
            self._lost = not held
            if self._lost:
                logger.warning("a lease had expired, and its member was taken for another call")

    async def release(self, status: TransferStatus, *, talked: bool = False) -> None:
        """The member is done with this call. Idempotent.

        A store that does not answer is asked again for `LeaseTerms.ttl` seconds, in the
        background; then the lease has expired by itself. On cancellation it goes on there too.

        Args:
            status: What became of his phone.
            talked: Whether he talked with the caller, and wraps up now.
        """
        if self._over:
            return
        self._over = True
        self._keeping.stop()
        terms = self._terms
        usage = Usage(
            talked=talked,
            answered=True if talked else _ANSWERED.get(status),
            wrap_up=terms.wrap_up,
            autopause_after=terms.autopause_after,
            autopause_for=terms.autopause_for,
        )
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        keep(asyncio.create_task(self._release(usage, first), name="livetransfer-release"))
        await first

    async def _release(self, usage: Usage, first: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._terms.ttl
        try:
            while True:
                try:
                    async with self._one_at_a_time:
                        await self._store.release(self._team, self._grant, usage)
                    return
                except StoreUnavailableError:
                    if loop.time() + AGAIN >= until:
                        logger.warning("a lease could not be released; it has expired")
                        return
                if not first.done():
                    first.set_result(None)
                await asyncio.sleep(AGAIN)
        finally:
            if not first.done():
                first.set_result(None)

    async def leave_talking(self) -> None:
        """The member talks on where nobody can see the end: the lease ends by its own bound."""
        if self._over:
            return
        self._over = True
        self._keeping.stop()
        bound = max(self._terms.talk_time_unknown, 0.001)
        async with self._one_at_a_time:
            await self._store.renew(self._team, self._grant, "talking", bound)


async def take(
    store: TeamStore,
    team: str,
    ticket: Ticket,
    groups: Groups,
    *,
    terms: Mapping[str, LeaseTerms],
    capacities: Mapping[str, int] | None = None,
    version: int | None = None,
    turns: Mapping[str, str] | None = None,
) -> tuple[MemberLease, ...] | Stale | None:
    """Take the first free group of a ranking, as `TeamStore.take` does, as leases.

    On cancellation nobody stays taken: what the store gives after it is given back.

    Args:
        store: The store.
        team: The team.
        ticket: The caller.
        groups: The ranking.
        terms: How long each member is taken.
        capacities: See `TeamStore.take`.
        version: See `TeamStore.take`.
        turns: See `TeamStore.take`.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    taking = asyncio.ensure_future(
        store.take(
            team,
            ticket,
            groups,
            ttl=min((each.ttl for each in terms.values()), default=LeaseTerms().ttl),
            capacities=capacities,
            version=version,
            turns=turns,
        )
    )
    try:
        taken = await asyncio.shield(taking)
    except asyncio.CancelledError:
        keep(asyncio.create_task(_give_back(store, team, taking), name="livetransfer-release"))
        raise
    if taken is None or isinstance(taken, Stale):
        return taken
    return tuple(MemberLease(store, team, grant, terms[grant.member]) for grant in taken.grants)


async def _give_back(
    store: TeamStore, team: str, taking: asyncio.Future[Taken | Stale | None]
) -> None:
    try:
        taken = await taking
        for grant in taken.grants if isinstance(taken, Taken) else ():
            await store.release(team, grant, Usage())
    except StoreUnavailableError:
        return  # it expires
