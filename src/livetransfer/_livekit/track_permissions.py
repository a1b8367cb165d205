"""Who may hear which of this agent's own tracks: one list per room connection.

`set_track_subscription_permissions` replaces the whole list and has no getter, so everything that
restricts a track has to be known in one place. Tracks that nobody restricted go on reaching
everybody but the excluded.

The list is sent only where it changes what somebody may hear who is there: right before or after a
track is published, a message holds that up by 40 ms (measured; the connection gathers small
messages until the other side has acknowledged the one before, Nagle's algorithm).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from livekit import rtc

__all__ = ["TrackPermissions"]

_EVENTS: tuple[Any, ...] = (
    "local_track_published",
    "local_track_unpublished",
    "local_track_republished",
    "participant_connected",
)

_Rights = dict[str, tuple[Any, ...]]
"""For each identity whether it may hear everything, then the sids it may hear."""


@dataclass(eq=False)
class _Restriction:
    track: rtc.LocalTrack
    to: frozenset[str] = field(default_factory=frozenset)


class TrackPermissions:
    """The one list of a room connection; get it with `of`."""

    _all: ClassVar[weakref.WeakKeyDictionary[rtc.Room, TrackPermissions]] = (
        weakref.WeakKeyDictionary()
    )

    def __init__(self, room: rtc.Room) -> None:
        # The registry must not keep its own key alive.
        self._room = weakref.ref(room)
        self._restrictions: list[_Restriction] = []
        self._excluded: list[str] = []
        self._watching = False
        self._sent: _Rights | None = None

    @classmethod
    def of(cls, room: rtc.Room) -> TrackPermissions:
        """Return the list of `room`, making it if there is none."""
        found = cls._all.get(room)
        if found is None:
            found = cls._all[room] = cls(room)
        return found

    def restrict(self, track: rtc.LocalTrack, to: Iterable[str]) -> Callable[[], None]:
        """Let only the identities in `to` hear `track`, which is published afterwards.

        Somebody else who joins only then may hear it until the list has reached the server: an
        instant. The result lifts it again; call it once the track is unpublished, not before.
        """
        restriction = _Restriction(track, frozenset(to))
        self._restrictions.append(restriction)
        self.apply()

        def lift() -> None:
            if restriction in self._restrictions:
                self._restrictions.remove(restriction)
                self.apply()

        return lift

    def exclude(self, identity: str) -> Callable[[], None]:
        """Keep `identity` from hearing any track that is not restricted to it; undo by calling."""
        self._excluded.append(identity)
        self.apply()
        lifted = False

        def lift() -> None:
            nonlocal lifted
            if not lifted:
                lifted = True
                self._excluded.remove(identity)
                self.apply()

        return lift

    def apply(self, *_: object) -> None:
        """Send the list as it has to be now, unless that is what was sent last."""
        room = self._room()
        if room is None or not room.isconnected():
            return
        self._watch(room, bool(self._restrictions or self._excluded))
        entries = self.entries(room) if self._keeps_somebody_out(room) else []
        rights = {e.participant_identity: (e.allow_all, *e.allowed_track_sids) for e in entries}
        if rights != (self._sent or {}):
            self._sent = rights
            room.local_participant.set_track_subscription_permissions(
                allow_all_participants=not entries, participant_permissions=entries
            )

    def _keeps_somebody_out(self, room: rtc.Room) -> bool:
        """Whether somebody who is there, or expected, may not hear everything."""
        return bool(self._excluded) or any(
            identity not in restriction.to
            for restriction in self._restrictions
            for identity in room.remote_participants
        )

    def _on_reconnected(self) -> None:
        self._sent = None
        self.apply()

    def entries(self, room: rtc.Room) -> list[rtc.ParticipantTrackPermission]:
        """Return what each identity may hear; who is not in it hears nothing."""
        restricted = {r.track.sid for r in self._restrictions}
        open_sids = [s for s in room.local_participant.track_publications if s not in restricted]
        named = {identity for r in self._restrictions for identity in r.to}
        entries = []
        for identity in sorted(named | set(self._excluded) | set(room.remote_participants)):
            own = [r for r in self._restrictions if identity in r.to]
            entry = rtc.ParticipantTrackPermission(participant_identity=identity, allow_all=False)
            if identity in self._excluded:
                entry.allowed_track_sids.extend(_published(room, own))
            elif len(own) == len(self._restrictions):
                # A track that gets a new sid on its way is covered without another request.
                entry.allow_all = True
            else:
                entry.allowed_track_sids.extend([*open_sids, *_published(room, own)])
            entries.append(entry)
        return entries

    def _watch(self, room: rtc.Room, active: bool) -> None:
        if active == self._watching:
            return
        self._watching = active
        change: Callable[[Any, Callable[..., None]], object] = room.on if active else room.off
        for event in _EVENTS:
            change(event, self.apply)
        change("reconnected", self._on_reconnected)


def _published(room: rtc.Room, restrictions: list[_Restriction]) -> list[str]:
    # A track has a sid of its own before it is published; the server does not know that one.
    known = room.local_participant.track_publications
    return [r.track.sid for r in restrictions if r.track.sid in known]


TrackPermissions._all = weakref.WeakKeyDictionary()
