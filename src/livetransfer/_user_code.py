"""Calls of the application's own code: plain or async, each with a bound, whatever it does."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from ._tasks import keep

__all__ = ["CodeFailed", "ask", "ask_now", "checked_text"]

logger = logging.getLogger("livetransfer")
T = TypeVar("T")


class CodeFailed(Exception):
    """The application's code raised, took too long, or returned what it may not.

    Attributes:
        hook: What it is called.
        reason: What it did, for people.
    """

    def __init__(self, hook: str, reason: str) -> None:
        super().__init__(f"{hook} {reason}")
        self.hook, self.reason = hook, reason


async def ask(
    hook: str,
    code: Callable[[], object],
    limit: float,
    *,
    passes: tuple[type[BaseException], ...] = (),
    unused: Callable[[Any], object] | None = None,
) -> Any:
    """Return what `code` returns, or what the awaitable that it returns comes to.

    It runs in a task of its own: what it raises, a CancelledError of its own included, stays
    there. On cancellation it is cancelled too. Plain code that blocks the event loop cannot be
    bounded by anybody.

    Args:
        hook: What to call it.
        code: The code.
        limit: Seconds that it may take.
        passes: Errors that are meant for somebody else and are raised as they are.
        unused: Is given what `code` comes to where nobody waits for it any more: after `limit`, or
            a cancellation in the same instant, or one that it has not heeded.

    Raises:
        CodeFailed: It raised, or took longer than `limit`.
    """
    try:
        found = code()
    except passes:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise CodeFailed(hook, _raised(error)) from error
    if not inspect.isawaitable(found):
        return found
    task: asyncio.Task[Any] = asyncio.create_task(_awaiting(found), name=f"livetransfer-{hook}")
    done: set[asyncio.Task[Any]] = set()
    try:
        done, _ = await asyncio.wait({task}, timeout=limit)
    finally:
        if not done:
            # It may take its time to end, or not end at all: nobody waits for it.
            task.cancel()
            keep(task)
            if unused is not None:
                task.add_done_callback(partial(_hand_on, unused))
    if not done:
        raise CodeFailed(hook, f"did not end within {limit:g} s")
    if task.cancelled():
        raise CodeFailed(hook, "cancelled itself")
    failure = task.exception()
    if failure is None:
        return task.result()
    if isinstance(failure, passes):
        raise failure
    raise CodeFailed(hook, _raised(failure)) from failure


def ask_now(hook: str, code: Callable[[], T]) -> T:
    """Return what `code`, which may not be async here, returns.

    Raises:
        CodeFailed: It raised, or is async.
    """
    try:
        found = code()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise CodeFailed(hook, _raised(error)) from error
    if inspect.isawaitable(found):
        if inspect.iscoroutine(found):
            found.close()
        raise CodeFailed(hook, "is async; give a plain function")
    return found


def checked_text(hook: str, value: object) -> str:
    """Return `value` if it is a text.

    Raises:
        CodeFailed: It is something else.
    """
    if not isinstance(value, str):
        raise CodeFailed(hook, f"returned a {type(value).__name__}, not a text")
    return value


def _hand_on(unused: Callable[[Any], object], task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is None:
        unused(task.result())


async def _awaiting(found: Awaitable[T]) -> T:
    # KeyboardInterrupt and SystemExit leave the event loop from inside of a task.
    try:
        return await found
    except SystemExit as error:
        raise RuntimeError("SystemExit") from error


def _raised(error: BaseException) -> str:
    return f"raised {type(error).__name__}: {error}"
