"""Cause: the error behind a result, held so that the result can be copied, pickled and shown."""

from __future__ import annotations

import pickle
from typing import Any

__all__ = ["Cause"]


class Cause(str):
    """The words of an error; the error itself is held beside them.

    Many errors cannot be copied or pickled: their own arguments do not make them again, or they
    hold a connection. Copies of this share the error, and a pickled one that cannot be brought
    along is a RuntimeError with its words.

    Attributes:
        error: The error.
    """

    error: BaseException | None

    def __new__(cls, error: BaseException | None) -> Cause:
        self = super().__new__(cls, "" if error is None else f"{type(error).__name__}: {error}")
        self.error = error
        return self

    def __copy__(self) -> Cause:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Cause:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (str(self), _pickled(self.error))

    @property
    def text(self) -> str | None:
        """The words; None where there is no error."""
        return None if self.error is None else str(self)


def _pickled(error: BaseException | None) -> bytes | None:
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)
    except Exception:
        return None
    return packed


def _made_again(text: str, packed: bytes | None) -> Cause:
    try:
        error = RuntimeError(text) if packed is None else pickle.loads(packed)
    except Exception:  # read where the class of the error is not installed
        error = RuntimeError(text)
    cause = Cause(error)
    return cause if str(cause) == text else _with_words(text, error)


def _with_words(text: str, error: BaseException) -> Cause:
    cause = str.__new__(Cause, text)
    cause.error = error
    return cause
