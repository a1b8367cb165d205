"""What a line sounds like without a voice: tones of many networks, music, noise, codec and loss."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import soundfile
from livekit.agents import BuiltinAudioClip

from .voices import RATE, Audio, at_phone_rate

RINGS: dict[str, list[tuple[Sequence[float], Sequence[float]]]] = {
    # pitches in Hz, then seconds on, off, on, off ... of one period (ITU-T E.180, by country)
    "en": [
        ((440, 480), (2.0, 4.0)),  # United States, Canada
        ((400, 450), (0.4, 0.2, 0.4, 2.0)),  # United Kingdom, Ireland
        ((400, 425, 450), (0.4, 0.2, 0.4, 2.0)),  # Australia
        ((400, 450), (0.4, 0.2, 0.4, 2.0)),  # New Zealand
        ((425,), (0.4, 0.2, 0.4, 2.0)),  # India, Singapore
        ((425,), (1.0, 4.0)),  # mobile networks
    ],
    "de": [((425,), (1.0, 4.0)), ((420,), (1.0, 5.0)), ((425,), (1.0, 4.0)), ((425,), (0.9, 4.1))],
    "es": [
        ((425,), (1.5, 3.0)),  # Spain
        ((425,), (1.0, 4.0)),  # Mexico
        ((425,), (1.0, 4.5)),  # Argentina
        ((400,), (1.0, 3.0)),  # Chile
        ((425,), (0.8, 3.2)),  # others
    ],
    "fr": [
        ((440,), (1.5, 3.5)),  # France
        ((425,), (1.0, 3.0)),  # Belgium
        ((440, 480), (2.0, 4.0)),  # Quebec
        ((425,), (1.7, 3.3)),  # North Africa
    ],
}
BUSY: dict[str, list[tuple[Sequence[float], Sequence[float]]]] = {
    "en": [((480, 620), (0.5, 0.5)), ((400,), (0.375, 0.375)), ((480, 620), (0.25, 0.25))],
    "de": [((425,), (0.48, 0.48)), ((425,), (0.24, 0.24)), ((420,), (0.4, 0.4))],
    "es": [((425,), (0.2, 0.2)), ((425,), (0.25, 0.25)), ((425,), (0.3, 0.2))],
    "fr": [((440,), (0.5, 0.5)), ((425,), (0.5, 0.5)), ((480, 620), (0.5, 0.5))],
}


def silence(seconds: float) -> Audio:
    """Return nothing."""
    return np.zeros(round(seconds * RATE))


def tone(pitches: Sequence[float], seconds: float, level: float = 0.12) -> Audio:
    """Return pitches that sound together, their ends a little rounded."""
    t = np.arange(round(seconds * RATE)) / RATE
    edge = np.minimum(1.0, np.minimum(t, seconds - t) / 0.004)
    total: Audio = sum((np.sin(2 * np.pi * p * t) for p in pitches), np.zeros(len(t)))
    made: Audio = level * edge * total / np.sqrt(len(pitches))
    return made


def cadence(pitches: Sequence[float], times: Sequence[float], seconds: float) -> Audio:
    """Return a tone that comes and goes, for `seconds`."""
    parts: list[Audio] = []
    done, index = 0.0, 0
    while done < seconds:
        length = min(times[index % len(times)], seconds - done)
        on = index % 2 == 0 and length > 0.01
        parts.append(tone(pitches, length) if on else silence(length))
        done, index = done + length, index + 1
    return np.concatenate(parts)


def sit(chance: random.Random) -> Audio:
    """Return three rising tones, as before an announcement of the network."""
    first = chance.choice((913.8, 985.2, 950.0))
    second = chance.choice((1370.6, 1428.5, 1400.0))
    third = chance.choice((1776.7, 1800.0))
    lengths = [chance.choice((0.276, 0.38, 0.33)) for _ in range(2)] + [0.38]
    parts = [tone([p], s) for p, s in zip((first, second, third), lengths, strict=True)]
    return np.concatenate([part for p in parts for part in (p, silence(0.03))])


def beep(chance: random.Random) -> Audio:
    """Return the beep of a mailbox."""
    pitch = chance.choice((440, 600, 850, 1000, 1000, 1000, 1200, 1400, 1600))
    return tone([pitch], chance.uniform(0.2, 0.9), chance.uniform(0.06, 0.2))


def fax(chance: random.Random, seconds: float) -> Audio:
    """Return what a fax machine says that is called, or calls."""
    if chance.random() < 0.5:
        return np.concatenate([silence(0.8), tone([2100], 3.0), silence(max(0.1, seconds - 3.8))])
    return cadence([1100], (0.5, 3.0), seconds)


def keys(chance: random.Random, seconds: float) -> Audio:
    """Return keys that somebody presses."""
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477)
    parts = [silence(0.8)]
    while sum(map(len, parts)) < seconds * RATE:
        pressed = [chance.choice(rows), chance.choice(columns)]
        parts += [tone(pressed, chance.uniform(0.08, 0.3)), silence(chance.uniform(0.3, 1.5))]
    return np.concatenate(parts)[: round(seconds * RATE)]


def recorded(clip: BuiltinAudioClip, chance: random.Random, seconds: float) -> Audio:
    """Return a piece of a clip that comes with livekit-agents."""
    samples, rate = soundfile.read(clip.path(), dtype="float64", always_2d=True)
    wanted = round(seconds * rate)
    mono = np.tile(samples.mean(axis=1), 1 + wanted // len(samples))
    begin = chance.randrange(0, max(1, len(mono) - wanted))
    piece = at_phone_rate(mono[begin : begin + wanted], rate)
    made: Audio = piece * (0.35 / max(1e-6, np.abs(piece).max()))
    return made


def music(chance: random.Random, seconds: float) -> Audio:
    """Return a tune: a bass, chords that change, a melody, and sometimes a drum."""
    beat = chance.uniform(0.3, 0.6)
    root = chance.uniform(110, 220)
    chords = [chance.choice(((0, 4, 7), (0, 3, 7), (5, 9, 12), (7, 11, 14))) for _ in range(4)]
    drum = chance.random() < 0.5
    noise = np.random.default_rng(chance.randrange(2**32))
    out = np.zeros(round(seconds * RATE) + 4 * RATE)
    for index in range(int(seconds / beat) + 1):
        at = round(index * beat * RATE)
        chord = chords[index // 4 % 4]
        melody = chord[chance.randrange(3)] + 12
        for step, level in ((melody, 0.5), *((s, 0.2) for s in chord), (chord[0] - 12, 0.5)):
            length = beat * chance.choice((1, 1, 2))
            t = np.arange(round(length * RATE)) / RATE
            pitch = root * 2 ** (step / 12)
            note = sum(np.sin(2 * np.pi * pitch * h * t) / h for h in (1, 2, 3))
            out[at : at + len(t)] += level * np.exp(-t * 2.0) * note
        if drum:
            hit = noise.normal(0, 0.4, RATE // 20) * np.linspace(1, 0, RATE // 20)
            out[at : at + len(hit)] += hit
    out = at_phone_rate(out[: round(seconds * RATE)], RATE)
    made: Audio = out * (0.4 / np.abs(out).max())
    return made


def clicks(chance: random.Random, seconds: float) -> Audio:
    """Return a line that crackles."""
    out = silence(seconds)
    for _ in range(int(seconds * 3)):
        at = chance.randrange(len(out) - 40)
        out[at : at + chance.randrange(4, 40)] += chance.uniform(-0.4, 0.4)
    lost: Audio = out
    return lost


def noise(chance: random.Random, length: int) -> Audio:
    """Return noise of an average power of one, white to brown."""
    source = np.random.default_rng(chance.randrange(2**32))
    spectrum = np.fft.rfft(source.normal(0, 1, length))
    shape = np.fft.rfftfreq(length, 1 / RATE)
    spectrum /= np.maximum(shape, 100.0) ** chance.choice((0.0, 0.5, 1.0))
    raw = np.fft.irfft(spectrum, length)
    made: Audio = raw / max(1e-9, float(np.sqrt((raw**2).mean())))
    return made


def through_codec(samples: Audio) -> Audio:
    """Return `samples` as G.711 mu-law leaves them."""
    mu = 255.0
    limited = np.clip(samples, -1, 1)
    coded = np.sign(limited) * np.log1p(mu * np.abs(limited)) / np.log1p(mu)
    coded = np.round(coded * 127) / 127
    decoded: Audio = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(mu)) / mu
    return decoded


def with_loss(samples: Audio, chance: random.Random, share: float) -> Audio:
    """Return `samples` without a `share` of its packets of 20 ms, hidden as a phone hides them."""
    packet = RATE // 50
    out = samples.copy()
    burst = 0
    for begin in range(packet, len(out) - packet, packet):
        if burst == 0 and chance.random() < share / 1.5:
            burst = chance.choice((1, 1, 1, 3))
        if burst:
            burst -= 1
            hide = chance.random() < 0.5
            out[begin : begin + packet] = 0.7 * out[begin - packet : begin] if hide else 0.0
    lost: Audio = out
    return lost
