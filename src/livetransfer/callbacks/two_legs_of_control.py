"""Two views of a callback: of whoever rings the human, and of whoever rings the caller.

A callback calls the human first. For the transfer that rings and briefs him there is a caller all
the time, who waits; in truth the caller is not there yet. For the transfer that rings the caller,
he is the human, and the human waits on hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from livetransfer.control import (
    AudioSink,
    BridgeMode,
    CallControl,
    CallLost,
    ControlEvent,
    Conversation,
    Leg,
    LegAudio,
    LegLeft,
    Referred,
)
from livetransfer.destination import Destination
from livetransfer.errors import BridgeFailed, DialFailed
from livetransfer.status import TransferStatus

__all__ = ["AwaitedCaller", "TowardsCaller", "View"]


class View:
    """A CallControl that is another one, but for what a subclass says.

    Args:
        control: The other one; whoever made it closes it.
    """

    def __init__(self, control: CallControl) -> None:
        self._control = control
        self.released = asyncio.Event()
        """Set when whoever had this view is done with it."""

    @property
    def caller(self) -> Leg:
        """The leg that is to be transferred."""
        return self._control.caller

    @property
    def caller_number(self) -> str | None:
        """The caller's number."""
        return self._control.caller_number

    @property
    def caller_attributes(self) -> Mapping[str, str]:
        """What else is told of the caller."""
        return self._control.caller_attributes

    @property
    def name(self) -> str:
        """What names the call."""
        return self._control.name

    @property
    def caller_present(self) -> bool:
        """Whether the caller is on the line."""
        return self._control.caller_present

    def subscribe(self, listener: Callable[[ControlEvent], None]) -> Callable[[], None]:
        """Call `listener` for each event from now on; the result unsubscribes it."""

        def pass_on(event: ControlEvent) -> None:
            if self._tells(event):
                listener(event)

        return self._control.subscribe(pass_on)

    def _tells(self, event: ControlEvent) -> bool:
        return True

    def check(self, destination: Destination) -> None:
        """See whether `destination` can be dialled at all."""
        self._control.check(destination)

    async def dial(
        self,
        destination: Destination,
        *,
        identity: str,
        ring_timeout: float,
        sealed: bool = True,
    ) -> Leg:
        """Ring `destination`; see `CallControl`."""
        return await self._control.dial(
            destination, identity=identity, ring_timeout=ring_timeout, sealed=sealed
        )

    async def open_conversation(self, identity: str) -> Conversation:
        """Open a line to a leg."""
        return await self._control.open_conversation(identity)

    async def listen(self, identity: str, *, sample_rate: int = 16_000) -> LegAudio:
        """Take the audio that a leg sends."""
        return await self._control.listen(identity, sample_rate=sample_rate)

    async def open_audio(self, to: Sequence[str], *, name: str = "hold-music") -> AudioSink:
        """Open a sink that only the identities in `to` hear."""
        return await self._control.open_audio(to, name=name)

    async def seal(self, leg: Leg) -> None:
        """Keep `leg` and every other party from hearing each other."""
        await self._control.seal(leg)

    async def bridge(self, leg: Leg) -> BridgeMode:
        """Let `leg` and the caller hear each other."""
        return await self._control.bridge(leg)

    async def refer(
        self,
        leg: Leg,
        address: str,
        *,
        headers: Mapping[str, str],
        timeout: float,
        play_dialtone: bool = False,
    ) -> Referred:
        """Send `leg`'s phone elsewhere."""
        return await self._control.refer(
            leg, address, headers=headers, timeout=timeout, play_dialtone=play_dialtone
        )

    def call_id(self, leg: Leg) -> str | None:
        """Return the SIP Call-ID of `leg`."""
        return self._control.call_id(leg)

    async def send_dtmf(self, leg: Leg, digits: str) -> None:
        """Press `digits` towards `leg`."""
        await self._control.send_dtmf(leg, digits)

    async def hang_up(self, leg: Leg) -> None:
        """End `leg`'s call."""
        await self._control.hang_up(leg)

    async def leave(self) -> None:
        """Take the AI out of the call."""
        await self._control.leave()

    async def aclose(self) -> None:
        """Be done with this view; the control stays open."""
        self.released.set()


