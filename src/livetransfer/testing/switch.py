"""The exchange behind a simulated call: it runs verbs, connects legs, and carries events."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from livetransfer.control import BridgeMode, CallLost, ControlEvent
from livetransfer.destination import Destination
from livetransfer.errors import CallControlError
from livetransfer.legs import ROOM_DELETED
from livetransfer.status import TransferStatus

from .checks import check_one_of
from .clock import Clock
from .ear import Ear
from .exchange import Latency, Verb
from .faults import Faults
from .joins import Joins
from .parties import Human, Refer, Web
from .party import Party
from .people import Caller, Phone
from .scripts import Scripts
from .sim_control import SimControl
from .sounds import Sound
from .tape import Tape

__all__ = ["Switch"]

T = TypeVar("T")


class Switch(Scripts):
    """What carries one simulated call; its user's side is `Simulation`.

    Times are in seconds since it began. The attributes are those of `Simulation`.
    """

    def __init__(
        self,
        humans: Mapping[str, Human | Sequence[Human]],
        *,
        caller: str | Web,
        others: Sequence[str | Web],
        refer: Refer,
        clock: Clock,
        samples: bool,
        latency: Latency,
        trunk: bool,
        bridge: BridgeMode,
        queue: float,
        caller_away: bool = False,
    ) -> None:
        super().__init__()
        self.name = f"simulated-{uuid.uuid4().hex[:12]}"
        self.clock = clock
        self.latency = latency
        self.faults = Faults()
        self._refer: Refer = refer
        self.trunk = trunk
        self.bridge_mode: BridgeMode = bridge
        self.queue = queue
        self.ai_present = True
        self.tape = Tape(lambda: clock.elapsed, keep_samples=samples)
        self.joins = Joins(self.tape)
        self.caller_away = caller_away
        self.caller = Caller(self, caller, away=caller_away)
        self.others = [Caller(self, other, other=True) for other in others]
        self.humans: Mapping[str, Phone] = {
            address: Phone(self, address, script) for address, script in humans.items()
        }
        self.events: list[tuple[float, ControlEvent]] = []
        self.calls: list[Verb] = []
        self.controls: list[SimControl] = []
        self.caller_ear: Ear | None = None
        here = self.others if caller_away else self.parties
        self._identities: set[str] = {party.leg.identity for party in here}
        self._lost: str | None = None
        self._outage_until = 0.0

    @property
    def now(self) -> float:
        """Seconds since the simulation began."""
        return self.clock.elapsed

    def party(self, who: str | Party) -> Party:
        """Return the party with an address or an identity; the caller is ``"caller"``.

        Raises:
            KeyError: There is none.
        """
        if isinstance(who, Party):
            return who
        for party in (*self.parties, *self.humans.values()):
            if who in (party.name, party.address, *party.identities):
                return party
        known = [*(party.name for party in self.parties), *sorted(self.humans)]
        raise KeyError(f"no party {who!r}; there are {', '.join(known)}")

    @property
    def parties(self) -> list[Caller]:
        """The caller, and who else is in the room without having been dialled."""
        return [self.caller, *self.others]

    @property
    def refer(self) -> Refer:
        """What a REFER meets; see `Refer`. May be changed."""
        return self._refer

    @refer.setter
    def refer(self, refer: Refer) -> None:
        check_one_of("refer", refer, Refer)
        self._refer = refer

    # Verbs and events.

    async def verb(
        self,
        name: str,
        args: Mapping[str, Any],
        act: Callable[[], Awaitable[T]],
        *,
        control: SimControl | None = None,
        undo: Callable[[T], None] | None = None,
        spared: Callable[[BaseException], bool] | None = None,
    ) -> T:
        """Run one verb: record it, let time pass, and let its faults happen.

        Raises:
            RuntimeError: The control has been closed.
        """
        if control is not None and control.closed:
            late = RuntimeError(f"{name} was asked of a control that is closed")
            self.failed(late)
            raise late
        record = Verb(name, args, self.now)
        self.calls.append(record)
        if control is not None:
            control.calls.append(record)
        try:
            self._check_call(name)
            await asyncio.sleep(self.latency.rpc)
            if self.now < self._outage_until:
                await asyncio.sleep(self._outage_until - self.now)
            self._check_call(name)
            return await self.faults.around(name, act, undo, spared)
        except BaseException as error:
            record.error = error
            raise
        finally:
            record.ended = self.now

    def _check_call(self, verb: str) -> None:
        if self._lost is not None and not (verb == "hang_up" and not self.anybody):
            raise CallControlError(self._lost, status=TransferStatus.FAILED)
        if not self.ai_present:
            raise CallControlError("the AI has left the call", status=TransferStatus.FAILED)

    @property
    def anybody(self) -> bool:
        """Whether anybody is on the line."""
        return any(party.on_the_line for party in (*self.parties, *self.humans.values()))

    def emit(self, event: ControlEvent) -> None:
        """Record `event` and tell the listeners: on the next turn of the loop, after an outage."""
        self.events.append((self.now, event))
        loop = asyncio.get_running_loop()
        for control in self.controls:
            if self.now < self._outage_until:
                self.later(self._outage_until - self.now, functools.partial(control.deliver, event))
            else:
                loop.call_soon(control.deliver, event)

    def lose(self, reason: str = "", *, parties_leave: bool = True) -> None:
        """The call is lost: no verb works any more.

        Args:
            reason: What the event says; without one, what a server would say.
            parties_leave: Everybody is thrown out (a deleted room); otherwise only the connection
                to the call is gone.
        """
        if self._lost is not None:
            return
        reason = reason or (ROOM_DELETED if parties_leave else "signal_close")
        self._lost = reason
        self.tape.mute()
        if parties_leave:
            for party in self.parties:
                self.tape.leave(party.leg.identity)
            for phone in self.humans.values():
                for ring in phone.rings:
                    phone.end(ring, reason, code=0)
            if self.caller_ear is not None:
                self.caller_ear.party_left()
        self._outage_until = 0.0
        self.emit(CallLost(reason))

    def outage(self, seconds: float) -> None:
        """The connection to the call is gone for so many seconds, then it is resumed.

        Meanwhile nobody hears the AI or its music, verbs wait, and events come at its end; the
        parties stay.
        """
        self._outage_until = self.now + seconds
        self.tape.mute(seconds)

    # Legs.

    def call_id(self, identity: str) -> str | None:
        """Return the Call-ID of a phone's leg that is or was in the call; None for any other."""
        web = any(p.leg.kind == "web" for p in self.parties if p.leg.identity == identity)
        return f"{identity}@simulation" if self.tape.was_here(identity) and not web else None

    def claim(self, identity: str) -> None:
        """Take an identity for a new leg.

        Raises:
            ValueError: It was taken before.
        """
        if identity in self._identities:
            raise ValueError(f"identity={identity!r} was used before; every dial needs a fresh one")
        self._identities.add(identity)

    def phone_for(self, destination: Destination) -> Phone | None:
        """Return the phone that `destination` reaches, if there is one."""
        for key in (destination.address, destination.number):
            if key is not None and key in self.humans:
                return self.humans[key]
        return None

    def end_leg(self, identity: str, how: str) -> None:
        """Hang up one leg, whoever's it is."""
        for party in self.others if self.caller_away else self.parties:
            if identity == party.leg.identity:
                party.leaves(how)
        for phone in self.humans.values():
            for ring in phone.rings:
                if ring.leg.identity == identity:
                    phone.end(ring, how)

    def play_tone(self, identity: str, source: str) -> Callable[[], None]:
        """Let `identity` hear a tone until the result is called."""
        far = self.now + 3600.0
        sound = Sound(
            source,
            self.now,
            far,
            audience=frozenset({identity}),
            pitch=425.0,
            audible=[[self.now, far]],
            whole=True,
        )
        self.tape.add(sound)
        return lambda: sound.cut(self.now)

    def ear(self, identity: str) -> Ear | None:
        """Return the session that listens to `identity` now."""
        ears: list[Ear | None]
        if not self.ai_present or self._lost is not None or self.now < self._outage_until:
            return None
        ears = [
            conversation.ear
            for control in reversed(self.controls)
            for conversation in reversed(control.conversations)
            if conversation.identity == identity and not conversation.closed
        ]
        if identity == self.caller.leg.identity:
            ears.append(self.caller_ear)
        return next((ear for ear in ears if ear is not None and ear.listens), None)

    async def aclose(self) -> None:
        """End it: the call is lost to whoever still listens, and what was opened is closed."""
        running = any(call.ended is None for call in self.calls)
        if self.caller_ear is not None:
            self.caller_ear.release()
        if running or any(control.listeners for control in self.controls):
            self.lose("the simulation is over")
            await asyncio.sleep(0.05)
        await self.stop()
        for control in self.controls:
            await control.aclose()
