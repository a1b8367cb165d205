"""Finds what carries the call: the simulation this code runs in, or the job's LiveKit room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from weakref import WeakSet

from livekit.agents import AgentSession

from livetransfer import _livekit
from livetransfer.control import CallControl, current_control
from livetransfer.errors import TransferInProgressError

__all__ = ["Bridge", "Claim", "claim", "resolve_control"]

Bridge = Literal["auto", "shared_room", "consult_room"]

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


async def resolve_control(
    session: AgentSession[Any], *, caller: str | None, bridge: Bridge, trunk_id: str | None
) -> CallControl:
    """Return the control of the call that `session` talks to.

    Raises:
        ConfigurationError: There is no room and no simulation.
        CallerNotFoundError: Nobody, or several and `caller` names none.
    """
    factory = current_control.get()
    if factory is not None:
        return factory(session)
    return await _livekit.connect(session, caller=caller, bridge=bridge, trunk_id=trunk_id)
