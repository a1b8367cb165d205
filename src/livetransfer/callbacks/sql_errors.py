"""Trouble: what a database has refused, in a sentence for whoever has to mend it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from livetransfer.errors import StoreUnavailableError, TransferError

__all__ = ["told"]

_SENTENCES = (
    (("database is locked", "database table is locked"), "another program keeps it locked"),
    (("disk is full", "no space left"), "its disk is full"),
    (("readonly", "read-only", "permission denied"), "it may not be written to"),
    (("unable to open", "no such file"), "its file cannot be opened: does the folder exist?"),
    (("malformed", "not a database"), "its file is damaged, or no database"),
    (("password", "authentication"), "it refuses the user or the password"),
    (("does not exist",), "the database or a table of it does not exist"),
    (("refused", "not known", "unreachable", "closed", "timeout"), "it cannot be reached"),
)


@contextmanager
def told(limit: float) -> Iterator[None]:
    """Turn what a database raises into a StoreUnavailableError, without its URL or any value.

    Args:
        limit: Seconds within which it had to answer.

    Raises:
        StoreUnavailableError: It raised something, or did not answer in time.
    """
    from sqlalchemy.exc import SQLAlchemyError, StatementError

    try:
        yield
    except (asyncio.TimeoutError, TimeoutError) as error:
        raise _unavailable(f"it did not answer within {limit:g} s") from error
    except TransferError:
        raise
    except (SQLAlchemyError, OSError, ValueError) as error:
        if isinstance(error, StatementError):
            error.hide_parameters = (
                True  # a log prints the cause, too: with the number, without this
            )
        raise _unavailable(_sentence(error)) from error


def _unavailable(why: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"the database of the callbacks could not be used: {why}; nothing is lost that it kept "
        "before, and the same may be asked again"
    )


def _sentence(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).lower()
    for signs, sentence in _SENTENCES:
        if any(sign in text for sign in signs):
            return sentence
    if isinstance(error, ValueError):
        return str(error)
    return f"it raised {type(getattr(error, 'orig', None) or error).__name__}"
