"""CallControl in memory: the telephony verbs over the parties of a simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from livekit.agents import AgentSession

from livetransfer.control import BridgeMode, ControlEvent, Leg, Referred
from livetransfer.destination import Destination
from livetransfer.errors import (
    BridgeFailed,
    ConfigurationError,
    DialFailed,
    SealFailed,
)
from livetransfer.status import TransferStatus

from .checks import check_count
from .people import Caller, Ring
from .sim_conversation import SimConversation, SimSink
from .sim_listening import SimLegAudio
from .sim_refer import refer

if TYPE_CHECKING:
    from .exchange import Verb
    from .switchboard import Switchboard

__all__ = ["SimControl"]


class SimControl:
    """A `CallControl` over a simulation; each transfer makes its own.

    Attributes:
        simulation: What it acts on.
        session: The session whose caller is transferred.
        closed: Whether it was closed.
    """

    def __init__(self, simulation: Switchboard, session: AgentSession[Any], caller: Caller) -> None:
        self.simulation = simulation
        self._caller = caller
        self.session = session
        self.closed = False
        self.sinks: list[SimSink] = []
        self.conversations: list[SimConversation] = []
        self.listening: list[SimLegAudio] = []
        self._listeners: dict[object, Callable[[ControlEvent], None]] = {}
        self.calls: list[Verb] = []

    @property
    def caller(self) -> Leg:
        """The leg that is to be transferred."""
        return self._caller.leg

    @property
    def caller_number(self) -> str | None:
        """The caller's number, where its address is one."""
        address = self._caller.address
        return address if address.startswith("+") else None

    @property
    def caller_attributes(self) -> Mapping[str, str]:
        """What else is told of the caller."""
        number = self.caller_number
        return {} if number is None else {"sip.phoneNumber": number}

    @property
    def name(self) -> str:
        """What names the call."""
        return self.simulation.name

    @property
    def caller_present(self) -> bool:
        """Whether the caller is still on the line."""
        return self._caller.on_the_line

    @property
    def listeners(self) -> int:
        """How many listeners are subscribed."""
        return len(self._listeners)

    def check(self, destination: Destination) -> None:
        """Refuse a destination that could not be dialled, before anything happens.

        Raises:
            ConfigurationError: The simulation has no trunk, and the destination names neither one
                nor a host.
        """
        ways = (destination.trunk_id, destination.sip_connection, destination.sip_host)
        if not self.simulation.trunk and ways == (None, None, None):
            raise ConfigurationError(
                "trunk_id",
                None,
                "give the outbound trunk to dial through: trunk_id=..., or the "
                "environment variable LIVEKIT_SIP_OUTBOUND_TRUNK",
            )

    def subscribe(self, listener: Callable[[ControlEvent], None]) -> Callable[[], None]:
        """Call `listener` for each event from now on; the result unsubscribes it."""
        key = object()
        self._listeners[key] = listener

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    def deliver(self, event: ControlEvent) -> None:
        """Hand `event` to the listeners."""
        for audio in self.listening:
            audio.on_event(event)
        for key in list(self._listeners):
            if (listener := self._listeners.get(key)) is not None:
                try:
                    listener(event)
                except Exception as error:
                    self.simulation.failed(error)

    async def dial(
        self,
        destination: Destination,
        *,
        identity: str,
        ring_timeout: float,
        sealed: bool = True,
    ) -> Leg:
        """Ring a human's phone and return the leg once it is answered. See `CallControl`.

        Raises:
            DialFailed: Refused, or not answered.
            SealFailed: It was asked for with ``faults.fail("dial", SealFailed(...))``.
            ValueError: The identity is in use, or was.
        """
        simulation = self.simulation
        leg = Leg(identity, destination)

        async def act() -> Ring:
            simulation.claim(identity)
            await asyncio.sleep(simulation.latency.dial_setup)
            phone = simulation.phone_for(destination)
            if phone is None:
                raise DialFailed(
                    f"{destination.address} answered 404 Not Found",
                    status=TransferStatus.INVALID_DESTINATION,
                    sip_code=404,
                    sip_reason="Not Found",
                )
            ring = phone.ring(leg)
            seconds = destination.ring_timeout or ring_timeout
            try:
                await asyncio.wait([ring.answer], timeout=seconds)
                if not ring.answer.done():
                    phone.end(ring, "it rang too long")
                    raise DialFailed(
                        f"{destination.address} did not answer within {seconds:g} s",
                        status=TransferStatus.NO_ANSWER,
                    )
                ring.answer.result()
                if not sealed:
                    simulation.joins.bridge(identity)
                await asyncio.sleep(simulation.latency.rpc)
            except asyncio.CancelledError:
                phone.end(ring, "the dial was cancelled")
                raise
            if destination.dtmf:
                phone.keys += destination.dtmf.replace("w", "").replace("W", "")
            return ring

        def undo(ring: Ring) -> None:
            simulation.end_leg(ring.leg.identity, "the dial was undone")

        await simulation.verb(
            "dial",
            {
                "destination": destination,
                "identity": identity,
                "sealed": sealed,
                "ring_timeout": ring_timeout,
            },
            act,
            control=self,
            undo=undo,
            spared=lambda error: isinstance(error, SealFailed),
        )
        return leg

    async def open_conversation(self, identity: str) -> SimConversation:
        """Open a line to the leg `identity`, which may not have been dialled yet."""

        async def act() -> SimConversation:
            conversation = SimConversation(self.simulation, identity)
            self.conversations.append(conversation)
            return conversation

        return await self.simulation.verb(
            "open_conversation", {"identity": identity}, act, control=self
        )

    async def listen(self, identity: str, *, sample_rate: int = 16_000) -> SimLegAudio:
        """Take the audio that the leg `identity` sends, from its answer until it is bridged.

        Raises:
            ConfigurationError: `sample_rate` is no rate of audio.
        """
        check_count("sample_rate", sample_rate, 8000, 48_000)

        async def act() -> SimLegAudio:
            audio = SimLegAudio(self.simulation, identity, sample_rate)
            self.listening.append(audio)
            return audio

        return await self.simulation.verb(
            "listen", {"identity": identity, "sample_rate": sample_rate}, act, control=self
        )

    async def open_audio(self, to: Sequence[str], *, name: str = "hold-music") -> SimSink:
        """Open a sink that only the identities in `to` hear."""

        async def act() -> SimSink:
            sink = SimSink(self.simulation, to, name, self.simulation.queue)
            self.sinks.append(sink)
            return sink

        return await self.simulation.verb(
            "open_audio", {"to": tuple(to), "name": name}, act, control=self
        )

    async def seal(self, leg: Leg) -> None:
        """Keep `leg` and every other party from hearing each other. Idempotent.

        Raises:
            SealFailed: It was asked for.
        """

        async def act() -> None:
            self.simulation.joins.seal(leg.identity)

        await self.simulation.verb("seal", {"leg": leg}, act, control=self)

    async def bridge(self, leg: Leg) -> BridgeMode:
        """Let `leg`, the caller and whoever is bridged already hear each other; return how.

        Raises:
            BridgeFailed: One of them is gone.
        """

        async def act() -> BridgeMode:
            tape = self.simulation.tape
            for who, status in (
                (self.caller, TransferStatus.CALLER_LEFT),
                (leg, TransferStatus.HUMAN_LEFT),
            ):
                if not tape.is_here(who.identity):
                    raise BridgeFailed(f"{who.identity} is not on the line", status=status)
            self.simulation.joins.admit(self.caller.identity)
            self.simulation.joins.bridge(leg.identity)
            return self.simulation.bridge_mode

        return await self.simulation.verb("bridge", {"leg": leg}, act, control=self)

    async def refer(
        self,
        leg: Leg,
        address: str,
        *,
        headers: Mapping[str, str],
        timeout: float,
        play_dialtone: bool = False,
    ) -> Referred:
        """Ask `leg`'s phone to call `address` instead; what it does, `simulate(refer=)` says.

        Raises:
            ReferFailed: Refused, failed, or unclear.
        """

        async def act() -> Referred:
            stop = self.simulation.play_tone(leg.identity, "dialtone") if play_dialtone else None
            try:
                return await refer(self.simulation, leg, address, timeout)
            finally:
                if stop is not None:
                    stop()

        return await self.simulation.verb(
            "refer",
            {
                "leg": leg,
                "address": address,
                "headers": dict(headers),
                "timeout": timeout,
                "play_dialtone": play_dialtone,
            },
            act,
            control=self,
        )

    def call_id(self, leg: Leg) -> str | None:
        """Return what names `leg`'s call, also after it has left; None if it was never answered."""
        return self.simulation.call_id(leg.identity)

    async def send_dtmf(self, leg: Leg, digits: str) -> None:
        """Press `digits` towards `leg`; ``w`` waits 0.5 s, every other key takes 0.1 s."""

        async def act() -> None:
            party = self.simulation.party(leg.identity)
            for digit in digits:
                await asyncio.sleep(0.5 if digit in "wW" else 0.1)
                if digit not in "wW":
                    party.keys += digit

        await self.simulation.verb("send_dtmf", {"leg": leg, "digits": digits}, act, control=self)

    async def hang_up(self, leg: Leg) -> None:
        """End `leg`'s call, also while it rings. Idempotent; a leg that is gone is fine."""

        async def act() -> None:
            self.simulation.end_leg(leg.identity, "it was hung up")
            ear = self.simulation.caller_ear
            if leg == self.simulation.caller.leg and ear is not None:
                ear.party_left()  # in a room the transfer itself closes the session then

        await self.simulation.verb("hang_up", {"leg": leg}, act, control=self)

    async def leave(self) -> None:
        """Take the AI out of the call; the other parties stay."""

        async def act() -> None:
            self.simulation.ai_present = False
            for audio in self.listening:
                audio.end()
            self.simulation.tape.mute()

        await self.simulation.verb("leave", {}, act, control=self)

    async def aclose(self) -> None:
        """Release what this object holds; legs and calls stay as they are. Idempotent."""
        self.closed = True
        self._listeners.clear()
        for sink in self.sinks:
            await sink.aclose()
        for audio in self.listening:
            await audio.aclose()
        for conversation in self.conversations:
            await conversation.aclose()
