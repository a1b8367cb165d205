"""The claim on a call: one transfer of it at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from livekit.agents import AgentSession

from livetransfer.errors import TransferInProgressError

__all__ = ["Claim", "claim", "is_claimed"]

_claimed: WeakSet[AgentSession[Any]] = WeakSet()
_handed_over: WeakSet[AgentSession[Any]] = WeakSet()


class Claim:
    """The right to transfer the call of one session; `release` may be called again."""

    def __init__(self, session: AgentSession[Any]) -> None:
        self._session: AgentSession[Any] | None = session

    def handed_over(self) -> None:
        """The caller has been handed over: the claim lasts until the end of that call."""
        if self._session is not None:
            _handed_over.add(self._session)

    def release(self) -> None:
        """Let another transfer of this call begin."""
        if self._session is not None:
            _claimed.discard(self._session)
            _handed_over.discard(self._session)
            self._session = None


@contextmanager
def claim(session: AgentSession[Any]) -> Iterator[Claim]:
    """Claim the call of `session`; on an error it is released, otherwise the claim is kept.

    Raises:
        TransferInProgressError: It is claimed; that transfer goes on.
    """
    if session in _handed_over:
        raise TransferInProgressError(
            "the caller is with the person whom a transfer has reached; the next can begin when "
            "that call has ended (await outcome.ended())"
        )
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


def is_claimed(session: AgentSession[Any]) -> bool:
    """Return whether a transfer of the call of `session` is running, or was handed over."""
    return session in _claimed
