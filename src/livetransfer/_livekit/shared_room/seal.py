"""Seal: a human in the caller's room hears neither caller nor other humans until the bridge.

Order of events, measured on a real server: the human may not subscribe from the moment his leg
joins; the caller may not from the answer on, unless the human's track was there long before; each
is unsubscribed from the other; the human may again, then the caller, once the human's track is
known or a short wait is over. A leg subscribes by itself and nobody is told, so every
unsubscription is repeated for a while, also after that.

Several humans are kept from each other by their own seals: an answer gates the newcomer only, who
is unsubscribed from all who are there; they are unsubscribed from his track when it is published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from livekit import rtc

from livetransfer._livekit.signalling.api_errors import classify, seal_failed
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.signalling.server_api import Wire
from livetransfer._livekit.tasks import Tasks, either, logger
from livetransfer._livekit.track_permissions import TrackPermissions
from livetransfer.control import SealBroken

from .mute_for_one import Gate

__all__ = ["Seal"]

# Seconds between an unsubscription and its repeats: dense while a leg may be subscribing.
REPEATS = (0.004, 0.006, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4, 0.8)
# The leg subscribes right after its status becomes active, over the same connection.
SETTLE = 0.004
# The caller's leg subscribes when it hears of the human's track, as we do, on its own machine.
SETTLE_CALLER = 0.04
# By then a track that was published is unsubscribed for certain: most of the repeats are done.
PARTED = 0.25
# How long to wait for a request that is on its way.
IN_FLIGHT = 0.5
# How long the caller goes without music for a human whose phone sends no audio yet.
LATE_TRACK = 0.12
# After the bridge it is said again: an unsubscription that was lost on its way may still arrive.
CONFIRM = (0.3, 0.7, 2.0)
_CHANGES: tuple[Any, ...] = ("participant_connected", "track_published", "reconnected")


class Seal:
    """The seal between a caller and one leg, from before it rings until the bridge.

    Args:
        wire: The server API.
        events: Of the room both are in.
        caller: The caller's identity.
        human: The leg's identity; it need not be there yet.
        others: The identities of the other humans who were dialled into the room.
        away: Whether the caller has not joined yet, because he is called back: a server takes
            seconds to say that it knows nobody of that name (measured: over 5 s in all).
    """

    def __init__(
        self,
        wire: Wire,
        events: RoomEvents,
        caller: str,
        human: str,
        others: Callable[[], Sequence[str]] = lambda: (),
        *,
        away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._others, self._away = others, away
        self._wire = wire
        self._events = events
        self._room = events.room
        self._caller = caller
        self._human = human
        self._tasks = Tasks()
        self._gates = {identity: Gate(wire, self._room, identity) for identity in (caller, human)}
        self._closed = False
        self._sealed = False
        # Set when what the tasks work for is over: the seal, or the joining.
        self._over = asyncio.Event()
        self._joined = False
        self._human_track = asyncio.Event()
        self._human_track_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._took = 0.0
        self._include: Callable[[], None] | None = None
        self._answer: asyncio.Task[None] | None = None
        self._failed = False
        self._listening = False
        self._sids: dict[str, str] = {}
        self._turns: dict[str, int] = {}
        self._handlers: dict[Any, Callable[..., None]] = {
            "participant_connected": self._on_joined,
            "track_published": self._on_track,
            "reconnected": self._on_reconnected,
        }

    def arm(self) -> None:
        """Keep them apart from now on, whenever the human joins. Idempotent."""
        if self._sealed or self._closed:
            return
        self._sealed = True
        self._include = TrackPermissions.of(self._room).exclude(self._human)
        self._listen(True)
        caller = self._room.remote_participants.get(self._caller)
        if caller is not None:
            self._sids[self._caller] = caller.sid
        human = self._room.remote_participants.get(self._human)
        if human is not None:
            for publication in human.track_publications.values():
                self._on_track(publication, human)
            if not self._events.has_answered(self._human):
                self._on_joined(human)

    def answered(self) -> asyncio.Task[None]:
        """Close the gates now, since the human answered; the result ends when he may be spoken to.

        It raises SealFailed if they could not be kept apart. Called again it is the same.
        """
        if self._answer is None:
            self._answer = self._tasks.start(self._close(), "seal")
        return self._answer

    def on_answer(self) -> None:
        """Close the gates now; `answered` tells how that went."""
        self.answered()

    def caller_answered(self) -> None:
        """The caller, who was dialled after the human, has answered: he subscribes to all now."""
        if self._sealed and self._events.has_answered(self._human):
            self._tasks.start(self._rejoined(self._caller), "seal-caller-answered")

    async def reseal(self) -> None:
        """Keep two apart who are both on the line and may hear each other.

        Raises:
            SealFailed: It is not certain that they do not.
        """
        if not self._sealed:
            await self._stop()
        self.arm()
        self._failed = False
        try:
            await asyncio.gather(self._part(self._caller), self._part(self._human))
        except Exception as error:
            raise seal_failed(classify(error)) from error
        self._repeat_to_all()

    async def open(self) -> None:
        """Let them hear each other.

        Raises:
            Exception: What a request raised; they are then sealed again by `reseal`.
        """
        # What he may hear of us comes second: it takes the server a negotiation with the leg, and
        # the next one 0.15 s (measured: of two phones briefed at a time, every other caller was
        # heard 0.28 s after the acceptance in place of 0.14).
        include, self._include = self._include, None
        try:
            await self._stop()
            for gate in self._gates.values():
                await gate.open()
            await self._join()
        finally:
            if include is not None:
                include()
        self._stay_joined(True)
        self._tasks.start(self._confirm(CONFIRM), "confirm-bridge")

    async def _join(self) -> None:
        await asyncio.gather(*(self._subscribe(who, True) for who in self._gates))

    async def _confirm(self, delays: Sequence[float]) -> None:
        over = self._over
        for delay in delays:
            await either(over.wait(), None, delay)
            if over.is_set():
                return
            try:
                await self._join()
            except Exception:
                logger.warning("a bridge could not be confirmed")

    def _stay_joined(self, on: bool) -> None:
        """Join the two again whenever one of them, or this process, has a new connection.

        A leg of livekit-sip that comes back hears nobody who was there before (measured: after a
        restart of the server the two were deaf to each other for good).
        """
        if on != self._joined:
            self._joined = on
            change = self._room.on if on else self._room.off
            for name in _CHANGES:
                change(name, self._on_changed)

    def _on_changed(self, *changed: Any) -> None:
        who = changed[-1] if changed else None
        if who is None or who.identity in self._gates:
            self._tasks.start(self._confirm((0.0, *CONFIRM)), "join-again")

    async def aclose(self) -> None:
        """Let go, first of all of what the caller hears. They are not subscribed again."""
        self._closed = True
        await self._gates[self._caller].release(final=True)
        await self._stop()
        await self._gates[self._human].release(final=True)

    async def _stop(self) -> None:
        """End all that goes on, and wait for what is on its way: it must not come later."""
        self._sealed = False
        self._over.set()
        self._listen(False)
        self._stay_joined(False)
        if self._include is not None:
            self._include()
            self._include = None
        await self._tasks.aclose(IN_FLIGHT)
        self._answer = None
        self._over = asyncio.Event()

    # What each step does.

    async def _close(self) -> None:
        try:
            await asyncio.gather(self._close_human(), self._close_caller())
        except BaseException as error:
            # The caller comes first; the leg is hung up by whoever hears of this.
            self._tasks.start(self._gates[self._caller].release(), "ungate-caller")
            if isinstance(error, Exception):
                raise seal_failed(classify(error)) from error
            raise
        self._repeat(self._human)

    async def _close_human(self) -> None:
        """The human's half: he may hear again once the caller's track is taken from him."""
        await self._gates[self._human].close()
        await asyncio.sleep(max(SETTLE, self._took))
        await self._part(self._human)
        await self._gates[self._human].open()

    async def _close_caller(self) -> None:
        if self._away():
            return
        known = self._human_track_at
        if known is not None and self._loop.time() - known > PARTED:
            # Published while it rang: taken from the caller by now, before anything was in it.
            await self._part(self._caller)
            self._repeat(self._caller)
            return
        await self._gates[self._caller].close()
        self._tasks.start(self._finish_caller(), "seal-caller")

    async def _finish_caller(self) -> None:
        """The caller's half: it hears its music again once the human's track is taken from it."""
        try:
            await either(self._human_track.wait(), self._over.wait(), LATE_TRACK)
            if self._sealed:
                await asyncio.sleep(max(SETTLE_CALLER, 2 * self._took))
                await self._part(self._caller)
        except Exception as error:
            self._broken(error)
        finally:
            await self._gates[self._caller].release()
        self._repeat(self._caller)

    async def _part(self, listener: str) -> None:
        """Unsubscribe `listener` from the other one, once."""
        if self._sealed and not (listener == self._caller and self._away()):
            await self._timed(self._subscribe(listener, False))

    async def _subscribe(self, listener: str, wanted: bool) -> None:
        """Subscribe `listener` to the other one, or unsubscribe it, whatever we see of the room.

        Our view of it is empty while our own connection is made anew (measured: 0.04 s to some
        seconds): the two are there, and hear each other if they may.
        """
        speaker = self._caller if listener == self._human else self._human
        tracks = self._events.audio_of(speaker)
        if not tracks and not (speaker == self._caller and self._away()):
            tracks = await self._wire.audio_of(speaker)
        if listener == self._human and not wanted:
            for other in self._others():
                tracks = [*tracks, *self._events.audio_of(other)]
        await self._wire.subscribe(listener, tracks, wanted)

    async def _timed(self, request: Awaitable[None]) -> None:
        """Learn how long requests take now: where they take long, the legs do too."""
        began = self._loop.time()
        await request
        self._took = max(self._loop.time() - began, self._took * 0.9)

    def _repeat(self, listener: str) -> None:
        """Say it again for a while; what went on for the same listener ends in favour of it."""
        if self._sealed and not self._closed:
            turn = self._turns[listener] = self._turns.get(listener, 0) + 1
            self._tasks.start(self._repeated(listener, turn), "seal-repeat")

    def _repeat_to_all(self) -> None:
        for listener in (self._human, *self._listeners()):
            self._repeat(listener)

    async def _repeated(self, listener: str, turn: int) -> None:
        over = self._over
        for delay in REPEATS:
            await either(over.wait(), None, delay)
            if over.is_set() or self._turns[listener] != turn:
                return
            try:
                await self._part(listener)
            except Exception as error:
                self._unsure(listener, error)
                if self._failed or not self._events.sees(listener):
                    return

    def _unsure(self, listener: str, error: BaseException) -> None:
        """`listener` may hear the other one, unless it is not seen because the server restarts.

        Then it hears nobody, and all is said again as soon as it is seen.
        """
        if self._events.sees(listener):
            self._broken(error)

    def _broken(self, error: BaseException) -> None:
        if self._failed or not self._sealed:
            return
        if not self._events.has_answered(self._human):
            # Nobody speaks yet, and all of it is done again at the answer.
            logger.warning("a leg that rings could not be kept apart from the caller yet")
            return
        if not self._events.present(self._human) or not self._events.present(self._caller):
            return
        self._failed = True
        logger.warning("a leg could not be kept apart from the caller")
        self._events.emit(SealBroken(self._human, classify(error).text))

    def _listeners(self) -> list[str]:
        """Who may hear this human: the caller, and those who have answered.

        Whose phone rings may not subscribe, and is parted from all when he answers.
        """
        others = (other for other in self._others() if self._events.has_answered(other))
        return [self._caller, *others]

    # What the room tells.

    def _listen(self, on: bool) -> None:
        if on != self._listening:
            self._listening = on
            change = self._room.on if on else self._room.off
            for name, handler in self._handlers.items():
                change(name, handler)

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        """A leg joined: the first time before it is answered, later after a full reconnect."""
        identity = participant.identity
        if identity in self._others() and self._events.has_answered(identity):
            # Its new connection hears this human again.
            self._tasks.start(self._parted(identity), "seal-rejoined")
        if identity not in self._gates:
            return
        known, self._sids[identity] = self._sids.get(identity), participant.sid
        if known == participant.sid:
            # Our own connection began anew, not theirs: their subscriptions are as they were.
            return
        if self._events.has_answered(self._human):
            # Its new connection renews every subscription.
            self._tasks.start(self._rejoined(identity), "seal-rejoined")
        elif identity == self._caller:
            if self._human_track_at is not None:
                self._human_track_at = self._loop.time()
                self._tasks.start(self._parted(self._caller), "seal-rejoined")
        else:
            # If this fails it is done again at the answer, when it matters.
            self._tasks.start(self._timed(self._gates[identity].close()), "gate-human")

    def _on_reconnected(self) -> None:
        """What was to be said while our own connection was made anew may have been lost."""
        if self._events.has_answered(self._human):
            self._repeat_to_all()

    async def _rejoined(self, identity: str) -> None:
        gate = self._gates[identity]
        gate.rejoined()
        try:
            await gate.close()
            await self._part(identity)
            await asyncio.sleep(SETTLE)
            await self._part(identity)
        except Exception as error:
            self._broken(error)
        finally:
            await gate.release()
        self._repeat(identity)

    def _on_track(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if publication.kind != rtc.TrackKind.KIND_AUDIO:
            return
        if participant.identity == self._human:
            self._human_track.set()
            self._human_track_at = self._loop.time()
            for listener in self._listeners():
                self._tasks.start(self._parted(listener), "seal-track")
        elif participant.identity == self._caller:
            self._tasks.start(self._parted(self._human), "seal-track")

    async def _parted(self, listener: str) -> None:
        try:
            await self._part(listener)
        except Exception as error:
            self._unsure(listener, error)
        if not self._failed:
            self._repeat(listener)
