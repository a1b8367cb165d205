"""Free voices: espeak-ng, SVOX Pico and flite, and what they say at 8 kHz."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Audio = npt.NDArray[np.float64]

RATE = 8000
ESPEAK = {"en": ("en-us", "en-gb", "en-gb-scotland"), "de": ("de",), "es": ("es", "es-419")}
ESPEAK["fr"] = ("fr-fr", "fr-be", "fr-ch")
VARIANTS = ("m1", "m3", "m4", "m7", "f1", "f2", "f4", "f5", "Gene2", "Annie", "Andy", "linda")
PICO = {"en": ("en-US", "en-GB"), "de": ("de-DE",), "es": ("es-ES",), "fr": ("fr-FR",)}
FLITE = ("slt", "rms", "awb", "kal16")


@dataclass(frozen=True)
class Voice:
    """One voice of one program, with its own pitch and pace."""

    engine: str
    name: str
    pitch: int
    pace: int


def missing() -> list[str]:
    """Return the programs that are not there."""
    needed = {"espeak-ng": "espeak-ng", "pico2wave": "libttspico-utils", "flite": "flite"}
    return [package for program, package in needed.items() if shutil.which(program) is None]


def choose(language: str, chance: random.Random) -> Voice:
    """Return a voice of `language`: half of them espeak-ng's, the others of another program."""
    if chance.random() < 0.5:
        name = f"{chance.choice(ESPEAK[language])}+{chance.choice(VARIANTS)}"
        return Voice("espeak", name, chance.randrange(25, 75), chance.randrange(140, 185))
    if language == "en" and chance.random() < 0.6:
        return Voice("flite", chance.choice(FLITE), 0, chance.randrange(90, 115))
    name = chance.choice(PICO[language])
    return Voice("pico", name, chance.randrange(65, 135, 5), chance.randrange(85, 125, 5))


def speak(voice: Voice, text: str, cache: Path) -> Audio:
    """Return what `voice` sounds like saying `text`: 8 kHz, silence cut off its ends."""
    key = hashlib.sha256(f"{voice}|{text}".encode()).hexdigest()[:20]
    kept = cache / f"{key}.wav"
    if not kept.exists():
        samples = _trimmed(_synthesise(voice, text))
        made = cache / f"{key}.{threading.get_ident()}.wav"
        soundfile.write(str(made), samples, RATE, subtype="PCM_16")
        made.replace(kept)
    found: Audio = soundfile.read(str(kept), dtype="float64")[0]
    return found


def _synthesise(voice: Voice, text: str) -> Audio:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "said.wav")
        if voice.engine == "espeak":
            command = ["espeak-ng", "-v", voice.name, "-p", str(voice.pitch)]
            command += ["-s", str(voice.pace), "-w", path, text]
        elif voice.engine == "flite":
            stretch = f"duration_stretch={100 / voice.pace:.2f}"
            command = ["flite", "-voice", voice.name, "--setf", stretch, "-t", text, "-o", path]
        else:
            tags = f'<pitch level="{voice.pitch}"><speed level="{voice.pace}">'
            command = ["pico2wave", "-l", voice.name, "-w", path]
            command += [f"{tags}{text}</speed></pitch>"]
        subprocess.run(command, check=True, capture_output=True)
        samples, rate = soundfile.read(path, dtype="float64")
    return at_phone_rate(samples, rate)


def at_phone_rate(samples: Audio, rate: int) -> Audio:
    """Return `samples` at 8 kHz, with the band of a telephone (300 to 3400 Hz)."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    spectrum[(frequencies < 250) | (frequencies > 3450)] = 0
    wanted = round(len(samples) * RATE / rate)
    bins = wanted // 2 + 1
    spectrum = np.pad(spectrum, (0, max(0, bins - len(spectrum))))[:bins]
    resampled: Audio = np.fft.irfft(spectrum, wanted) * (wanted / len(samples))
    return resampled


def _trimmed(samples: Audio) -> Audio:
    peak = np.abs(samples).max(initial=0.0)
    if peak == 0.0:
        raise RuntimeError("a voice said nothing")
    samples = samples * (0.5 / peak)
    # 25 dB below the peak: what is fainter at the ends is a breath, and lost in the noise.
    loud = np.flatnonzero(np.abs(samples) > 0.028)
    kept: Audio = samples[max(0, loud[0] - 80) : loud[-1] + 160]
    return kept
