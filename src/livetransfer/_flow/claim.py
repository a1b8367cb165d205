"""The claim on a call: one transfer of it at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from livekit.agents import AgentSession

from livetransfer.errors import TransferInProgressError

__all__ = ["Claim", "claim"]

_claimed: WeakSet[AgentSession[Any]] = WeakSet()


class Claim:
    """The right to transfer the call of one session; `release` may be called again."""

    def __init__(self, session: AgentSession[Any]) -> None:
        self._session: AgentSession[Any] | None = session

    def release(self) -> None:
        """Let another transfer of this call begin."""
        if self._session is not None:
            _claimed.discard(self._session)
            self._session = None


@contextmanager
def claim(session: AgentSession[Any]) -> Iterator[Claim]:
    """Claim the call of `session`; on an error it is released, otherwise the claim is kept.

    Raises:
        TransferInProgressError: It is claimed; that transfer goes on.
    """
    if session in _claimed:
        raise TransferInProgressError(
            "a transfer of this call is already running; wait for its outcome before the next"
        )
    _claimed.add(session)
    held = Claim(session)
    try:
        yield held
    except BaseException:
        held.release()
        raise
