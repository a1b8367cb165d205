"""Makes one call on the simulator, with the library's real code, and records it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from livekit.agents import AgentSession

from livetransfer import Phase, PhaseChanged, TransferEvent
from livetransfer.control import CallLost, KeyPressed, LegAnswered, LegLeft
from livetransfer.errors import CallControlError
from livetransfer.testing import Heard as TapeHeard
from livetransfer.testing import Latency, Party, Simulation, simulate
from livetransfer.testing.sounds import Sound

from .agent import FrontDesk, scripted_llm, scripted_tts
from .lines import RATE, Samples, Who, lines
from .recording import EARS, Heard, Moment, Recording, Source, Span, Stage, Utterance
from .rehearsal_words import ABOUT, figures, told
from .scenario import BILLING, Scenario

__all__ = ["rehearse"]

TICK = 0.02
"""Seconds, of virtual time, between two looks at who listens."""
PATIENCE = 300.0
"""Seconds, of virtual time, that the whole call may take."""
NETWORK = Latency(dial_setup=0.9)
"""A phone rings about a second after it is dialled."""
WITH_AI, BACK_WITH_AI = "with the AI", "back with the AI"
_SOURCES: dict[str, Source] = {"caller": "caller", "agent": "ai", "briefing": "ai"}

NOTES = {
    WITH_AI: "the AI answers the phone",
    "announcing": "the AI says what is about to happen",
    "holding": "the caller hears music, and the AI hears nothing of them",
    "dialling": "billing is called",
    "ringing": "billing's phone rings",
    "briefing": "the human hears why, and decides; the caller hears none of it",
    "bridging": "the two are joined",
    "bridged": "they talk; the AI neither speaks nor listens",
    "referring": "the caller's phone system is asked to send the call on (SIP REFER)",
    BACK_WITH_AI: "the AI tells the caller, and helps another way",
}


def rehearse(scenario: Scenario) -> Recording:
    """Make the call of `scenario` in virtual time and return what was recorded."""
    return asyncio.run(_rehearse(scenario))


@dataclass
class _Stagehand:
    """Knows the call, and does for the caller what a `Call` can do."""

    call: Simulation
    moves: list[tuple[float, Phase]] = field(default_factory=list)
    looks: dict[Who, list[float]] = field(default_factory=lambda: {"caller": [], "human": []})

    def tell(self, event: TransferEvent) -> None:
        if isinstance(event, PhaseChanged):
            self.moves.append((self.call.now, event.new))

    async def says(self, name: str) -> None:
        line = lines()[name]
        await self.call.caller.says(line.text, audio=line.samples, rate=RATE)

    async def after(self, name: str, pause: float = 0.5) -> None:
        text = lines()[name].text
        await _until(
            lambda: any(s.text == text and s.whole and s.end <= self.call.now for s in self.sounds)
        )
        await asyncio.sleep(pause)

    def hang_up(self) -> None:
        self.call.caller.hang_up()

    @property
    def sounds(self) -> list[Sound]:
        return self.call.tape.sounds

    async def watch(self) -> None:
        """See, all the time, to whom the AI listens."""
        phone = self.call.human(BILLING.address)
        parties: tuple[tuple[Who, Party], ...] = (("caller", self.call.caller), ("human", phone))
        while True:
            for who, party in parties:
                here = (i for i in party.identities if self.call.tape.is_here(i))
                if any(self.call.ear(identity) for identity in here):
                    self.looks[who].append(self.call.now)
            await asyncio.sleep(TICK)


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - time is virtual: looking often costs little
        await asyncio.sleep(TICK)


async def _rehearse(scenario: Scenario) -> Recording:
    async with simulate(
        {BILLING.address: scenario.human()}, refer=scenario.refer, latency=NETWORK
    ) as call:
        hand = _Stagehand(call)
        agent = FrontDesk(scenario.transfer(hand.tell))
        session: AgentSession[None] = AgentSession(llm=scripted_llm(), tts=scripted_tts())
        call.attach(session)
        watching = call.spawn(hand.watch())
        await session.start(agent, record=False)
        try:
            await asyncio.wait_for(scenario.caller(hand), PATIENCE)
            assert agent.outcome is not None
            await asyncio.wait_for(agent.outcome.ended(), PATIENCE)
            await asyncio.wait_for(_until(lambda: not call.caller.on_the_line), PATIENCE)
            return _record(scenario, hand, agent)
        finally:
            watching.cancel()
            await session.aclose()


def _record(scenario: Scenario, hand: _Stagehand, agent: FrontDesk) -> Recording:
    call, end = hand.call, hand.call.now
    phone = call.human(BILLING.address)
    assert agent.outcome is not None
    listening = {who: _runs(looks) for who, looks in hand.looks.items()}
    said, to_ai = [], []
    for sound in sorted(hand.sounds, key=lambda s: s.start):
        if not sound.text:
            continue
        who = _source(sound.source)
        assert who != "music"
        span = Span(sound.start, min(sound.end, end))
        if who != "ai" and (ears := listening[who]):
            to_ai += [(sound, cut) for ear in ears if (cut := _cut(span, ear)) is not None]
        to = tuple(
            ear
            for ear in EARS
            if (ear == "ai" and any(heard is sound for heard, _ in to_ai))
            or (ear == "caller" and _hears(call.caller.heard(sound.source), span, ear != who))
            or (ear == "human" and _hears(phone.heard(sound.source), span, ear != who))
        )
        said.append(Utterance(span.start, span.end, who, to, sound.text))
    recording = Recording(
        title=scenario.title,
        seconds=end,
        stages=_stages(hand.moves, end),
        said=said,
        moments=_moments(call, end),
        heard={
            "caller": [_heard(h) for h in call.caller.heard()],
            "human": [_heard(h) for h in phone.heard()],
            "ai": [Heard(cut.start, cut.end, _source(s.source)) for s, cut in to_ai],
        },
        present={
            "caller": _presence(call, call.caller.identities, end),
            "human": _presence(call, phone.identities, end),
            "ai": [Span(0.0, end)],
        },
        listening=listening,
        audio={
            "caller": call.caller.samples(0.0, end),
            "human": phone.samples(0.0, end),
            "ai": _mixed(to_ai, end),
        },
        about=ABOUT,
        kicker="livetransfer demo",
        human="billing",
    )
    return replace(
        recording,
        told=told(recording, agent.outcome),
        figures=figures(recording, agent.outcome),
    )


def _source(name: str) -> Source:
    return "music" if name == "hold-music" else _SOURCES.get(name, "human")


def _heard(heard: TapeHeard) -> Heard:
    return Heard(heard.start, heard.end, _source(heard.source))


def _hears(heard: list[TapeHeard], span: Span, other: bool) -> bool:
    return other and any(h.start < span.end and h.end > span.start for h in heard)


def _cut(span: Span, window: Span) -> Span | None:
    low, high = max(span.start, window.start), min(span.end, window.end)
    return Span(low, high) if high - low > TICK else None


def _runs(looks: list[float]) -> list[Span]:
    """Join looks that follow one another."""
    runs: list[list[float]] = []
    for at in looks:
        if runs and at - runs[-1][1] < 2 * TICK:
            runs[-1][1] = at
        else:
            runs.append([at, at])
    return [Span(low, high) for low, high in runs if high > low]


def _presence(call: Simulation, identities: list[str], end: float) -> list[Span]:
    return [Span(low, min(high, end)) for i in identities for low, high in call.tape.presence(i)]


def _stages(moves: list[tuple[float, Phase]], end: float) -> list[Stage]:
    names = [(0.0, WITH_AI)]
    for at, phase in moves:
        if phase is not Phase.ENDED:
            names.append((at, BACK_WITH_AI if phase is Phase.RETURNED else phase.value))
    ends = [at for at, _ in names[1:]] + [end]
    return [
        Stage(start, until, name, NOTES[name])
        for (start, name), until in zip(names, ends, strict=True)
    ]


def _moments(call: Simulation, end: float) -> list[Moment]:
    found = []
    for at, event in call.events:
        if isinstance(event, CallLost) or at > end:
            continue
        who = "the caller" if event.identity == call.caller.leg.identity else "billing"
        if isinstance(event, LegAnswered):
            found.append(Moment(at, f"{who} answers"))
        elif isinstance(event, KeyPressed):
            found.append(Moment(at, f"{who} presses {event.digit}"))
        elif isinstance(event, LegLeft):
            by_itself = "hung up" in event.reason and not event.reason.startswith("it ")
            found.append(Moment(at, f"{who} hangs up" if by_itself else f"{who} is hung up"))
    for verb in call.calls:
        if isinstance(verb.error, CallControlError) and verb.ended is not None:
            words = str(verb.error).replace(BILLING.address, "billing")
            found.append(Moment(verb.ended, words))
    return sorted(found, key=lambda moment: moment.at)


def _mixed(parts: list[tuple[Sound, Span]], end: float) -> Samples:
    total = np.zeros(round(end * RATE), np.int32)
    for sound, span in parts:
        first, last = round(span.start * RATE), round(span.end * RATE)
        skip = first - round(sound.start * RATE)
        part = sound.render()[skip : skip + last - first]
        total[first : first + len(part)] += part[: len(total) - first]
    return np.clip(total, -32768, 32767).astype(np.int16)
