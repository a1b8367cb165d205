"""What is said in the demo: every line, who says it, and the clip of it."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile

__all__ = ["RATE", "Line", "Samples", "Who", "data", "lines"]

Who = Literal["caller", "ai", "human"]
Samples = npt.NDArray[np.int16]

RATE = 24000
"""Samples per second of every clip, in Hz."""


@dataclass(frozen=True)
class Line:
    """A line of the demo.

    Attributes:
        name: As in `data/lines.json`.
        text: The words.
    """

    name: str
    text: str

    @property
    def who(self) -> Who:
        """Who says it."""
        who = self.name.split(".")[0]
        assert who in ("caller", "ai", "human")
        return who  # type: ignore[return-value]

    @property
    def samples(self) -> Samples:
        """Its clip: int16, mono, at `RATE`."""
        return _decoded(self.name)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.samples) / RATE


@functools.cache
def lines() -> dict[str, Line]:
    """Return every line, by its name."""
    texts = json.loads(data("lines.json").decode())
    return {name: Line(name, text) for name, text in texts.items()}


def data(name: str) -> bytes:
    """Return a file of the demo's data."""
    return (files(__package__) / "data" / name).read_bytes()


@functools.cache
def _decoded(name: str) -> Samples:
    samples, rate = soundfile.read(BytesIO(data(f"clips/{name}.ogg")), dtype="int16")
    assert rate == RATE
    found: Samples = samples
    found.flags.writeable = False
    return found
