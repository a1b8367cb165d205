"""A transfer that is disturbed: staged on the simulator, run to its end, and recorded."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from livekit.agents import AgentSession, CloseEvent, ErrorEvent, RunContext, stt

from livetransfer import (
    ColdTransfer,
    Phase,
    PhaseChanged,
    TransferEvent,
    TransferOutcome,
    WarmTransfer,
)
from livetransfer.testing import Human, Latency, Refer, Simulation, simulate
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS
from tests.unit.transfers import RULES, TransferringAgent

ANN, BOB = "+15550100", "+15550101"
NOBODY = "+15550109"
ANNOUNCEMENT = "One moment, please stay on the line, I am getting a colleague for you."

LONGEST = 600.0
"""Seconds of virtual time within which every transfer has to be over."""

SETTLE = 8.0
"""Seconds after which nothing of a transfer that is over may be left."""

HANDLED = (
    "agent_state_changed",
    "close",
    "function_tools_executed",
    "speech_created",
    "user_state_changed",
)
"""The events of a session that a transfer listens to."""


class QuietSTT(stt.STT[Any]):
    """An STT that hears nothing, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, *args: Any, **kwargs: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, **options: Any) -> stt.RecognizeStream:
        """Return a stream on which nothing ever comes."""
        return _QuietStream(stt=self, conn_options=options["conn_options"])

    def fail(self) -> None:
        """Fail for good, as often as closes a session."""
        for _ in range(4):
            self.emit(
                "error",
                stt.STTError(
                    timestamp=0.0, label="quiet", error=ConnectionError("gone"), recoverable=False
                ),
            )


class _QuietStream(stt.RecognizeStream):
    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass


@dataclass
class _Trigger:
    """What is to happen so many seconds after the `nth` time that a phase is entered."""

    phase: Phase
    seconds: float
    act: Callable[[Scene], object]
    nth: int


