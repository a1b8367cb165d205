"""The words of a run: an attempt that is over, a transfer that is, the leg of a human."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from livetransfer.control import BridgeMode, Leg
from livetransfer.destination import Destination
from livetransfer.errors import CallControlError
from livetransfer.status import TransferStatus

if TYPE_CHECKING:
    from .steps import Steps

__all__ = ["AttemptOver", "HumanLeg", "Stopped", "TransferProtocol"]


class AttemptOver(Exception):
    """An attempt ended without a bridge; the fallback decides."""

    def __init__(
        self,
        status: TransferStatus,
        reason: str | None = None,
        *,
        sip_code: int | None = None,
        sip_reason: str | None = None,
    ) -> None:
        super().__init__(status.value, reason)
        self.status, self.reason = status, reason
        self.sip_code, self.sip_reason = sip_code, sip_reason

    @property
    def cause(self) -> BaseException | None:
        """The error behind it that is not one of ours."""
        error = self.__cause__
        return error.cause if isinstance(error, AttemptOver) else error

    @classmethod
    def by(cls, error: CallControlError) -> AttemptOver:
        """Return what an error of the call control means."""
        status = TransferStatus.INDETERMINATE if error.indeterminate else error.status
        return cls(status, str(error), sip_code=error.sip_code, sip_reason=error.sip_reason)


class Stopped(Exception):
    """The whole transfer is over: nobody is left to transfer, or nothing to do it with."""

    def __init__(self, status: TransferStatus, reason: str) -> None:
        super().__init__(status.value, reason)
        self.status, self.reason = status, reason


@dataclass(eq=False)
class HumanLeg:
    """The leg of the attempt under way.

    Attributes:
        leg: The leg; it may not have been answered yet.
        broken: Done, with an AttemptOver, when the leg can be used no more.
        on_key: Called with each key that the human presses.
        keep_leg: Takes back that the teardown hangs it up.
        answered: Whether the phone was answered.
    """

    leg: Leg
    broken: asyncio.Future[None]
    on_key: Callable[[str], None] | None = None
    keep_leg: Callable[[], None] = lambda: None
    answered: bool = False

    def breaks(self, over: AttemptOver) -> None:
        """Say why it can be used no more; the first reason counts."""
        if not self.broken.done():
            self.broken.set_exception(over)
            self.broken.exception()


class TransferProtocol(Protocol):
    """What makes a warm transfer warm and a cold one cold."""

    async def attempt(self, run: Steps, destination: Destination) -> BridgeMode | None:
        """Hand the caller to `destination`; None when the caller was referred away.

        Raises:
            AttemptOver: It did not work.
        """
