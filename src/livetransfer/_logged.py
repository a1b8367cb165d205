"""What a log says of an error: its words stand in a field ``lk.pii.error``, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["logged", "wordless"]


def logged(error: BaseException | None = None, **extra: object) -> dict[str, Any]:
    """Return the ``exc_info`` and the ``extra`` with which an error is logged.

    What an error says may name a number or quote somebody: the traceback has the kinds of errors
    and the lines of code alone.

    Args:
        error: The error. Default: the one that is being handled.
        **extra: What else stands beside the message.
    """
    error = sys.exc_info()[1] if error is None else error
    if error is None:
        return {"extra": extra}
    return {
        "exc_info": wordless(error),
        "extra": {**extra, "lk.pii.error": f"{type(error).__name__}: {error}"},
    }


def wordless(error: BaseException) -> BaseException:
    """Return an error of the same name and traceback, and all behind it, without their words."""
    made: dict[int, BaseException] = {}
    chain = list(_chain(error))
    for each in chain:
        kind = type(each)
        named = type(kind.__name__, (Exception,), {"__module__": kind.__module__})
        made[id(each)] = named().with_traceback(each.__traceback__)
    for each in chain:
        found = made[id(each)]
        found.__cause__ = made.get(id(each.__cause__))
        found.__context__ = made.get(id(each.__context__))
        found.__suppress_context__ = each.__suppress_context__
    return made[id(error)]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give `error` and all that is behind it, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__]
