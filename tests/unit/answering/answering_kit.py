"""Sounds and sessions for the tests of what has answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from livekit import rtc

from livetransfer.answering import AnswerSession

Audio = npt.NDArray[np.float64]

DATA = Path(__file__).parent / "data"


def clips() -> list[dict[str, Any]]:
    """Return what the small clips in `data` are: made by tools/make_answer_corpus.py."""
    return [json.loads(line) for line in (DATA / "clips.jsonl").read_text("utf-8").splitlines()]


def tone(pitches: Sequence[float], seconds: float, rate: int = 8000, level: float = 0.1) -> Audio:
    """Return pitches that sound together."""
    t = np.arange(round(seconds * rate)) / rate
    total: Audio = sum((np.sin(2 * np.pi * p * t) for p in pitches), np.zeros(len(t)))
    return level * total


def silence(seconds: float, rate: int = 8000) -> Audio:
    """Return nothing."""
    return np.zeros(round(seconds * rate))


def cadence(pitches: Sequence[float], times: Sequence[float], seconds: float) -> Audio:
    """Return a tone that comes and goes: `times` are on, off, on, off."""
    parts: list[Audio] = []
    while sum(map(len, parts)) < seconds * 8000:
        for index, length in enumerate(times):
            parts.append(tone(pitches, length) if index % 2 == 0 else silence(length))
    return np.concatenate(parts)[: round(seconds * 8000)]


def voice(seconds: float, rate: int = 8000, seed: int = 1) -> Audio:
    """Return what has the rhythm of a voice: syllables with a gliding pitch, hisses, short gaps."""
    source = np.random.default_rng(seed)
    out: list[Audio] = []
    while sum(map(len, out)) < seconds * rate:
        length = round(source.uniform(0.1, 0.2) * rate)
        t = np.arange(length) / rate
        pitch = source.uniform(110, 170) * (1 + source.uniform(-1.5, 1.5) * t)
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        formants = source.uniform(300, 900), source.uniform(1000, 2400)
        vowel = np.zeros(length)
        for h in range(2, 22):
            weight = sum(np.exp(-(((h * 140 - f) / 180) ** 2)) for f in formants) + 0.03
            vowel += weight * np.sin(h * phase)
        out.append(0.08 * np.hanning(length) * vowel)
        out.append(source.normal(0, 0.01, round(source.uniform(0.02, 0.06) * rate)))
        out.append(silence(source.uniform(0.02, 0.08), rate))
    joined: Audio = np.concatenate(out)[: round(seconds * rate)]
    return joined


def noisy(samples: Audio, level: float = 0.001, seed: int = 2) -> Audio:
    """Return `samples` with the noise of a line."""
    made: Audio = samples + np.random.default_rng(seed).normal(0, level, len(samples))
    return made


def frames(samples: Audio, rate: int = 8000, seconds: float = 0.02) -> Iterable[rtc.AudioFrame]:
    """Cut `samples` into frames."""
    whole = np.clip(samples * 32767, -32768, 32767).astype(np.int16)
    step = round(rate * seconds)
    for begin in range(0, len(whole) - step + 1, step):
        yield rtc.AudioFrame(whole[begin : begin + step].tobytes(), rate, 1, step)


def hear(session: AnswerSession, samples: Audio, rate: int = 8000, seconds: float = 0.02) -> None:
    """Push a sound."""
    for frame in frames(samples, rate, seconds):
        session.push_frame(frame)


def recorded(clip: dict[str, Any]) -> Audio:
    """Return a small clip at 8 kHz."""
    samples, rate = soundfile.read(str(DATA / f"{clip['name']}.ogg"), dtype="float64")
    assert rate == 8000
    heard: Audio = samples
    return heard


def play(session: AnswerSession, clip: dict[str, Any]) -> None:
    """Push a clip with its words, each 0.3 s after its end, none of them wrong."""
    said: dict[int, list[str]] = {}
    words = [(end + 0.3, word, utterance) for word, end, utterance in clip["words"]]
    now = 0.0
    for frame in frames(recorded(clip)):
        now += 0.02
        session.push_frame(frame)
        while words and words[0][0] <= now:
            _, word, utterance = words.pop(0)
            said.setdefault(utterance, []).append(word)
            final = not words or words[0][2] != utterance
            session.push_transcript(" ".join(said[utterance]), final=final)


def classes(session: AnswerSession) -> list[str]:
    """Return each class that was the verdict, in order."""
    found = [verdict.answered_by.value for verdict in session.changes]
    return [one for index, one in enumerate(found) if index == 0 or found[index - 1] != one]
