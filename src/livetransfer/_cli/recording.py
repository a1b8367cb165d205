"""What a rehearsal leaves behind: who spoke, who heard what, in which phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .lines import Samples, Who

__all__ = [
    "EARS",
    "Heard",
    "Moment",
    "Recording",
    "Source",
    "Span",
    "Stage",
    "Table",
    "Utterance",
    "gaps",
]

Source = Literal["caller", "ai", "human", "music"]
EARS: tuple[Who, ...] = ("caller", "ai", "human")


@dataclass(frozen=True)
class Span:
    """A stretch of time, in seconds since the call began."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


@dataclass(frozen=True)
class Stage(Span):
    """A phase of the transfer, or the time with the AI before and after it.

    Attributes:
        name: The phase; `"with the AI"` outside of the transfer.
        note: What that means, in a few words.
    """

    name: str
    note: str


@dataclass(frozen=True)
class Utterance(Span):
    """Something that was said.

    Attributes:
        who: Who said it.
        to: Who could hear it.
        text: The words that were spoken.
    """

    who: Who
    to: tuple[Who, ...]
    text: str


@dataclass(frozen=True)
class Heard(Span):
    """A stretch that one party heard without a pause of note.

    Attributes:
        source: What it was.
    """

    source: Source


@dataclass(frozen=True)
class Moment:
    """Something that happened.

    Attributes:
        at: When, in seconds since the call began.
        text: What, in a few words.
    """

    at: float
    text: str


@dataclass(frozen=True)
class Table:
    """More of what is known, in words.

    Attributes:
        title: What it shows.
        heads: Of its columns.
        rows: Their cells; a number in the first is a time, in seconds since the call began.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str | float]]


@dataclass(frozen=True)
class Recording:
    """One call, rehearsed or real.

    Attributes:
        title: What it shows.
        seconds: How long it took.
        stages: What the transfer did, one after the other.
        said: Every utterance, by its start.
        moments: What happened on the telephone line.
        heard: What reached each party's ears. The AI's are open where it listens.
        present: When each party was on the line.
        listening: When the AI listened, and to whom.
        audio: What each heard, as samples: int16, mono, 24000 Hz, `seconds` long. Of a real call
            it may be known of nobody.
        told: What happened, in two sentences.
        figures: The numbers that sum it up: what, and how much.
        about: What the page says about itself.
        kicker: What the page belongs to.
        human: What the human is called.
        tables: More of what is known.
    """

    title: str
    seconds: float
    stages: Sequence[Stage]
    said: Sequence[Utterance]
    moments: Sequence[Moment]
    heard: Mapping[Who, Sequence[Heard]]
    present: Mapping[Who, Sequence[Span]]
    listening: Mapping[Who, Sequence[Span]]
    audio: Mapping[Who, Samples]
    told: str = ""
    figures: Sequence[tuple[str, str]] = ()
    about: str = ""
    kicker: str = "livetransfer"
    human: str = "the human"
    tables: Sequence[Table] = ()

    def stage(self, name: str) -> Stage | None:
        """Return the first stage of that name."""
        return next((stage for stage in self.stages if stage.name == name), None)

    @property
    def hold(self) -> Span | None:
        """From the end of the announcement until a voice is there again."""
        after = ("with the AI", "announcing")
        held = [s for s in self.stages if s.name not in (*after, "bridged", "back with the AI")]
        if not held:
            return None
        end = next((s.start for s in self.stages if s.name == "bridged"), None)
        if end is None:
            voices = [h.start for h in self.heard["caller"] if h.source == "ai"]
            end = min((at for at in voices if at > held[-1].start), default=held[-1].end)
        return Span(held[0].start, end)

    @property
    def silence_on_hold(self) -> float:
        """The longest time, in seconds, that the caller heard nothing while on hold."""
        hold = self.hold
        return 0.0 if hold is None else max(gaps(self.heard["caller"], hold), default=0.0)


def gaps(heard: Iterable[Span], within: Span) -> list[float]:
    """Return the lengths of the times in `within` that none of `heard` covers."""
    found, at = [], within.start
    for span in sorted(heard, key=lambda s: s.start):
        if span.end > at and span.start < within.end:
            found.append(span.start - at)
            at = span.end
    found.append(within.end - at)
    return [gap for gap in found if gap > 1e-6]
