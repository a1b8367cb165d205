"""Health: whether a store answers, told once when that changes."""

from __future__ import annotations

import logging
from collections.abc import Callable

from livetransfer._logged import logged

from .port import StoreHealth

__all__ = ["Health"]

logger = logging.getLogger("livetransfer")


class Health:
    """Whether a store answers.

    Args:
        store: What to call it in the log.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._lost = False
        self._listeners: list[Callable[[StoreHealth], None]] = []

    @property
    def lost(self) -> bool:
        """Whether it did not answer when it was last asked."""
        return self._lost

    def listen(self, listener: Callable[[StoreHealth], None]) -> Callable[[], None]:
        """See `TeamStore.listen`."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def answered(self) -> None:
        """It answers."""
        if self._lost:
            self._lost = False
            logger.warning("%s answers again", self._store)
            self._tell(StoreHealth(True))

    def failed(self, reason: str) -> None:
        """It does not answer."""
        if not self._lost:
            self._lost = True
            logger.warning("%s does not answer; nobody is taken meanwhile", self._store)
            self._tell(StoreHealth(False, reason))

    def _tell(self, health: StoreHealth) -> None:
        for listener in list(self._listeners):
            try:
                listener(health)
            except Exception:
                logger.error("a listener of a store failed", **logged())
