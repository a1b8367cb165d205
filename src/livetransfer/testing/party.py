"""A party of a simulated call: what it says, and what reached its ears."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import soundfile

from livetransfer.control import KeyPressed

from .checks import check_keys
from .exchange import Exchange
from .parties import Say
from .sounds import RATE, Samples, mono, speech_seconds
from .tape import Heard

__all__ = ["Party"]

_INTERRUPTS_AFTER = 0.5
"""Seconds of speech after which an AI that may be interrupted stops (the SDK's default)."""

_INTERIM = 0.5
"""Seconds between two times that what has been said so far is told."""
_LATE = 0.3
"""Seconds that words are told late."""


class Party:
    """Somebody in the call, and what reached their ears.

    Times are in seconds since the simulation began.

    Attributes:
        name: What this party is called as the source of what others hear.
        address: Its number.
        keys: What was pressed towards this party, over all its calls.
    """

    def __init__(self, simulation: Exchange, name: str, address: str, pitch: float) -> None:
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

    async def says(
        self, text: str, *, audio: Any = None, rate: int = RATE, seconds: float | None = None
    ) -> None:
        """Say something, and return when it is said; see `Say`. Who is gone says nothing.

        An AI that listens gets the words at the end, and stops talking at the start if it may be
        interrupted; one that speaks without letting itself be interrupted does not hear them.
        """
        identity = self._here()
        if identity is not None:
            await self._utter(identity, Say(text, audio, rate, seconds))

    async def _words_so_far(self, identity: str, text: str, begun: float, seconds: float) -> None:
        """Let the AI know what has been said, a little late, as a speech recognition does."""
        while seconds - begun > _INTERIM:
            await asyncio.sleep(_INTERIM)
            begun += _INTERIM
            said = text[: int(len(text) * max(0.0, begun - _LATE) / seconds)].rpartition(" ")[0]
            ear = self._simulation.ear(identity)
            if said and ear is not None and self._here() == identity:
                ear.hear_part(said)
        await asyncio.sleep(seconds - begun)

    async def _utter(self, identity: str, say: Say) -> None:
        simulation = self._simulation
        samples = None if say.audio is None else mono(say.audio)
        if samples is not None:
            seconds = len(samples) / say.rate
        else:
            seconds = speech_seconds(say.text) if say.seconds is None else say.seconds
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
        await self._words_so_far(identity, say.text, first, seconds)
        ear = simulation.ear(identity)
        if ear is not None and self._here() == identity and not (deaf and ear.deaf):
            ear.listen(say.text)

    def press(self, digits: str) -> None:
        """Press keys now, one after the other; nothing happens if the party is gone."""
        check_keys("digits", digits)
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
