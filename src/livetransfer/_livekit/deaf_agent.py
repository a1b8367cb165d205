"""Earshot: while two talk with each other, the agent receives nothing of what they say.

It only watches then, and a voice that nobody listens to is packets, decoding and a wake-up for
every frame all the same. What was received before is received again with `come_back`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from livekit import rtc

from livetransfer._livekit.tasks import logger
from livetransfer._tasks import keep

__all__ = ["Earshot"]

APART = 0.05
"""Seconds between two requests for one track. The connection sends those that are made at once in
either order: of such pairs a sixth left the agent deaf for good, of pairs 3 ms apart none (120
each, livekit 1.1.21 with livekit-server 1.11 and 1.13).
"""

AGAIN = (0.5, 0.5, 1.0, 1.0, 2.0)
"""Seconds to wait for a voice that is asked for, each time; it comes in 5 to 100 ms on loopback."""


class Earshot:
    """What one room connection of the agent receives of the parties in it.

    `away` are those of whom it receives nothing.
    """

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self.away: frozenset[str] = frozenset()
        # When each was dropped, on the loop's clock.
        self._dropped: dict[str, float] = {}
        # Not subscribed yet, or published anew, by them or because our own connection is a new one:
        # the server subscribes us to it, whatever was asked before that (measured). Once: code may
        # subscribe again.
        self._coming: set[str] = set()
        self._returning: dict[str, _Returning] = {}

    def leave(self, *identities: str) -> None:
        """Receive nothing of `identities` from now on, whatever they publish yet."""
        self.come_back()
        self.away = frozenset(identities)
        self._room.on("track_published", self._on_published)
        self._room.on("track_subscribed", self._on_subscribed)
        for publication in self._publications():
            sid = publication.sid
            returning = self._returning.pop(sid, None)
            if returning is not None:
                returning.cancel()
            if returning is not None and not returning.asked:
                self._dropped[sid] = returning.dropped
            elif publication.subscribed:
                self._drop(publication)
            else:
                self._coming.add(sid)

    def come_back(self) -> None:
        """Receive again what `leave` dropped. Idempotent.

        A task of its own sees to it that each voice comes, for 5 s at most.
        """
        if not self.away:
            return
        self._room.off("track_published", self._on_published)
        self._room.off("track_subscribed", self._on_subscribed)
        for publication in self._publications():
            dropped = self._dropped.get(publication.sid)
            if dropped is not None:
                returning = _Returning(self._room, publication, dropped)
                self._returning[publication.sid] = returning
                returning.start(self._over)
        self.away = frozenset()
        self._dropped.clear()
        self._coming.clear()

    def _over(self, returning: _Returning) -> None:
        if self._returning.get(returning.publication.sid) is returning:
            del self._returning[returning.publication.sid]

    def _publications(self) -> list[rtc.RemoteTrackPublication]:
        """Return what those who are away publish."""
        if not self._room.isconnected():
            return []
        present = self._room.remote_participants
        there = [present[identity] for identity in self.away if identity in present]
        return [each for party in there for each in party.track_publications.values()]

    def _drop(self, publication: rtc.RemoteTrackPublication) -> None:
        self._dropped[publication.sid] = asyncio.get_running_loop().time()
        publication.set_subscribed(False)

    def _on_published(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if participant.identity in self.away:
            self._coming.add(publication.sid)

    def _on_subscribed(
        self,
        _track: rtc.RemoteTrack,
        publication: rtc.RemoteTrackPublication,
        _participant: rtc.RemoteParticipant,
    ) -> None:
        if publication.sid in self._coming:
            self._coming.remove(publication.sid)
            self._drop(publication)


class _Returning:
    """A voice that was dropped, and is wanted again.

    Attributes:
        publication: The voice.
        dropped: When, on the loop's clock.
        asked: Whether it has been asked for by now.
    """

    def __init__(
        self, room: rtc.Room, publication: rtc.RemoteTrackPublication, dropped: float
    ) -> None:
        self._room, self.publication, self.dropped = room, publication, dropped
        self.asked = False
        self._task: asyncio.Task[None] | None = None

    def start(self, over: Callable[[_Returning], None]) -> None:
        """Ask for it, at once if that is not too soon; call `over` when that has ended."""
        wait = self.dropped + APART - asyncio.get_running_loop().time()
        if wait <= 0.0:
            self._ask()
        task = asyncio.create_task(self._pursue(wait), name="livetransfer-receive-again")
        task.add_done_callback(lambda _: over(self))
        self._task = keep(task)

    def cancel(self) -> None:
        """Pursue it no more."""
        if self._task is not None:
            self._task.cancel()

    def _ask(self) -> None:
        self.asked = True
        self.publication.set_subscribed(True)

    async def _pursue(self, wait: float) -> None:
        if not self.asked:
            await asyncio.sleep(wait)
            if not self._room.isconnected():
                return
            self._ask()
        for pause in AGAIN:
            await asyncio.sleep(pause)
            # Whatever a new connection of ours finds in the room, it is subscribed to.
            if self.publication.subscribed or not self._room.isconnected():
                return
            self._ask()
        logger.warning("the agent does not receive a party whose call with another is over")
