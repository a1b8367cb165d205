"""CallControl: the port between the transfers and whatever carries the call.

The transfers know nothing of rooms, tracks or tokens; they use these verbs. Two implementations
pass one contract suite: the LiveKit adapter and the simulator in `livetransfer.testing`.
"""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from .destination import Destination
from .legs import (
    CallLost,
    ControlEvent,
    KeyPressed,
    Leg,
    LegAnswered,
    LegKind,
    LegLeft,
    LegReturned,
    LegRinging,
    SealBroken,
)

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
    "LegAudio",
    "LegKind",
    "LegLeft",
    "LegReturned",
    "LegRinging",
    "Referred",
    "SealBroken",
]

BridgeMode = Literal["shared_room", "consult_room", "relay"]
"""How caller and human are joined; see the page on bridging."""


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


class LegAudio(Protocol):
    """What one leg says, for code that has to find out who or what has answered.

    An asynchronous iterator of frames: int16, one channel, `sample_rate`, in order, 10 to 50 ms
    each. Quiet comes as frames of silence; where a leg sends nothing at all, no frame may come.
    It ends, once what is queued was taken, when the leg is gone, when the call is lost, and after
    `aclose`; it may end at the bridge, and nothing need come from there on.

    One task may iterate at a time. Cancelling it loses no frame, and the audio goes on being
    queued: `aclose` ends it.
    """

    @property
    def sample_rate(self) -> int:
        """Samples per second of every frame, in Hz."""

    @property
    def dropped(self) -> float:
        """Seconds that nobody took in time: only the latest 2 s are queued, the oldest go."""

    def __aiter__(self) -> AsyncIterator[rtc.AudioFrame]:
        """Return itself."""

    async def __anext__(self) -> rtc.AudioFrame:
        """Wait for the next frame, or for the end."""

    async def aclose(self) -> None:
        """Stop, at once; who waits for a frame is told that it has ended. May be called again."""


@runtime_checkable
class CallControl(Protocol):
    """The telephony verbs over the legs of one call.

    There is one caller; several humans may ring, be talked to and be joined at the same time, each
    on a leg of its own. Who is not bridged hears no other party and is heard by none.

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
    def caller_attributes(self) -> Mapping[str, str]:
        """What else is told of the caller; on LiveKit the attributes of his participant."""

    @property
    def name(self) -> str:
        """What names the call, on any worker and over all of its transfers: the room's name."""

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

        `sealed`: the leg hears neither the caller nor any other leg, and none hears it, until
        `bridge`; otherwise it is bridged at the answer. Several may be dialled at a time.

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
        """Open a line to the leg `identity`, which may not have been dialled yet.

        Several legs may have one each. What is said on it, no other party hears.
        """

    async def listen(self, identity: str, *, sample_rate: int = 16_000) -> LegAudio:
        """Take the audio that the leg `identity` sends, from its answer on.

        Call it once the leg's dial has begun; it need not be answered yet. A leg may be listened
        to more than once, and beside a conversation. Whoever asked for it closes it; `aclose` of
        the control does so too.

        Args:
            identity: Whose audio.
            sample_rate: Of the frames, in Hz.

        Raises:
            CallControlError: It could not be set up.
        """

    async def open_audio(self, to: Sequence[str], *, name: str = "hold-music") -> AudioSink:
        """Open a sink that only the identities in `to` hear. They may not be there yet."""

    async def seal(self, leg: Leg) -> None:
        """Keep `leg` and every other party, the caller first, from hearing each other. Idempotent.

        Raises:
            SealFailed: It is not certain that they do not hear each other.
        """

    async def bridge(self, leg: Leg) -> BridgeMode:
        """Let `leg` and the caller hear each other; return how, once they do.

        Legs that are bridged already hear it too, and it hears them. The others stay sealed.

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
        """Press `digits` towards `leg`, which no other leg hears; ``w`` waits 0.5 s."""

    async def hang_up(self, leg: Leg) -> None:
        """End `leg`'s call, also while it rings. Idempotent; a leg that is gone is fine."""

    async def leave(self) -> None:
        """Take the AI out of the call; the other parties stay."""

    async def aclose(self) -> None:
        """Release what this object holds; legs and calls stay as they are. Idempotent."""


class ControlFactory(Protocol):
    """Makes the CallControl of a transfer that begins."""

    def __call__(self, session: AgentSession[Any], caller: str | None = None, /) -> CallControl:
        """Return it.

        Args:
            session: The session from which the transfer begins.
            caller: The identity of who is to be transferred, where it was named.

        Raises:
            CallerNotFoundError: Nobody, or several and `caller` names none.
        """


current_control: contextvars.ContextVar[ControlFactory | None] = contextvars.ContextVar(
    "livetransfer_control", default=None
)
"""Set by a simulation: what transfers started in this context use instead of LiveKit."""
