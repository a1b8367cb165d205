"""simulate(): one phone call in memory, and the handles to look at it and to disturb it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from livekit.agents import AgentSession

from livetransfer.control import (
    BridgeMode,
    CallLost,
    ControlEvent,
    Leg,
    SealBroken,
    current_control,
)
from livetransfer.destination import Destination
from livetransfer.errors import CallControlError, ReferFailed
from livetransfer.status import TransferStatus, status_for_sip

from . import clock as _clock
from .clock import Clock
from .control import SimControl
from .conversation import Ear
from .faults import Faults
from .parties import Human
from .people import Caller, Party, Phone
from .session_io import SessionVoice, SimAudioInput, has_voice
from .sounds import Sound
from .tape import Tape

__all__ = ["Latency", "Refer", "Simulation", "Verb", "simulate"]

T = TypeVar("T")

Refer = Literal["accepts", "refuses", "unsupported", "busy", "times_out", "succeeds_late"]
"""What a REFER of the caller meets: the target is reached; 603; 405; the target is busy (a NOTIFY
reports 486); nothing comes back; or nothing comes back in time, and the caller leaves 1 s later."""


@dataclass(frozen=True)
class Latency:
    """How long the simulated network takes.

    Attributes:
        rpc: Seconds that each verb takes before it acts.
        dial_setup: Seconds from a dial to the ringing.
        refer: Seconds from a REFER to its final answer.
    """

    rpc: float = 0.005
    dial_setup: float = 0.05
    refer: float = 0.5


@dataclass
class Verb:
    """One call of a verb of a control.

    Attributes:
        name: The verb.
        args: What it was given.
        at: When, in seconds since the simulation began.
        ended: When it was over, or None.
        error: What it raised, cancellation included, or None.
    """

    name: str
    args: Mapping[str, Any]
    at: float
    ended: float | None = None
    error: BaseException | None = None


class Simulation:
    """One simulated call. Times are in seconds since it began.

    Attributes:
        caller: The caller.
        clock: Its clock.
        faults: What shall go wrong.
        latency: How long the network takes.
        events: Every event of the call, with its time.
        calls: Every verb that was called, on any control.
        controls: One control for each transfer.
        ai_present: Whether the AI is still in the call.
        trunk: Whether there is a trunk to dial through.
        refer: What a REFER meets; may be changed.
    """

    def __init__(
        self,
        humans: Mapping[str, Human | Sequence[Human]],
        *,
        caller: str,
        refer: Refer,
        clock: Clock,
        samples: bool,
        latency: Latency,
        trunk: bool,
        bridge: BridgeMode,
        queue: float,
    ) -> None:
        self.clock = clock
        self.latency = latency
        self.faults = Faults()
        self.refer: str = refer
        self.trunk = trunk
        self.bridge_mode: BridgeMode = bridge
        self.queue = queue
        self.ai_present = True
        self.tape = Tape(lambda: clock.elapsed, keep_samples=samples)
        self.caller = Caller(self, caller)
        self.events: list[tuple[float, ControlEvent]] = []
        self.calls: list[Verb] = []
        self.controls: list[SimControl] = []
        self._phones = {
            address: Phone(self, address, [script] if isinstance(script, Human) else script)
            for address, script in humans.items()
        }
        self._identities: set[str] = {self.caller.leg.identity}
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._ear: Ear | None = None
        self._hangs_up_session = True
        self._lost: str | None = None
        self._joined = asyncio.Event()
        self._errors: list[BaseException] = []

    @property
    def now(self) -> float:
        """Seconds since the simulation began."""
        return self.clock.elapsed

    @property
    def control(self) -> SimControl:
        """The control of the latest transfer.

        Raises:
            LookupError: No transfer has begun.
        """
        if not self.controls:
            raise LookupError("no transfer has begun in this simulation")
        return self.controls[-1]

    def human(self, address: str) -> Phone:
        """Return the phone at `address`.

        Raises:
            KeyError: There is none.
        """
        try:
            return self._phones[address]
        except KeyError:
            raise KeyError(f"no human at {address!r}; there are {sorted(self._phones)}") from None

    @property
    def humans(self) -> Mapping[str, Phone]:
        """Every phone, by its address."""
        return self._phones

    def party(self, who: str | Party) -> Party:
        """Return the party with an address or an identity; the caller is ``"caller"``.

        Raises:
            KeyError: There is none.
        """
        if isinstance(who, Party):
            return who
        for party in (self.caller, *self._phones.values()):
            if who in (party.name, party.address, *party.identities):
                return party
        return self.human(who)

    def attach(self, session: AgentSession[Any], *, close_on_disconnect: bool = True) -> None:
        """Put `session` on the caller's line, with audio: call it before or after its start.

        The caller then hears what it says (as ``"agent"``), with a TTS or realtime model, and
        what the caller says reaches it while it listens.

        Args:
            session: The caller's session.
            close_on_disconnect: Close it when the caller leaves, as a room does.
        """
        voice = SessionVoice(self.tape, "agent", frozenset({self.caller.leg.identity}))
        voice.attach(session, audio=has_voice(session, _agent_of(session)))
        session.input.audio = SimAudioInput()
        self._ear = Ear(session)
        self._hangs_up_session = close_on_disconnect

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` at `seconds` since the simulation began; a coroutine from it is run too."""
        self.later(max(0.0, seconds - self.now), lambda: self._act(act))

    def _act(self, act: Callable[[], object]) -> None:
        try:
            result = act()
        except Exception as error:
            self.failed(error)
            return
        if asyncio.iscoroutine(result):
            self.spawn(result)

    def lose(self, reason: str = "the room was deleted", *, parties_leave: bool = True) -> None:
        """The call is lost: no verb works any more.

        Args:
            reason: What the event says.
            parties_leave: Everybody is thrown out (a deleted room); otherwise only the connection
                to the call is gone.
        """
        if self._lost is not None:
            return
        self._lost = reason
        if parties_leave:
            self.tape.leave(self.caller.leg.identity)
            for phone in self._phones.values():
                phone.hang_up(reason)
        self.emit(CallLost(reason))

    def break_seal(self, who: str, reason: str = "the leg came back unsealed") -> None:
        """The seal of a human's leg breaks: caller and human hear each other."""
        for identity in self.party(who).identities:
            if self.tape.is_here(identity):
                self.tape.link(self.caller.leg.identity, identity)
                self.emit(SealBroken(identity, reason))

    def count(self, verb: str) -> int:
        """Return how many times `verb` was called."""
        return sum(call.name == verb for call in self.calls)

    def leftovers(self) -> list[str]:
        """Return what is still open, in words; empty when everything was put away.

        A phone that rings, a human on the line without a caller, a control, sink, conversation or
        listener that was not closed.
        """
        left = [f"{p.address} rings" for p in self._phones.values() if p.ringing]
        if not self.caller.on_the_line and self.caller.referred_to is None:
            left += [
                f"{p.address} is on the line alone" for p in self._phones.values() if p.on_the_line
            ]
        for i, control in enumerate(self.controls, 1):
            name = f"control {i}"
            if not control.closed:
                left.append(f"{name} is open")
            if control.listeners:
                left.append(f"{name} has {control.listeners} listeners")
            left += [f"sink {s.name!r} is open" for s in control.sinks if not s.closed]
            left += [
                f"conversation with {c.identity} is open"
                for c in control.conversations
                if not c.closed
            ]
        left += [f"{call.name} is running" for call in self.calls if call.ended is None]
        return left

    # For the other modules of the simulator.

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
        """Run one verb: record it, let time pass, and let its faults happen."""
        record = Verb(name, args, self.now)
        self.calls.append(record)
        if control is not None:
            control.calls.append(record)
        try:
            self._check_call()
            await asyncio.sleep(self.latency.rpc)
            self._check_call()
            return await self.faults.around(name, act, undo, spared)
        except BaseException as error:
            record.error = error
            raise
        finally:
            record.ended = self.now

    def _check_call(self) -> None:
        if self._lost is not None:
            raise CallControlError(self._lost, status=TransferStatus.FAILED)
        if not self.ai_present:
            raise CallControlError("the AI has left the call", status=TransferStatus.FAILED)

    def emit(self, event: ControlEvent) -> None:
        """Record `event` and tell the listeners, on the next turn of the loop."""
        self.events.append((self.now, event))
        loop = asyncio.get_running_loop()
        for control in self.controls:
            loop.call_soon(control.deliver, event)

    def later(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `act` after so many seconds, unless the simulation is over."""

        def run() -> None:
            self._timers.discard(timer)
            act()

        loop = asyncio.get_running_loop()
        timer = self._context.run(loop.call_later, seconds, run)
        self._timers.add(timer)
        return timer

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        """Run `coroutine`, in the context in which the simulation began, until it is over."""
        task: asyncio.Task[None] = self._context.run(asyncio.create_task, coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """Remember an error of a script or a listener; `simulate` raises it at its end."""
        self._errors.append(error)

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
            if key is not None and key in self._phones:
                return self._phones[key]
        return None

    def end_leg(self, identity: str, how: str) -> None:
        """End one leg, whoever's it is."""
        if identity == self.caller.leg.identity:
            self.caller.hang_up(how)
        for phone in self._phones.values():
            for ring in phone.rings:
                if ring.leg.identity == identity:
                    phone.end(ring, how)

    def caller_left(self) -> None:
        """Close the caller's session, as its room would."""
        if self._ear is not None and self._hangs_up_session:
            self._ear.session.shutdown(drain=False)

    def referred(self, leg: Leg, address: str) -> None:
        """A REFER worked: the leg leaves for `address`."""
        if leg.identity == self.caller.leg.identity and self.caller.on_the_line:
            self.caller.referred_to = address
        self.end_leg(leg.identity, f"referred to {address}")

    def refer_refused(self, code: int, phrase: str, reached: bool) -> ReferFailed:
        """Make the error for a REFER that was refused."""
        return ReferFailed(
            f"the REFER was answered {code} {phrase}",
            status=status_for_sip(code),
            sip_code=code,
            sip_reason=phrase,
            target_reached=reached,
        )

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
        if identity == self.caller.leg.identity:
            ears = [self._ear]
        else:
            ears = [
                conversation.ear
                for control in reversed(self.controls)
                for conversation in reversed(control.conversations)
                if conversation.identity == identity and not conversation.closed
            ]
        return next((ear for ear in ears if ear is not None and ear.listens), None)

    def wake(self) -> None:
        """Somebody was joined."""
        self._joined.set()

    async def joined(self, identity: str) -> None:
        """Wait until `identity` and the caller hear each other."""
        while not self.tape.are_linked(self.caller.leg.identity, identity):
            self._joined.clear()
            await self._joined.wait()

    def new_control(self, session: AgentSession[Any]) -> SimControl:
        """Make the control for a transfer that begins."""
        control = SimControl(self, session)
        self.controls.append(control)
        return control

    async def aclose(self) -> None:
        """End it: the call is lost to whoever still listens, and what was opened is closed."""
        if any(control.listeners for control in self.controls):
            self.lose("the simulation is over")
            await asyncio.sleep(0.05)
        for timer in self._timers:
            timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for control in self.controls:
            await control.aclose()
        if self._ear is not None:
            self._ear.release()

    def raise_errors(self) -> None:
        """Raise the first error of a script or a listener, if there was one."""
        if self._errors:
            raise self._errors[0]


def _agent_of(session: AgentSession[Any]) -> Any:
    try:
        return session.current_agent
    except RuntimeError:
        return None


@contextlib.asynccontextmanager
async def simulate(
    humans: Mapping[str, Human | Sequence[Human]] | None = None,
    *,
    caller: str = "+15550199",
    refer: Refer = "accepts",
    virtual_time: bool = True,
    samples: bool = True,
    latency: Latency | None = None,
    trunk: bool = True,
    bridge: BridgeMode = "shared_room",
    queue: float = 1.0,
) -> AsyncIterator[Simulation]:
    """Simulate a phone call: transfers that start in this block use it instead of LiveKit.

    The caller is on the line when it begins. Tasks that are started in the block belong to it,
    so any number of simulations can run at the same time.

    Args:
        humans: Who answers at which address, as a script, or as several for one call after the
            other (the last one repeats). Any address a `Destination` may have; others are 404.
        caller: The caller's number.
        refer: What a REFER of the caller meets; see `Refer`.
        virtual_time: Let time jump; see `livetransfer.testing.virtual_time`.
        samples: Keep the audio, for `Party.samples`; without it, hundreds of calls cost little.
        latency: How long the network takes.
        trunk: Whether a trunk is configured.
        bridge: What bridging reports.
        queue: Seconds of audio that a sink holds.

    Yields:
        The simulation.

    Raises:
        RuntimeError: Virtual time does not work with this event loop.
        Exception: What a script, a listener or an action of `Simulation.at` raised, at the end.
    """
    async with contextlib.AsyncExitStack() as stack:
        clock = (
            await stack.enter_async_context(_clock.virtual_time())
            if virtual_time
            else Clock(asyncio.get_running_loop())
        )
        holder: list[Simulation] = []

        def new_control(session: AgentSession[Any]) -> SimControl:
            return holder[0].new_control(session)

        token = current_control.set(new_control)
        simulation = Simulation(
            humans or {},
            caller=caller,
            refer=refer,
            clock=clock,
            samples=samples,
            latency=latency or Latency(),
            trunk=trunk,
            bridge=bridge,
            queue=queue,
        )
        holder.append(simulation)
        try:
            yield simulation
        finally:
            try:
                current_control.reset(token)
            except ValueError:  # a fixture's end runs in another context
                current_control.set(None)
            await simulation.aclose()
        simulation.raise_errors()
