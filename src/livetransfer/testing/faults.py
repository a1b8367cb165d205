"""Faults that a simulation injects into the verbs of its CallControl."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from livetransfer.errors import ConfigurationError

from .checks import check_count, check_time

__all__ = ["VERBS", "Faults"]

T = TypeVar("T")

VERBS = (
    "bridge",
    "dial",
    "hang_up",
    "leave",
    "listen",
    "open_audio",
    "open_conversation",
    "refer",
    "seal",
    "send_dtmf",
    "start_conversation",
)
"""The verbs that faults can be set for."""


@dataclass
class _Fault:
    verb: str
    kind: Literal["fail", "delay", "never", "late"]
    seconds: float
    error: BaseException | None
    times: int | None


class Faults:
    """What goes wrong, in the order in which it was asked for.

    Each call of a verb takes the delays that were set for it, and the first of its other faults.
    `times` is for how many calls a fault holds; None means for all. Verbs are those of
    `CallControl`, and ``start_conversation``.
    """

    def __init__(self) -> None:
        self._faults: list[_Fault] = []

    def fail(
        self, verb: str, error: BaseException, *, times: int | None = 1, after: float = 0.0
    ) -> None:
        """Let `verb` do nothing and raise `error`, `after` seconds after it was called.

        ``fail("dial", SealFailed(...))`` is special: the phone rings, is answered, and hung up.
        """
        check_time("after", after)
        _check_error(error)
        self._add(verb, "fail", after, error, times)

    def delay(self, verb: str, seconds: float, *, times: int | None = 1) -> None:
        """Let `verb` begin `seconds` later."""
        check_time("seconds", seconds)
        self._add(verb, "delay", seconds, None, times)

    def never(self, verb: str, *, times: int | None = 1) -> None:
        """Let `verb` do nothing and not return before it is cancelled."""
        self._add(verb, "never", 0.0, None, times)

    def late(
        self,
        verb: str,
        error: BaseException | None = None,
        *,
        by: float = 5.0,
        times: int | None = 1,
    ) -> None:
        """Let `verb` act, but its answer, or `error` instead of it, come `by` seconds late."""
        check_time("by", by)
        if error is not None:
            _check_error(error)
        self._add(verb, "late", by, error, times)

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    @property
    def unused(self) -> list[str]:
        """The verbs whose faults have not been met yet, so a test can notice."""
        return [fault.verb for fault in self._faults if fault.times is not None]

    def _add(
        self,
        verb: str,
        kind: Literal["fail", "delay", "never", "late"],
        seconds: float,
        error: BaseException | None,
        times: int | None,
    ) -> None:
        if verb not in VERBS:
            raise ConfigurationError("verb", verb, f"use one of {', '.join(VERBS)}")
        if times is not None:
            check_count("times", times, 1, 1_000_000)
        self._faults.append(_Fault(verb, kind, seconds, error, times))

    def _take(self, verb: str) -> list[_Fault]:
        taken: list[_Fault] = []
        main = False
        for fault in list(self._faults):
            if fault.verb != verb or (main and fault.kind != "delay"):
                continue
            main = main or fault.kind != "delay"
            taken.append(fault)
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
        return taken

    async def around(
        self,
        verb: str,
        act: Callable[[], Awaitable[T]],
        undo: Callable[[T], None] | None = None,
        spared: Callable[[BaseException], bool] | None = None,
    ) -> T:
        """Run `act` with the faults of `verb`.

        Args:
            verb: Which verb it is.
            act: What it does.
            undo: Called with the result if it is cancelled before its late answer.
            spared: Whether an error comes after `act` and not instead of it.
        """
        late: _Fault | None = None
        for fault in self._take(verb):
            if fault.kind == "never":
                await asyncio.get_running_loop().create_future()
            if fault.kind == "late":
                late = fault
                continue
            if spared is not None and fault.error is not None and spared(fault.error):
                late = fault
                continue
            if fault.seconds > 0:
                await asyncio.sleep(fault.seconds)
            if fault.kind == "fail" and fault.error is not None:
                raise fault.error.with_traceback(None)
        result = await act()
        if late is not None:
            try:
                await asyncio.sleep(late.seconds)
            except asyncio.CancelledError:
                if undo is not None:
                    undo(result)
                raise
            if late.error is not None:
                if late.kind == "fail" and undo is not None:
                    undo(result)
                raise late.error.with_traceback(None)
        return result


def _check_error(error: object) -> None:
    if not isinstance(error, BaseException):
        raise ConfigurationError("error", error, "give an exception, for example DialFailed(...)")
