"""SoFar: what is known until now of something that goes on; copies share it, a pickle keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["SoFar"]


class SoFar:
    """Reads something whenever it is asked.

    Args:
        read: Returns it as it is now.
    """

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read

    def __call__(self) -> Any:
        """Return it as it is now."""
        return self._read()

    def __copy__(self) -> SoFar:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SoFar:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _kept, (self._read(),)


def _kept(value: Any) -> SoFar:
    return SoFar(lambda: value)
