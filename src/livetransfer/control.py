"""CallControl: the port between the transfers and whatever carries the call.

The transfers know nothing of rooms, tracks or tokens; they use these verbs. Two implementations
pass one contract suite: the LiveKit adapter and the simulator in `livetransfer.testing`.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from .destination import Destination

if TYPE_CHECKING:
    from livekit import rtc
    from livekit.agents import Agent, AgentSession

__all__ = [
    "AudioSink",
    "BridgeMode",
    "CallControl",
    "CallLost",
    "ControlEvent",
    "Conversation",
    "KeyPressed",
    "Leg",
    "LegAnswered",
    "LegLeft",
    "LegRinging",
    "Referred",
    "SealBroken",
]

BridgeMode = Literal["shared_room", "consult_room", "relay"]
"""How caller and human are joined; see the page on bridging."""


@dataclass(frozen=True)
class Leg:
    """One party's connection.

    Attributes:
        identity: Unique in the call, also over several attempts at the same destination.
        destination: Whom it was dialled to; None for the caller.
    """

    identity: str
    destination: Destination | None = None


@dataclass(frozen=True)
class LegRinging:
    """The phone of a leg rings (a 180 or 183 came)."""

    identity: str


@dataclass(frozen=True)
class LegAnswered:
    """The phone of a leg was answered."""

    identity: str


@dataclass(frozen=True)
class LegLeft:
    """A leg is gone: its party hung up, or it was hung up.

    Attributes:
        reason: For people: what the carrier of the call said.
    """

    identity: str
    reason: str = ""


@dataclass(frozen=True)
class KeyPressed:
    """A party pressed a key: one of ``0-9``, ``A-D``, ``*`` and ``#``."""

    identity: str
    digit: str


@dataclass(frozen=True)
class SealBroken:
    """A leg that has to be sealed could not be; it must not be spoken to any more."""

    identity: str
    reason: str = ""


@dataclass(frozen=True)
class CallLost:
    """The connection to the call itself is gone for good: the room is closed or unreachable."""

    reason: str = ""


ControlEvent = LegRinging | LegAnswered | LegLeft | KeyPressed | SealBroken | CallLost


@dataclass(frozen=True)
class Referred:
    """A REFER that nobody said has failed.

    Attributes:
        confirmed: Whether the leg stayed until the phone had reported that the target answered.
            Where it ended before, the phone may have moved, or its owner may have hung up.
    """

    confirmed: bool = True


class AudioSink(Protocol):
    """Where audio for some parties is written; nobody else hears it."""

    @property
    def sample_rate(self) -> int:
        """Samples per second, in Hz, that `write` takes."""

    @property
    def num_channels(self) -> int:
        """Channels that `write` takes, interleaved."""

    @property
    def queued(self) -> float:
        """Seconds of audio written and not yet played."""

    async def ready(self) -> None:
        """Wait until somebody listens, for a fraction of a second at most."""

    async def write(self, frame: rtc.AudioFrame) -> None:
        """Queue `frame` (int16, interleaved); wait while the queue is full.

        Cancelled, it may or may not have queued the frame. After `aclose` it does nothing.
        """

    def clear(self) -> None:
        """Drop what is queued and not yet played."""

    async def aclose(self) -> None:
        """Stop and release the sink, at once. May be called again."""


