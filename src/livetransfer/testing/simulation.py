"""simulate(): one phone call in memory, and the handles to look at it and to disturb it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from livekit.agents import Agent, AgentSession

from livetransfer.control import BridgeMode, SealBroken, current_control
from livetransfer.errors import CallerNotFoundError

from . import clock as _clock
from .checks import check_addresses, check_one_of, check_time
from .clock import Clock
from .ear import Ear
from .exchange import Latency
from .parties import Human, Refer, Web, check_parties
from .people import Caller, Phone
from .session_io import SessionVoice, SimAudioInput, has_voice
from .sim_control import SimControl
from .switch import Switch

__all__ = ["Refer", "Simulation", "simulate"]


class Simulation(Switch):
    """One simulated call. Times are in seconds since it began.

    Attributes:
        caller: The caller.
        humans: Every phone, by its address.
        clock: Its clock.
        faults: What shall go wrong.
        latency: How long the network takes.
        events: Every event of the call, with its time.
        calls: Every verb that was called, on any control.
        controls: One control for each transfer.
        ai_present: Whether the AI is still in the call.
        trunk: Whether there is a trunk to dial through.
        others: Who else is in the room from the beginning, without having been dialled.
        refer: What a REFER meets; see `Refer`. May be changed.
    """

    _attached: AgentSession[Any] | None = None

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
        if address not in self.humans:
            raise KeyError(f"no human at {address!r}; there are {sorted(self.humans)}")
        return self.humans[address]

    def attach(
        self,
        session: AgentSession[Any],
        *,
        audio: bool | None = None,
        close_on_disconnect: bool = True,
    ) -> None:
        """Put `session` on the caller's line: call it before or after its start.

        The caller then hears what it says (as ``"agent"``), and what the caller says reaches it
        while it listens.

        Args:
            session: The caller's session.
            audio: Whether it speaks with a voice; otherwise its words are only text, which takes
                no time. Default: whether it has a TTS or a realtime model.
            close_on_disconnect: Close it when the caller leaves, as a room does.
        """
        voice = SessionVoice(self.tape, "agent", frozenset({self.caller.leg.identity}))
        if audio is None:
            audio = has_voice(session, _agent_of(session))
        voice.attach(session, audio=audio)
        session.input.audio = SimAudioInput()
        if self.caller_ear is not None:
            self.caller_ear.release()
        self.caller_ear = Ear(session, closes=close_on_disconnect)
        self._attached = session

    def new_control(self, session: AgentSession[Any], caller: str | None = None) -> SimControl:
        """Make the control for a transfer that begins; `current_control` does this.

        Args:
            session: The session from which it begins.
            caller: The identity of who is to be transferred. Default: whose line the session is
                on, or the only party in the room.

        Raises:
            CallerNotFoundError: `caller` is not there, or several could be meant.
        """
        control = SimControl(self, session, self._caller_of(session, caller))
        self.controls.append(control)
        if self.caller_ear is None:
            self.caller_ear = Ear(session, closes=False)
        return control

    def _caller_of(self, session: AgentSession[Any], named: str | None) -> Caller:
        present = {party.leg.identity: party for party in self.parties if party.on_the_line}
        who = ", ".join(present) or "nobody"
        if named is not None:
            if named not in present:
                raise CallerNotFoundError(f"caller={named!r} is not in the call; present: {who}")
            return present[named]
        if session is self._attached or not self.others:
            return self.caller
        if len(present) != 1:
            raise CallerNotFoundError(
                f"several participants could be the caller ({who}); name one with caller=<identity>"
            )
        return next(iter(present.values()))

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` at `seconds` since the simulation began; a coroutine from it is run too."""

        def run() -> None:
            try:
                result = act()
            except Exception as error:
                self.failed(error)
                return
            if asyncio.iscoroutine(result):
                self.spawn(result)

        self.later(max(0.0, seconds - self.now), run)

    def break_seal(self, who: str, reason: str = "the leg came back unsealed") -> None:
        """The seal of a human's leg breaks: caller and human hear each other."""
        for identity in self.party(who).identities:
            if self.tape.is_here(identity):
                self.joins.bridge(identity)
                self.emit(SealBroken(identity, reason))

    def count(self, verb: str) -> int:
        """Return how many times `verb` was called."""
        return sum(call.name == verb for call in self.calls)

    def leftovers(self) -> list[str]:
        """Return what is still open, in words; empty when everything was put away.

        A phone that rings, a human on the line without a caller, a verb that runs, a control,
        sink, conversation, leg's audio or listener that was not closed.
        """
        left = [f"{p.address} rings" for p in self.humans.values() if p.ringing]
        if not any(party.on_the_line or party.referred_to for party in self.parties):
            left += [
                f"{p.address} is on the line alone" for p in self.humans.values() if p.on_the_line
            ]
        for i, control in enumerate(self.controls, 1):
            if not control.closed:
                left.append(f"control {i} is open")
            if control.listeners:
                left.append(f"control {i} has {control.listeners} listeners")
            left += [f"sink {s.name!r} is open" for s in control.sinks if not s.closed]
            left += [f"{a.identity} is listened to" for a in control.listening if not a.closed]
            left += [
                f"conversation with {c.identity} is open"
                for c in control.conversations
                if not c.closed
            ]
        left += [f"{call.name} is running" for call in self.calls if call.ended is None]
        return left


