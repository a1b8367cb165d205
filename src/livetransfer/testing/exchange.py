"""Exchange: what the parties, the lines and the controls of a simulated call see of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from livetransfer.control import ControlEvent

from .checks import check_time
from .ear import Ear
from .joins import Joins
from .tape import Tape

__all__ = ["Exchange", "Latency", "Verb"]

T = TypeVar("T")


@dataclass(frozen=True)
class Latency:
    """How long the simulated network takes.

    Attributes:
        rpc: Seconds that each verb takes before it acts.
        dial_setup: Seconds from a dial to the ringing.
        refer: Seconds from a REFER to its final answer.
    """

    rpc: float = 0.005
    dial_setup: float = 0.05
    refer: float = 0.5

    def __post_init__(self) -> None:
        for field in ("rpc", "dial_setup", "refer"):
            check_time(field, getattr(self, field))


@dataclass
class Verb:
    """One call of a verb of a control.

    Attributes:
        name: The verb.
        args: What it was given.
        at: When, in seconds since the simulation began.
        ended: When it was over, or None.
        error: What it raised, cancellation included, or None.
    """

    name: str
    args: Mapping[str, Any]
    at: float
    ended: float | None = None
    error: BaseException | None = None


class Exchange(Protocol):
    """What carries one simulated call; times are in seconds since it began."""

    latency: Latency
    tape: Tape
    caller_ear: Ear | None
    joins: Joins

    @property
    def now(self) -> float:
        """Seconds since the simulation began."""

    def party(self, who: Any) -> Any:
        """Return the party with an address or an identity."""

    def emit(self, event: ControlEvent) -> None:
        """Record `event` and tell the listeners."""

    def ear(self, identity: str) -> Ear | None:
        """Return the session that listens to `identity` now."""

    def later(self, seconds: float, act: Callable[[], object]) -> asyncio.TimerHandle:
        """Call `act` after so many seconds, unless the simulation is over."""

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        """Run `coroutine` until the simulation is over."""

    async def verb(
        self,
        name: str,
        args: Mapping[str, Any],
        act: Callable[[], Awaitable[T]],
        *,
        control: Any = None,
        undo: Callable[[T], None] | None = None,
        spared: Callable[[BaseException], bool] | None = None,
    ) -> T:
        """Run one verb of a control."""
