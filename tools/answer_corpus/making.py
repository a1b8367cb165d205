"""Making: all clips of a corpus, several at a time, and the file that says what is in them."""

from __future__ import annotations

import json
import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import soundfile

from . import clips, voices

__all__ = ["CLASSES", "LANGUAGES", "SPLITS", "make"]

LANGUAGES = ("en", "de", "es", "fr")
CLASSES = ("person", "screening", "ivr", "voicemail", "announcement", "ringback", "unknown")
SPLITS = ("dev", "held")
TEXTS = Path(__file__).parent
FLOWS = 12
"""Of each language and split: calls in which one thing follows another."""


def make_one(job: tuple[str, str, str, int], folder: Path) -> clips.Clip:
    """Make one clip and write it."""
    kind, language, split, index = job
    chance = random.Random(zlib.crc32(repr(job).encode()))
    lines: dict[str, Any] = json.loads((TEXTS / f"{language}.json").read_text())
    clip = clips.Clip(f"{language}-{split}-{kind}-{index:03}", kind, language, split)
    line = clips.Line(clip, chance, folder / "said")
    if kind == "flow":
        clips.flow(line, lines, index, split)
    elif kind == "ringback":
        clips.rung(line, index)
    elif kind == "unknown":
        clips.undecided(line, index)
    elif kind == "announcement" and index % 6 == 5:
        clips.network_tone(line, index // 6)
    else:
        texts = lines[kind][split]
        clips.spoken(line, clips.filled(texts[index % len(texts)], lines, chance))
    path = str(folder / f"{clip.name}.wav")
    soundfile.write(path, line.finish(), voices.RATE, subtype="ULAW")
    return clip


def make(folder: Path, per_class: int, languages: tuple[str, ...]) -> list[clips.Clip]:
    """Make the corpus and return its clips.

    Args:
        folder: Where it is written.
        per_class: How many calls are held out, of each class and language; for tuning there are
            half as many.
        languages: Some of `LANGUAGES`.
    """
    (folder / "said").mkdir(parents=True, exist_ok=True)
    jobs = [
        (kind, language, split, index)
        for language in languages
        for split in SPLITS
        for kind in (*CLASSES, "flow")
        for index in range(
            FLOWS if kind == "flow" else per_class if split == "held" else per_class // 2
        )
    ]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda job: make_one(job, folder), jobs))
    lines = [json.dumps(clip.as_dict(), ensure_ascii=False) for clip in made]
    (folder / "clips.jsonl").write_text("\n".join(lines) + "\n")
    return made
