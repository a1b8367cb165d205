"""Makes the speech clips of `livetransfer demo` from its lines, with espeak-ng and sox.

Run it after a change of `src/livetransfer/_cli/data/lines.json`:

    apt-get install espeak-ng sox
    python tools/make_clips.py
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Audio = npt.NDArray[np.float64]

DATA = Path(__file__).parent.parent / "src" / "livetransfer" / "_cli" / "data"
RATE = 24000
LOUDNESS = -19.0
"""RMS of the speech, without its pauses, in dBFS."""
PEAK = 0.6
MARGIN = 0.02
"""Seconds of near silence that are left at both ends."""

VOICES = {
    # voice, pitch, words in a minute, and what sox does to the sound: the two people are on the
    # phone and sound like it, the AI speaks in wideband.
    "caller": ("en-us+f2", 60, 158, "sinc 250-3600"),
    "ai": ("en-us+Gene2", 70, 164, "sinc 80-8000"),
    "human": ("en-gb-x-rp+m3", 30, 164, "sinc 220-3600"),
}
SPOKEN = {r"\b4217\b": "four two one seven"}
"""What is written in figures for the eye, and what is said."""


def speak(who: str, text: str, folder: Path) -> Audio:
    """Return what `who` sounds like saying `text`: float, mono, at `RATE`."""
    voice, pitch, speed, effect = VOICES[who]
    for written, said in SPOKEN.items():
        text = re.sub(written, said, text)
    raw, shaped = folder / "raw.wav", folder / "shaped.wav"
    subprocess.run(
        ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(raw), text],
        check=True,
    )
    subprocess.run(
        [
            "sox",
            "-v",
            "0.5",
            str(raw),
            "-b",
            "24",
            str(shaped),
            *effect.split(),
            "rate",
            "-v",
            str(RATE),
        ],
        check=True,
    )
    samples: Audio = soundfile.read(str(shaped), dtype="float64")[0]
    return samples


def beep(seconds: float = 0.5, pitch: float = 1000.0) -> Audio:
    """Return the tone of an answering machine."""
    t = np.arange(round(seconds * RATE)) / RATE
    edge = np.minimum(1.0, np.minimum(t, seconds - t) / 0.01)
    tone: Audio = 0.15 * edge * np.sin(2 * np.pi * pitch * t)
    return tone


def trimmed(samples: Audio) -> Audio:
    """Cut silence off both ends, and fade what is left in and out."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    margin = round(MARGIN * RATE)
    kept: Audio = samples[max(0, loud[0] - margin) : loud[-1] + margin].copy()
    ramp = np.linspace(0.0, 1.0, margin)
    kept[:margin] *= ramp
    kept[-margin:] *= ramp[::-1]
    return kept


def leveled(samples: Audio) -> Audio:
    """Bring speech to `LOUDNESS`, its peaks rounded off below `PEAK`."""
    window = RATE // 50
    frames = samples[: len(samples) // window * window].reshape(-1, window)
    power = (frames**2).mean(axis=1)
    spoken = power[power > power.max() / 1000]
    gain = 10 ** (LOUDNESS / 20) / np.sqrt(spoken.mean())
    rounded: Audio = PEAK * np.tanh(samples * gain / PEAK)
    return rounded


def main() -> None:
    """Make every clip anew."""
    lines: dict[str, str] = json.loads((DATA / "lines.json").read_text())
    clips = DATA / "clips"
    for old in clips.glob("*.ogg"):
        old.unlink()
    total, seconds = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, text in lines.items():
            who = name.split(".")[0]
            samples = leveled(trimmed(speak(who, text, Path(folder))))
            if name == "human.voicemail":
                samples = np.concatenate([samples, np.zeros(RATE // 2), beep()])
            path = clips / f"{name}.ogg"
            with soundfile.SoundFile(
                str(path), "w", RATE, 1, format="OGG", subtype="OPUS", compression_level=0.93
            ) as file:
                file.write(samples)
            total += path.stat().st_size
            seconds += len(samples) / RATE
    print(f"{len(lines)} clips, {seconds:.0f} s, {total / 1000:.0f} kB in {clips}")


if __name__ == "__main__":
    main()