@dataclass
class Scene:
    """What is staged, and what was recorded of it. Times are the simulation's, in seconds.

    Attributes:
        call: The simulation.
        session: The caller's session.
        agent: Its agent, whose tool transfers.
        after: What was asked to follow the bridge.
        quiet: Whether there can be no music, so that silence on hold is no defect.
        talking: Whether the AI goes on talking while it rings, and ends its sentence at the answer.
        events: What the transfer told, with the time.
        began: When the tool was called.
        returned: When `run()` returned or raised.
        fault_at: When it was disturbed.
        caller_left: When the caller hung up.
        cancelled: When the tool was cancelled.
        closed: When the session was closed by somebody else.
        lost: When the call was lost.
        outage: Whether the connection was away for a while.
        unsealed: When the seal broke, if it did.
        broken_hang_up: Whether a hang-up can never work, so that a leg may be left.
        drained: When the session was closed, but was to come to its end first.
        slow_hang_up: Whether a hang-up may have to be asked for again.
        armed: Whether what was arranged still happens.
        raised: What a second transfer raised.
    """

    call: Simulation
    session: AgentSession[Any]
    agent: TransferringAgent
    llm: ScriptedLLM
    tts: ScriptedTTS
    stt: QuietSTT
    after: str
    quiet: bool = False
    talking: bool = False
    events: list[tuple[float, TransferEvent]] = field(default_factory=list)
    began: float = 0.0
    returned: float | None = None
    fault_at: float | None = None
    caller_left: float | None = None
    cancelled: float | None = None
    closed: float | None = None
    lost: float | None = None
    outage: bool = False
    unsealed: float | None = None
    broken_hang_up: bool = False
    slow_hang_up: bool = False
    drained: float | None = None
    armed: bool = True
    raised: list[BaseException] = field(default_factory=list)
    handlers: Counter[str] = field(default_factory=Counter)
    _triggers: list[_Trigger] = field(default_factory=list)
    _tool: asyncio.Task[Any] | None = None
    _failed_on_hold: bool = False
    _jobs: list[asyncio.Task[Any]] = field(default_factory=list)

    def when(
        self, phase: Phase, act: Callable[[Scene], object], seconds: float = 0.0, *, nth: int = 1
    ) -> None:
        """Let `act` happen once, `seconds` after `phase` was entered for the `nth` time."""
        self._triggers.append(_Trigger(phase, seconds, act, nth))

    def disarm(self) -> None:
        """From now on nothing happens that was arranged."""
        self.armed = False

    def _told(self, event: TransferEvent) -> None:
        self.events.append((self.call.now, event))
        if isinstance(event, PhaseChanged):
            for trigger in self._triggers:
                if trigger.phase is event.new:
                    trigger.nth -= 1
                    if trigger.nth == 0:
                        self.call.later(trigger.seconds, partial(self._pull, trigger))

    def _failed(self, _: ErrorEvent) -> None:
        self._failed_on_hold = self.session.conn_options.max_unrecoverable_errors > 1000

    def _gave_up(self, event: CloseEvent) -> None:
        # What fails on hold must not close it; what fails while it talks itself is its own. It
        # says that it is closed only when the tool has ended.
        if event.error is not None and self.closed is None and not self._failed_on_hold:
            self.closed = self.call.now
            if self.talking:
                self.closed = self.entered(Phase.RETURNED) or self.closed

    def _pull(self, trigger: _Trigger) -> None:
        if self.armed:
            trigger.act(self)

    # What happens to it.

    def caller_hangs_up(self) -> None:
        """The caller hangs up."""
        self._mark()
        if self.call.caller.on_the_line:
            self.caller_left = self.call.now
        self.call.caller.hang_up()

    def human_hangs_up(self) -> None:
        """Every human hangs up, or refuses while it rings."""
        self._mark()
        for phone in self.call.humans.values():
            phone.hang_up()

    def cancel(self) -> None:
        """The task of the tool is cancelled."""
        self._mark()
        if self._tool is not None and not self._tool.done():
            self.cancelled = self.call.now if self.cancelled is None else self.cancelled
            self._tool.cancel()

    def interrupt(self) -> None:
        """Somebody interrupts the AI by force."""
        self._mark()
        with contextlib.suppress(RuntimeError):  # it does not run any more
            self.session.interrupt(force=True)

    def close_session(self, *, drain: bool = False) -> None:
        """Somebody closes the caller's session."""
        self._mark()
        if drain and self.drained is None:
            self.drained = self.call.now
        if self.closed is None and not drain:
            self.closed = self.call.now
        self.session.shutdown(drain=drain)

    def shut_down_job(self) -> None:
        """The job is shut down: its session is closed, then its room is left."""
        self._mark()
        if self.closed is None:
            self.closed = self.call.now

        async def end() -> None:
            closing = asyncio.ensure_future(self.session.aclose())
            await asyncio.wait({closing}, timeout=60)
            self.lose(parties_leave=False)

        self._jobs.append(asyncio.ensure_future(end()))

    def lose(self, *, parties_leave: bool = True) -> None:
        """The room is deleted, or (`parties_leave` False) only left."""
        self._mark()
        if self.lost is None:
            self.lost = self.call.now
        self.call.lose(parties_leave=parties_leave)

    def lose_for_a_while(self, seconds: float = 3.0) -> None:
        """The connection is lost, and comes back."""
        self._mark()
        self.outage = True
        self.call.outage(seconds)

    def break_seal(self) -> None:
        """The seal of every leg that is there breaks."""
        self._mark()
        if self.unsealed is None:
            self.unsealed = self.call.now
        for address in self.call.humans:
            self.call.break_seal(address)

    def transfer_again(self) -> None:
        """Another transfer of the same call is started."""
        self._mark()

        async def again() -> None:
            try:
                await WarmTransfer(NOBODY, ring_timeout=2).run(self.session)
            except BaseException as error:
                self.raised.append(error)
                if isinstance(error, asyncio.CancelledError):
                    raise

        self._jobs.append(asyncio.ensure_future(again()))

    def _mark(self) -> None:
        if self.fault_at is None:
            self.fault_at = self.call.now

    # What was recorded.

    @property
    def result(self) -> Any:
        """What `run()` returned or raised."""
        return self.agent.results[0]

    @property
    def outcome(self) -> TransferOutcome | None:
        """What `run()` returned."""
        return self.result if isinstance(self.result, TransferOutcome) else None

    @property
    def unwatched(self) -> bool:
        """Whether the AI has left a call that goes on, as it was asked to."""
        return self.after == "leave" and self.outcome is not None and self.outcome.bridged

    def entered(self, phase: Phase) -> float | None:
        """When `phase` was entered first, or None."""
        for at, event in self.events:
            if isinstance(event, PhaseChanged) and event.new is phase:
                return at
        return None

    def verbs(self, name: str) -> list[Any]:
        """Every call of one verb."""
        return [verb for verb in self.call.calls if verb.name == name]

    @property
    def handlers_now(self) -> Counter[str]:
        """How many handlers the session has for each event that a transfer listens to."""
        events: Mapping[Any, Any] = self.session._events
        return Counter({name: len(events.get(name, ())) for name in HANDLED if events.get(name)})

    # Its life.

    def ask(self) -> None:
        """The caller asks for a person."""
        self.session.generate_reply(user_input="I want to talk to a person")

    async def over(self) -> None:
        """Wait until `run()` has returned or raised.

        Raises:
            AssertionError: It takes for ever.
        """
        while not self.agent.results:
            assert self.call.now < LONGEST, f"the transfer never ends: {self.events[-3:]}"
            await asyncio.sleep(0.05)

    async def settle(self, seconds: float = SETTLE) -> None:
        """Let what is left come to its end."""
        await asyncio.sleep(seconds)


Transfer = Callable[[Callable[[TransferEvent], None]], WarmTransfer | ColdTransfer]


@asynccontextmanager
async def stage(
    transfer: Transfer,
    *,
    humans: Mapping[str, Human | Sequence[Human]] | None = None,
    refer: Refer = "accepts",
    latency: Latency | None = None,
    after: str = "end",
    rules: Any = RULES,
    on_event: Callable[[TransferEvent], None] | None = None,
    samples: bool = False,
) -> AsyncIterator[Scene]:
    """Stage a call whose agent's tool runs `transfer`; nothing has been asked for yet."""
    people = humans if humans is not None else {ANN: Human.accepts(after=3)}
    async with simulate(people, refer=refer, latency=latency, samples=samples) as call:
        llm, tts, ears = ScriptedLLM(rules), ScriptedTTS(), QuietSTT()
        session: AgentSession[Any] = AgentSession(llm=llm, tts=tts, stt=ears)

        async def run(context: RunContext[Any]) -> Any:
            scene._tool = asyncio.current_task()
            scene.began = call.now
            try:
                return await subject.run(context)
            finally:
                scene.returned = call.now

        def listen(event: TransferEvent) -> None:
            scene._told(event)
            if on_event is not None:
                on_event(event)

        subject = transfer(listen)
        agent = TransferringAgent(run)
        scene = Scene(call, session, agent, llm, tts, ears, after)
        call.attach(session)
        await session.start(agent)
        session.on("error", scene._failed)
        session.on("close", scene._gave_up)
        scene.handlers = scene.handlers_now
        try:
            yield scene
        finally:
            tts.error = None
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(session.aclose(), 70)
            for job in scene._jobs:
                job.cancel()
            if scene._jobs:
                await asyncio.wait(scene._jobs)
