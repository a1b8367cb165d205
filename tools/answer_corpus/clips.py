"""The clips: which class, said by whom, over which line, and when what was heard."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from livekit.agents import BuiltinAudioClip

from . import sounds
from .voices import RATE, Audio, Voice, choose, speak

FOLLOW = {
    "en": [
        "Yes, put them through, please.",
        "I am in a meeting, they can leave me a message, or call back later.",
        "Which company is it, and what is the number?",
        "Sure, go ahead.",
    ],
    "de": [
        "Ja, stellen Sie bitte durch.",
        "Ich bin gerade in einer Besprechung, er soll mir eine Nachricht schicken.",
        "Um welche Nummer geht es denn?",
        "Ja, gern.",
    ],
    "es": [
        "Sí, páseme la llamada.",
        "Estoy en una reunión, que me deje un mensaje o llame más tarde.",
        "¿De qué empresa es, y qué número tiene?",
        "Vale, adelante.",
    ],
    "fr": [
        "Oui, passez-le-moi.",
        "Je suis en réunion, qu'il me laisse un message ou rappelle plus tard.",
        "C'est quelle société, et quel est le numéro ?",
        "D'accord, allez-y.",
    ],
}


AGREES = (0, 3)
"""The replies that are a yes."""


@dataclass
class Clip:
    """One call, and what is known of it.

    Attributes:
        name: Of its file.
        kind: The class, or what it is a flow of.
        language: Of what is said.
        split: `"dev"` (for tuning) or `"held"` (wording that the detector was not tuned with).
        seconds: Its length.
        engine: Who spoke.
        words: Each with the second at which it ended, and the number of its utterance.
        ends: When each utterance ended.
        deciding: When what decides was over; None where nothing decides.
        expected: The classes that are true, from a second on.
        agrees: Whether a person agrees, after a while, to be connected.
    """

    name: str
    kind: str
    language: str
    split: str
    seconds: float = 0.0
    engine: str = ""
    words: list[tuple[str, float, int]] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    deciding: float | None = None
    expected: list[tuple[float, str]] = field(default_factory=list)
    agrees: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it for a file."""
        return asdict(self)


class Line:
    """A call that is put together, piece by piece."""

    def __init__(self, clip: Clip, chance: random.Random, cache: Path) -> None:
        self.clip, self.chance, self.cache = clip, chance, cache
        self.parts: list[Audio] = []
        self.voice: Voice = choose(clip.language, chance)

    @property
    def now(self) -> float:
        """Seconds that are there."""
        return sum(map(len, self.parts)) / RATE

    def wait(self, low: float, high: float) -> None:
        """Add silence."""
        self.parts.append(sounds.silence(self.chance.uniform(low, high)))

    def add(self, samples: Audio) -> None:
        """Add a sound."""
        self.parts.append(samples)

    def say(self, text: str) -> None:
        """Speak a line with its marks: / pauses, | ends what decides, ~beep~ and ~sit~ sound."""
        for piece in re.split(r"(/|~\w+~)", text):
            if piece == "/":
                long = self.chance.random() < 0.05
                self.wait(0.6, 0.9) if long else self.wait(0.2, 0.6)
            elif piece == "~beep~":
                self.wait(0.3, 1.2)
                self.add(sounds.beep(self.chance))
            elif piece == "~sit~":
                self.add(sounds.sit(self.chance))
                self._decided()
                self.wait(0.1, 0.3)
            elif piece.strip(" |"):
                self._clause(piece.strip())
            elif "|" in piece:
                self._decided()

    def _decided(self) -> None:
        if self.clip.deciding is None:
            self.clip.deciding = self.now

    def _clause(self, text: str) -> None:
        before = text.partition("|")[0]
        spoken = text.replace("|", "")
        samples = speak(self.voice, spoken, self.cache)
        begin, length = self.now, len(samples) / RATE
        self.add(samples)
        words: list[str] = re.findall(r"[\w'’]+", spoken)
        weights = np.cumsum([len(word) + 2 for word in words])
        utterance = len(self.clip.ends)
        for word, weight in zip(words, weights, strict=True):
            end = begin + length * float(weight) / float(weights[-1])
            self.clip.words.append((word, round(end, 3), utterance))
        self.clip.ends.append(round(self.now, 3))
        if "|" in text and self.clip.deciding is None:
            spoken_before = len(re.findall(r"[\w'’]+", before))
            self.clip.deciding = begin + length * float(weights[spoken_before - 1] / weights[-1])

    def finish(self) -> Audio:
        """Return the call as it arrives: with noise, through a codec, with packets lost."""
        chance = self.chance
        samples = np.concatenate(self.parts)
        loud = samples[np.abs(samples) > 0.01]
        level = float(np.sqrt((loud**2).mean())) if len(loud) else 0.1
        wanted = 10 ** (-chance.uniform(16, 28) / 20)
        power = wanted * 10 ** (-chance.uniform(12, 36) / 20)
        samples = samples * (wanted / level)
        samples = samples + power * sounds.noise(chance, len(samples))
        samples = sounds.with_loss(sounds.through_codec(samples), chance, chance.uniform(0, 0.03))
        self.clip.seconds, self.clip.engine = round(self.now, 3), self.voice.engine
        if self.clip.deciding is not None:
            self.clip.deciding = round(self.clip.deciding, 3)
        return np.clip(samples, -1, 1)