def _agent_of(session: AgentSession[Any]) -> Agent | None:
    try:
        return session.current_agent
    except RuntimeError:
        return None


@contextlib.asynccontextmanager
async def simulate(
    humans: Mapping[str, Human | Sequence[Human]] | None = None,
    *,
    caller: str | Web = "+15550199",
    others: Sequence[str | Web] = (),
    refer: Refer = "accepts",
    virtual_time: bool = True,
    samples: bool = True,
    latency: Latency | None = None,
    trunk: bool = True,
    bridge: BridgeMode = "shared_room",
    queue: float = 1.0,
    caller_away: bool = False,
) -> AsyncIterator[Simulation]:
    """Simulate a phone call: transfers that start in this block use it instead of LiveKit.

    The caller is on the line when it begins, unless he is `caller_away`. Tasks that are started in
    the block belong to it, so any number of simulations can run at the same time.

    Args:
        humans: Who answers at which address, as a script, or as several for one call after the
            other (the last one repeats). Any address a `Destination` may have; others are 404.
        caller: The caller's number, or `Web` for one with no telephone.
        others: Who else is in the room: each hears the caller, and whoever is bridged to him.
            A telephone has the identity ``sip_<number>``.
        refer: What a REFER of the caller meets; see `Refer`.
        virtual_time: Let time jump; see `livetransfer.testing.virtual_time`.
        samples: Keep the audio, for `Party.samples`; without it, hundreds of calls cost little.
        latency: How long the network takes.
        trunk: Whether a trunk is configured.
        bridge: What bridging reports.
        queue: Seconds of audio that a sink holds.
        caller_away: The caller is not on the line: he is called back. What he does then is the
            script of `humans` at his number; ``simulation.human(number)`` is his phone.

    Yields:
        The simulation.

    Raises:
        RuntimeError: Virtual time does not work with this event loop.
        ConfigurationError: Something is asked for that a simulation does not know.
        Exception: What a script, a listener or an action of `Simulation.at` raised, at the end.
    """
    check_one_of("refer", refer, Refer)
    check_one_of("bridge", bridge, BridgeMode)
    check_time("queue", queue, above=True)
    check_addresses(humans or {})
    check_parties(caller, others)
    async with contextlib.AsyncExitStack() as stack:
        clock = (
            await stack.enter_async_context(_clock.virtual_time())
            if virtual_time
            else Clock(asyncio.get_running_loop())
        )
        simulation = Simulation(
            humans or {},
            caller=caller,
            others=others,
            refer=refer,
            clock=clock,
            samples=samples,
            latency=latency or Latency(),
            trunk=trunk,
            bridge=bridge,
            queue=queue,
            caller_away=caller_away,
        )
        token = current_control.set(simulation.new_control)
        try:
            yield simulation
        except BaseException:
            simulation.log_errors()
            raise
        finally:
            try:
                current_control.reset(token)
            except ValueError:  # a fixture's end may run in another context
                current_control.set(None)
            await simulation.aclose()
        simulation.raise_errors()
