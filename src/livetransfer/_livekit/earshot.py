"""Earshot: while two talk with each other, the agent receives nothing of what they say.

It only watches then, and a voice that nobody listens to is packets, decoding and a wake-up for
every frame all the same. What was received before is received again with `come_back`.
"""

from __future__ import annotations

from livekit import rtc

__all__ = ["Earshot"]


class Earshot:
    """What one room connection of the agent receives of the parties in it.

    `away` are those of whom it receives nothing.
    """

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self.away: frozenset[str] = frozenset()
        self._dropped: set[str] = set()
        # Not subscribed yet, or published anew, by them or because our own connection is a new one:
        # the server subscribes us to it, whatever was asked before that (measured). Once: code may
        # subscribe again.
        self._coming: set[str] = set()

    def leave(self, *identities: str) -> None:
        """Receive nothing of `identities` from now on, whatever they publish yet."""
        self.come_back()
        self.away = frozenset(identities)
        self._room.on("track_published", self._on_published)
        self._room.on("track_subscribed", self._on_subscribed)
        for participant in self._there():
            for publication in participant.track_publications.values():
                if publication.subscribed:
                    self._drop(publication)
                else:
                    self._coming.add(publication.sid)

    def come_back(self) -> None:
        """Receive again what `leave` dropped. Idempotent."""
        if not self.away:
            return
        self._room.off("track_published", self._on_published)
        self._room.off("track_subscribed", self._on_subscribed)
        for participant in self._there():
            for sid, publication in participant.track_publications.items():
                if sid in self._dropped:
                    publication.set_subscribed(True)
        self.away = frozenset()
        self._dropped.clear()
        self._coming.clear()

    def _there(self) -> list[rtc.RemoteParticipant]:
        if not self._room.isconnected():
            return []
        present = self._room.remote_participants
        return [present[identity] for identity in self.away if identity in present]

    def _drop(self, publication: rtc.RemoteTrackPublication) -> None:
        self._dropped.add(publication.sid)
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