def filled(text: str, lines: dict[str, Any], chance: random.Random) -> str:
    """Return `text` with a name, a firm, a number."""
    return text.format(
        name=chance.choice(lines["names"]),
        firm=chance.choice(lines["firms"]),
        number=chance.choice(lines["numbers"]),
    )


def spoken(line: Line, text: str) -> None:
    """Make a call of one of the classes that speak."""
    line.wait(0.1, 1.2)
    begin = line.now
    line.say(text)
    if line.clip.deciding is None:
        line.clip.deciding = line.clip.ends[0]
    line.clip.expected = [(begin, line.clip.kind)]
    if line.clip.kind == "person" and line.chance.random() < 0.5:
        line.wait(1.2, 3.0)
        reply = line.chance.randrange(len(FOLLOW[line.clip.language]))
        line.clip.agrees = reply in AGREES
        line.say(FOLLOW[line.clip.language][reply])
    line.wait(2.0, 2.5)


def rung(line: Line, index: int) -> float:
    """Make a call that still rings; return the seconds of its last off time."""
    rings = sounds.RINGS[line.clip.language]
    pitches, times = rings[index % len(rings)]
    line.wait(0.05, 0.8)
    begin = line.now
    double = len(times) == 4
    line.clip.deciding = begin + (sum(times[:3]) if double else times[0])
    line.clip.expected = [(begin, "ringback")]
    line.add(sounds.cadence(pitches, times, line.chance.randrange(1, 4) * sum(times)))
    return times[-1]


def network_tone(line: Line, index: int) -> None:
    """Make a call that is busy, or a fax."""
    line.wait(0.1, 0.8)
    begin = line.now
    if index % 3 == 2:
        line.add(sounds.fax(line.chance, 5.0))
        line.clip.deciding = begin + 1.3
    else:
        busy = sounds.BUSY[line.clip.language]
        pitches, times = busy[index % len(busy)]
        line.clip.deciding = begin + 2 * sum(times)
        line.add(sounds.cadence(pitches, times, 5.0))
    line.clip.expected = [(begin, "announcement")]
    line.wait(1.0, 1.5)


def undecided(line: Line, index: int) -> None:
    """Make a call in which nothing tells who is there."""
    chance, seconds = line.chance, line.chance.uniform(6, 12)
    line.wait(0.1, 0.8)
    line.clip.expected = [(0.0, "unknown")]
    match index % 10:
        case 0 | 1 | 2 | 3:
            line.add(sounds.music(chance, seconds))
        case 4 | 5:
            line.add(sounds.recorded(BuiltinAudioClip.HOLD_MUSIC, chance, seconds))
        case 6:
            ambience = sounds.recorded(BuiltinAudioClip.OFFICE_AMBIENCE, chance, seconds)
            line.add(ambience * 0.15)
        case 7:
            line.add(sounds.keys(chance, seconds))
        case 8:
            line.add(sounds.clicks(chance, seconds))
        case _:
            line.wait(seconds, seconds)


def flow(line: Line, lines: dict[str, Any], index: int, split: str) -> None:
    """Make a call in which one thing follows another."""
    chance = line.chance
    person = filled(chance.choice(lines["person"][split]), lines, chance)
    match index % 3:
        case 0:
            line.clip.kind = "ringback, person"
            rung(line, index)
        case 1:
            line.clip.kind = "screening, person"
            line.wait(0.1, 0.8)
            line.clip.expected = [(line.now, "screening")]
            line.say(filled(chance.choice(lines["screening"][split]), lines, chance))
            line.wait(4.0, 9.0)
            line.voice = choose(line.clip.language, chance)
        case _:
            line.clip.kind = "music, person"
            line.clip.expected = [(0.0, "unknown")]
            line.add(sounds.music(chance, chance.uniform(4, 8)))
            line.wait(0.2, 0.6)
    line.clip.deciding = None
    begin, first = line.now, len(line.clip.ends)
    line.say(person)
    line.clip.deciding = line.clip.ends[first]
    line.clip.expected.append((begin, "person"))
    line.wait(2.0, 2.5)