class Conversation(Protocol):
    """A line on which an AgentSession talks with one leg and nobody else.

    It may be opened before the leg is answered, so that the first word is ready.
    """

    async def start(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start `session` with `agent`, its audio and text going to and from the leg only.

        Raises:
            CallControlError: The line could not be set up.
        """

    async def aclose(self) -> None:
        """Close the session and the line; the leg stays. May be called again."""


@runtime_checkable
class CallControl(Protocol):
    """The telephony verbs over the legs of one call.

    Every coroutine may be cancelled; what it had begun is then undone or can be undone with
    `hang_up`. `hang_up` may be called for legs that are not there.
    """

    @property
    def caller(self) -> Leg:
        """The leg that is to be transferred."""

    @property
    def caller_number(self) -> str | None:
        """The caller's number as the network told it; None where it was withheld, or on the web."""

    @property
    def caller_present(self) -> bool:
        """Whether the caller is still on the line."""

    def subscribe(self, listener: Callable[[ControlEvent], None]) -> Callable[[], None]:
        """Call `listener` for each event from now on; the result unsubscribes it.

        Listeners run on the event loop, must not block, and must not raise.
        """

    def check(self, destination: Destination) -> None:
        """See whether `destination` can be dialled at all, before anything happens.

        Raises:
            ConfigurationError: It cannot, for example because no trunk is set.
        """

    async def dial(
        self,
        destination: Destination,
        *,
        identity: str,
        ring_timeout: float,
        sealed: bool = True,
    ) -> Leg:
        """Ring `destination` and return its leg once it is answered.

        `sealed`: caller and leg do not hear each other until `bridge`; otherwise they are joined
        at the answer.

        Args:
            destination: Whom to dial; its fields win over the transfer's.
            identity: A fresh identity for the leg.
            ring_timeout: Seconds it may ring.
            sealed: See above.

        Raises:
            DialFailed: Refused, not answered, or unclear (`indeterminate`). Nothing rings.
            SealFailed: It answered but could not be sealed; it was hung up.

        On cancellation the phone stops ringing.
        """

    async def open_conversation(self, identity: str) -> Conversation:
        """Open a line to the leg `identity`, which may not have been dialled yet."""

    async def open_audio(self, to: Sequence[str], *, name: str = "hold-music") -> AudioSink:
        """Open a sink that only the identities in `to` hear. They may not be there yet."""

    async def seal(self, leg: Leg) -> None:
        """Keep `leg` and the caller from hearing each other. Idempotent.

        Raises:
            SealFailed: It is not certain that they do not hear each other.
        """

    async def bridge(self, leg: Leg) -> BridgeMode:
        """Let `leg` and the caller hear each other; return how, once they do.

        Raises:
            BridgeFailed: They could not be joined; both are still there, apart.
        """

    async def refer(
        self,
        leg: Leg,
        address: str,
        *,
        headers: Mapping[str, str],
        timeout: float,
        play_dialtone: bool = False,
    ) -> Referred:
        """Ask `leg`'s phone to call `address` (a ``tel:`` or ``sip:`` URI) instead: SIP REFER.

        Returns once the target was reached, as far as is known; the leg then leaves by itself.

        Args:
            leg: Usually the caller.
            address: Where to.
            headers: Extra SIP headers for the REFER.
            timeout: Seconds to wait for the final NOTIFY.
            play_dialtone: Play a dial tone to the leg meanwhile.

        Raises:
            ReferFailed: Refused, failed, or unclear (`indeterminate`).
        """

    def call_id(self, leg: Leg) -> str | None:
        """Return the SIP Call-ID of `leg`, also after it has left; None where it is not known.

        It is what a trunk or a PBX writes into its own records of the call. A leg that is no
        phone has none, and nor has one that was never answered.
        """

    async def send_dtmf(self, leg: Leg, digits: str) -> None:
        """Press `digits` towards `leg`; ``w`` waits 0.5 s."""

    async def hang_up(self, leg: Leg) -> None:
        """End `leg`'s call, also while it rings. Idempotent; a leg that is gone is fine."""

    async def leave(self) -> None:
        """Take the AI out of the call; the other parties stay."""

    async def aclose(self) -> None:
        """Release what this object holds; legs and calls stay as they are. Idempotent."""


ControlFactory = Callable[["AgentSession[Any]"], CallControl]

current_control: contextvars.ContextVar[ControlFactory | None] = contextvars.ContextVar(
    "livetransfer_control", default=None
)
"""Set by a simulation: what transfers started in this context use instead of LiveKit."""
