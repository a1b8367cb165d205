"""Frozen: a map that does not change, and that can be copied, pickled and read as a dict."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

__all__ = ["Frozen"]

K = TypeVar("K")
V = TypeVar("V")


class Frozen(dict[K, V]):
    """A dict whose contents are given once."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this map does not change; make a dict of it first")

    __setitem__ = __delitem__ = _refuse
    __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __copy__(self) -> Frozen[K, V]:
        return self
