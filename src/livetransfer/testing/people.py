"""The parties of a simulated call while it runs: the caller, and the phones of the humans."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soundfile

from livetransfer.control import KeyPressed, Leg, LegAnswered, LegLeft, LegRinging
from livetransfer.errors import DialFailed
from livetransfer.status import TransferStatus, status_for_sip

from .parties import HangUp, Human, Press, Say, Step, Wait, WaitForBridge, WaitForSpeech
from .sounds import RATE, Samples, mono, speech_seconds
from .tape import Heard

if TYPE_CHECKING:
    from .simulation import Simulation

__all__ = ["Caller", "Party", "Phone", "Ring"]

_INTERRUPTS_AFTER = 0.5
"""Seconds of speech after which an AI that may be interrupted stops (the SDK's default)."""


class Party:
    """Somebody in the call, and what reached their ears.

    Times are in seconds since the simulation began.

    Attributes:
        name: What this party is called as the source of what others hear.
        address: Its number.
        keys: What was pressed towards this party, over all its calls.
    """

    def __init__(self, simulation: Simulation, name: str, address: str, pitch: float) -> None:
        self._simulation = simulation
        self._pitch = pitch
        self.name = name
        self.address = address
        self.keys = ""

    @property
    def identities(self) -> list[str]:
        """The identities of this party's legs, in order."""
        raise NotImplementedError

    @property
    def on_the_line(self) -> bool:
        """Whether this party is in a call now."""
        return self._here() is not None

    def _here(self) -> str | None:
        tape = self._simulation.tape
        return next((i for i in reversed(self.identities) if tape.is_here(i)), None)

    def talks_to(self, other: str | Party) -> bool:
        """Whether this party and `other` (an address, or ``"caller"``) hear each other now."""
        party = self._simulation.party(other)
        tape = self._simulation.tape
        return any(tape.are_linked(a, b) for a in self.identities for b in party.identities)

    def heard(
        self, source: str | None = None, start: float | None = None, end: float | None = None
    ) -> list[Heard]:
        """What this party heard, in order.

        Args:
            source: Only what came from there; see `Heard.source`.
            start: Only what lasted beyond this time.
            end: Only what began before this time.
        """
        tape = self._simulation.tape
        all_heard = [h for identity in self.identities for h in tape.heard(identity)]
        return _select(all_heard, source, start, end)

    def missed(self, source: str | None = None) -> list[Heard]:
        """What was played to this party while it was not on the line: lost words, usually."""
        tape = self._simulation.tape
        return _select([h for i in self.identities for h in tape.missed(i)], source, None, None)

    @property
    def heard_text(self) -> str:
        """All the words this party heard, in order."""
        return " ".join(h.text for h in self.heard() if h.text)

    def hears(self, source: str, at: float | None = None) -> bool:
        """Whether this party hears `source` now, or did at a time."""
        tape = self._simulation.tape
        time = self._simulation.now if at is None else at
        return any(tape.hears(identity, source, time) for identity in self.identities)

    def silence(self, start: float | None = None, end: float | None = None) -> float:
        """Return the longest time, in seconds, that this party heard nothing while on the line.

        Args:
            start: Not before this time.
            end: Not after this time.
        """
        tape = self._simulation.tape
        longest = 0.0
        for identity in self.identities:
            stretches = sorted((s, e) for _, s, e in tape.stretches(identity))
            for here, gone in tape.presence(identity):
                low = here if start is None else max(start, here)
                high = min(gone, self._simulation.now if end is None else end)
                for s, e in stretches:
                    if e > low and s < high:
                        longest = max(longest, s - low)
                        low = max(low, e)
                longest = max(longest, high - low)
        return longest

    def samples(self, start: float = 0.0, end: float | None = None) -> Samples:
        """Return what this party heard, mixed: int16, mono, 24000 Hz, from `start` to `end`.

        Raises:
            RuntimeError: The simulation keeps no samples.
        """
        until = self._simulation.now if end is None else end
        return self._simulation.tape.mix(self.identities, start, until)

    def save(self, path: str | Path, start: float = 0.0, end: float | None = None) -> None:
        """Write `samples` to a sound file; its name says in which format (``.wav``)."""
        soundfile.write(str(path), self.samples(start, end), RATE, subtype="PCM_16")

    async def says(self, text: str, *, audio: Any = None, rate: int = RATE) -> None:
        """Say something, and return when it is said. See `Say`; of who is gone, nothing is heard.

        An AI that listens gets the words at the end, and stops talking at the start if it may be
        interrupted; one that speaks without letting itself be interrupted does not hear them.
        """
        identity = self._here()
        if identity is not None:
            await self._utter(identity, Say(text, audio, rate))

    async def _utter(self, identity: str, say: Say) -> None:
        simulation = self._simulation
        samples = None if say.audio is None else mono(say.audio)
        seconds = speech_seconds(say.text) if samples is None else len(samples) / say.rate
        simulation.tape.voice(
            identity,
            self.name,
            seconds,
            text=say.text,
            samples=samples,
            rate=say.rate,
            pitch=self._pitch,
        )
        ear = simulation.ear(identity)
        deaf = ear is not None and ear.deaf
        first = min(seconds, _INTERRUPTS_AFTER)
        await asyncio.sleep(first)
        ear = simulation.ear(identity)
        if ear is not None and self._here() == identity:
            ear.interrupt()
        await asyncio.sleep(seconds - first)
        ear = simulation.ear(identity)
        if ear is not None and self._here() == identity and not (deaf and ear.deaf):
            ear.listen(say.text)

    def press(self, digits: str) -> None:
        """Press keys now, one after the other; nothing happens if the party is gone."""
        identity = self._here()
        if identity is not None:
            for digit in digits:
                self._simulation.emit(KeyPressed(identity, digit))


def _select(
    heard: list[Heard], source: str | None, start: float | None, end: float | None
) -> list[Heard]:
    return sorted(
        (
            h
            for h in heard
            if (source is None or h.source == source)
            and (start is None or h.end > start or h.start == h.end >= start)
            and (end is None or h.start < end)
        ),
        key=lambda h: h.start,
    )


class Caller(Party):
    """The caller, who is on the line when the simulation begins.

    Attributes:
        leg: Its leg.
        referred_to: Where a REFER sent it, or None.
    """

    def __init__(self, simulation: Simulation, address: str) -> None:
        super().__init__(simulation, "caller", address, pitch=210.0)
        self.leg = Leg("caller")
        self.referred_to: str | None = None
        simulation.tape.arrive(self.leg.identity)

    @property
    def identities(self) -> list[str]:
        """The identity of the caller's leg."""
        return [self.leg.identity]

    def hang_up(self, reason: str = "the caller hung up") -> None:
        """Leave the call now. Nothing happens if the caller is gone."""
        if self.on_the_line:
            self._simulation.tape.leave(self.leg.identity)
            self._simulation.emit(LegLeft(self.leg.identity, reason))
            self._simulation.caller_left()


@dataclass
class Ring:
    """One call to a human's phone: one INVITE, and what became of it.

    Attributes:
        leg: The leg that was dialled.
        human: The script that was followed.
        at: When the INVITE came, in seconds since the simulation began.
        ringing_at: When it began to ring, or None.
        answered_at: When it was answered, or None.
        ended_at: When it was over, or None.
        ended: How it ended, in words.
    """

    leg: Leg
    human: Human
    at: float
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    ended: str = ""
    answer: asyncio.Future[None] = field(default_factory=asyncio.Future, repr=False)
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def ringing(self) -> bool:
        """Whether it rings now."""
        return self.ringing_at is not None and self.answered_at is None and self.ended_at is None


class Phone(Party):
    """A human's phone.

    Attributes:
        rings: Every call to it, in order.
    """

    def __init__(self, simulation: Simulation, address: str, scripts: Sequence[Human]) -> None:
        super().__init__(simulation, address, address, pitch=130.0)
        self._scripts = list(scripts)
        self.rings: list[Ring] = []

    @property
    def identities(self) -> list[str]:
        """The identities of all calls to this phone."""
        return [ring.leg.identity for ring in self.rings]

    @property
    def ringing(self) -> bool:
        """Whether it rings now."""
        return any(ring.ringing for ring in self.rings)

    def ring(self, leg: Leg) -> Ring:
        """An INVITE arrives.

        Raises:
            DialFailed: It is in another call.
        """
        simulation = self._simulation
        script = self._scripts[min(len(self.rings), len(self._scripts) - 1)]
        if any(ring.ended_at is None for ring in self.rings):
            raise _refused(self.address, 486, "Busy Here")
        ring = Ring(leg, script, simulation.now)
        self.rings.append(ring)
        if script.ring is None or script.ring > 0:
            ring.ringing_at = simulation.now
            simulation.emit(LegRinging(leg.identity))
        if script.ring is not None:
            ring.timer = simulation.later(script.ring, lambda: self._act(ring))
        return ring

    def _act(self, ring: Ring) -> None:
        if ring.human.code is None:
            ring.answered_at = self._simulation.now
            self._simulation.tape.arrive(ring.leg.identity)
            self._simulation.emit(LegAnswered(ring.leg.identity))
            ring.task = self._simulation.spawn(self._follow(ring))
            if not ring.answer.done():
                ring.answer.set_result(None)
        else:
            self.end(ring, "refused", code=ring.human.code, phrase=ring.human.reason)

    def end(self, ring: Ring, how: str, *, code: int = 487, phrase: str = "") -> None:
        """End one call to this phone; nothing happens if it is over."""
        if ring.ended_at is not None:
            return
        simulation = self._simulation
        ring.ended_at, ring.ended = simulation.now, how
        if ring.timer is not None:
            ring.timer.cancel()
        if ring.answered_at is None:
            if not ring.answer.done():
                ring.answer.set_exception(_refused(self.address, code, phrase))
                ring.answer.exception()  # it may be that nobody waits for it any more
            return
        simulation.tape.leave(ring.leg.identity)
        simulation.emit(LegLeft(ring.leg.identity, how))
        if ring.task is not None and ring.task is not asyncio.current_task():
            ring.task.cancel()

    def hang_up(self, reason: str = "the human hung up") -> None:
        """The human hangs up now, or refuses (603) while it rings."""
        for ring in self.rings:
            self.end(ring, reason, code=603, phrase="Decline")

    async def _follow(self, ring: Ring) -> None:
        for step in ring.human.script:
            await self._do(ring, step)
            if ring.ended_at is not None:
                return

    async def _do(self, ring: Ring, step: Step) -> None:
        identity = ring.leg.identity
        if isinstance(step, Say):
            await self._utter(identity, step)
        elif isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Press):
            for i, digit in enumerate(step.digits):
                if i:
                    await asyncio.sleep(0.1)
                self._simulation.emit(KeyPressed(identity, digit))
        elif isinstance(step, WaitForSpeech):
            await self._listen(identity, step)
        elif isinstance(step, WaitForBridge):
            await self._simulation.joined(identity)
        elif isinstance(step, HangUp):
            self.end(ring, "the human hung up")

    async def _listen(self, identity: str, step: WaitForSpeech) -> None:
        tape, answered = self._simulation.tape, self._simulation.now
        deadline = answered + step.timeout
        while True:
            now = self._simulation.now
            until = tape.busy_until(identity)
            if until is None or until <= answered:
                if now >= deadline:
                    return
                event = tape.sounded(identity)
                event.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(event.wait(), deadline - now)
            elif now - until >= step.pause - 1e-9:
                return
            else:
                await asyncio.sleep(until + step.pause - now)


def _refused(address: str, code: int, phrase: str) -> DialFailed:
    status = TransferStatus.FAILED if code == 0 else status_for_sip(code)
    said = f"{code} {phrase}".strip()
    return DialFailed(
        f"{address} answered {said}", status=status, sip_code=code, sip_reason=phrase or None
    )
