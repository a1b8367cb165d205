"""OwnNumbers: the numbers on which this server's agents are called; to dial one would be a loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from livetransfer._livekit.tasks import Tasks, logger
from livetransfer.destination import Destination
from livetransfer.errors import DialFailed
from livetransfer.status import TransferStatus

from .server_api import Wire

__all__ = ["OwnNumbers"]

KEPT = 60.0
"""Seconds for which the list is used again by later transfers of this process."""
WITHIN = 1.0
"""Seconds that a dial waits for the list; it is fetched while the caller hears the announcement."""

_NOT_DIGITS = re.compile(r"[\s().\-]")
# A full number, as carriers know it: a PBX's extension "100" may be anybody's.
_NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}\Z")
_known: dict[str, tuple[float, frozenset[str]]] = {}


class OwnNumbers:
    """The numbers of the server's inbound trunks.

    Whoever dials one gets an agent of this server, who may transfer again: agents would dial each
    other for as long as nobody hangs up. An inbound trunk that takes every number lists none; the
    number that the caller himself has called is one of them all the same.

    Args:
        wire: The server API.
        tasks: Where the list is fetched beside the call.
    """

    def __init__(self, wire: Wire, tasks: Tasks) -> None:
        self._wire, self._tasks = wire, tasks
        self._fetching: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Begin to fetch the list, unless it is known."""
        at, _ = _known.get(self._wire.url, (0.0, frozenset()))
        if self._fetching is None and (not at or asyncio.get_running_loop().time() - at > KEPT):
            self._fetching = self._tasks.start(self._fetch(), "own-numbers")

    async def check(self, destination: Destination, called: str | None = None) -> None:
        """Refuse `destination` where it is one of them, unless it is meant (`own_number`).

        A list that cannot be had refuses nobody.

        Args:
            destination: Who is about to be dialled.
            called: The number that the caller has called, where it is known.

        Raises:
            DialFailed: It is one of them; nothing was dialled.
        """
        number = _plain(destination.sip_user or "")
        if destination.own_number or number is None:
            return
        own = _plains([called or ""])
        if number not in own:
            self.prepare()
            if self._fetching is not None:
                await asyncio.wait([self._fetching], timeout=WITHIN)
            _, own = _known.get(self._wire.url, (0.0, frozenset()))
        if number in own:
            raise DialFailed(
                "the destination is an inbound number of this LiveKit server, whose agent would "
                "answer: a loop; where that is meant, say Destination(own_number=True)",
                status=TransferStatus.INVALID_DESTINATION,
            )

    async def _fetch(self) -> None:
        try:
            listed = await self._wire.inbound_numbers()
        except Exception as error:
            logger.warning(
                "the server's inbound numbers could not be listed: a loop would not be noticed",
                extra={"lk.pii.error": str(error)},
            )
            return
        _known[self._wire.url] = (asyncio.get_running_loop().time(), _plains(listed))


def _plain(number: str) -> str | None:
    text = _NOT_DIGITS.sub("", number)
    return text.removeprefix("+") if _NUMBER.match(text) else None


def _plains(numbers: Iterable[str]) -> frozenset[str]:
    return frozenset(plain for each in numbers if (plain := _plain(each)) is not None)