class AwaitedCaller(View):
    """The call as whoever rings the human sees it: the caller waits, though he is not there yet.

    Args:
        control: The call.
        number: The caller's number.

    Attributes:
        reached: Whether he has answered, and is told of like any caller from then on.
    """

    def __init__(self, control: CallControl, number: str) -> None:
        super().__init__(control)
        self._number = number
        self.reached = False

    @property
    def caller_number(self) -> str:
        """The number that is called back."""
        return self._number

    @property
    def caller_present(self) -> bool:
        """Whether he is on the line, or is still to be dialled."""
        return self._control.caller_present if self.reached else True

    def _tells(self, event: ControlEvent) -> bool:
        # A phone that is not answered leaves too, and he has not been here.
        return self.reached or getattr(event, "identity", None) != self.caller.identity

    async def hang_up(self, leg: Leg) -> None:
        """End `leg`'s call; a caller who is not reached yet belongs to whoever rings him."""
        if self.reached or leg.identity != self.caller.identity:
            await self._control.hang_up(leg)

    async def bridge(self, leg: Leg) -> BridgeMode:
        """Let `leg` and the caller hear each other.

        Raises:
            BridgeFailed: He has not been reached, or they could not be joined.
        """
        if not self.reached:
            raise BridgeFailed("the caller was not reached", status=TransferStatus.CALLER_LEFT)
        return await self._control.bridge(leg)


class TowardsCaller(View):
    """The call as whoever rings the caller sees it: the human waits for him on hold.

    The caller has one identity in the room, and here that of the leg that is dialled.

    Args:
        control: The call.
        human: The human's leg; None: nobody waits, because the caller is called first.
        dialling: Asked before the request is made; False: he must not be dialled.
    """

    def __init__(
        self, control: CallControl, human: Leg | None, dialling: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__(control)
        self._human, self._dialling = human or Leg("nobody"), dialling
        self._there = control.caller.identity
        self._here = self._there
        self._gone = False
        self._unsubscribe = control.subscribe(self._on_event)

    def _on_event(self, event: ControlEvent) -> None:
        if isinstance(event, LegLeft) and event.identity == self._human.identity:
            self._gone = True

    @property
    def caller(self) -> Leg:
        """Who waits."""
        return self._human

    @property
    def caller_number(self) -> None:
        """None: no number of his is shown to the caller."""
        return None

    @property
    def caller_attributes(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    @property
    def caller_present(self) -> bool:
        """Whether he who waits is there."""
        return not self._gone

    def subscribe(self, listener: Callable[[ControlEvent], None]) -> Callable[[], None]:
        """Call `listener` for each event from now on; the result unsubscribes it."""

        def pass_on(event: ControlEvent) -> None:
            if not isinstance(event, CallLost) and event.identity == self._there:
                event = replace(event, identity=self._here)
            listener(event)

        return self._control.subscribe(pass_on)

    def _identity(self, identity: str) -> str:
        return identity if identity == self._human.identity else self._there

    def _leg(self, leg: Leg) -> Leg:
        return leg if leg.identity == self._human.identity else self._control.caller

    async def dial(
        self,
        destination: Destination,
        *,
        identity: str,
        ring_timeout: float,
        sealed: bool = True,
    ) -> Leg:
        """Ring the caller, once it is written down that he is.

        Raises:
            DialFailed: He must not be dialled; or see `CallControl`.
        """
        if not await self._dialling():
            raise DialFailed("nobody is to be dialled any more", status=TransferStatus.CANCELLED)
        self._here = identity
        await self._control.dial(
            destination, identity=self._there, ring_timeout=ring_timeout, sealed=sealed
        )
        return Leg(identity, destination)

    async def open_conversation(self, identity: str) -> Conversation:
        """Open a line to a leg."""
        return await self._control.open_conversation(self._identity(identity))

    async def listen(self, identity: str, *, sample_rate: int = 16_000) -> LegAudio:
        """Take the audio that a leg sends."""
        return await self._control.listen(self._identity(identity), sample_rate=sample_rate)

    async def open_audio(self, to: Sequence[str], *, name: str = "hold-music") -> AudioSink:
        """Open a sink that only the identities in `to` hear."""
        return await self._control.open_audio([self._identity(each) for each in to], name=name)

    async def bridge(self, leg: Leg) -> BridgeMode:
        """Nothing yet: whoever rang the human joins the two."""
        return "shared_room"

    def call_id(self, leg: Leg) -> str | None:
        """Return the SIP Call-ID of `leg`."""
        return self._control.call_id(self._leg(leg))

    async def send_dtmf(self, leg: Leg, digits: str) -> None:
        """Press `digits` towards `leg`."""
        await self._control.send_dtmf(self._leg(leg), digits)

    async def hang_up(self, leg: Leg) -> None:
        """End `leg`'s call; he who waits belongs to whoever rang him."""
        if leg.identity != self._human.identity:
            await self._control.hang_up(self._leg(leg))

    async def aclose(self) -> None:
        """Be done with this view; the control stays open."""
        self._unsubscribe()
        await super().aclose()
