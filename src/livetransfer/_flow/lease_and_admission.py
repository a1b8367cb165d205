"""Account: what one phone takes of others, a lease and the guard's admission; settled once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask
from livetransfer.guard.limits import Admission
from livetransfer.routing.offer import Lease
from livetransfer.status import TransferStatus

__all__ = ["Account"]

logger = logging.getLogger("livetransfer")

STORE_LIMIT = 3.0
"""Seconds that a store may take to note what has happened; leases and places expire by themselves.
"""


class Account:
    """What has to be given back when a phone is done with.

    No store that fails or hangs holds up a call: it is logged, and what was taken expires.

    Args:
        lease: The lease on the member, where there is one.
    """

    def __init__(self, lease: Lease | None) -> None:
        self._lease = lease
        self._admission: Admission | None = None
        self._settled = False

    def handed_on(self) -> Account:
        """Return the account of the phone that is dialled instead: the member is still taken."""
        lease, self._lease = self._lease, None
        return Account(lease)

    def admitted(self, admission: Admission) -> None:
        """The guard has counted the call."""
        self._admission = admission

    async def talking(self) -> None:
        """The human has been joined with the caller."""
        if self._lease is not None:
            await _noted("lease", self._lease.talking)

    async def over(self, status: TransferStatus, talked: float | None = None) -> None:
        """The phone is done with. Idempotent.

        Args:
            status: What became of it.
            talked: Seconds that the human talked with the caller, if he did.
        """
        if self._settled:
            return
        self._settled = True
        lease, admission = self._lease, self._admission
        if lease is not None:
            await _noted("lease", lambda: lease.release(status, talked=talked is not None))
        if admission is not None:
            await _noted("guard", lambda: admission.settle(talked or 0.0))

    async def talks_on(self) -> None:
        """They talk where nobody can see the end: what was taken ends by its own bound."""
        if self._settled:
            return
        self._settled = True
        if self._lease is not None:
            await _noted("lease", self._lease.leave_talking)


async def _noted(hook: str, note: Callable[[], Awaitable[None]]) -> None:
    try:
        await ask(hook, note, STORE_LIMIT)
    except CodeFailed:
        logger.warning("a store could not note what became of a phone", **logged())
