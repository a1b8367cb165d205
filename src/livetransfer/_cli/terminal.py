"""Shows a recording in a terminal: who says what while the time passes, and lanes to scale."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .lines import Who
from .recording import EARS, Recording, Source, Span

__all__ = ["FANCY", "PLAIN", "Signs", "play", "signs_for"]

STYLES: dict[str, str] = {"caller": "blue", "ai": "magenta", "human": "green", "music": "yellow"}
NAMES: dict[str, str] = {"caller": "caller", "ai": "AI", "human": "human"}
FRAMES = 20
"""Pictures in a second."""
WIDEST = 140


@dataclass(frozen=True)
class Signs:
    """The characters to draw with."""

    arrow: str
    step: str
    speaks: str
    hears: str
    music: str
    here: str
    edge: str
    cut: str


FANCY = Signs("→", "▸", "█", "▒", "♪", "·", "│", "…")
PLAIN = Signs("->", ">", "#", "=", "~", ".", "|", ".")


@dataclass(frozen=True)
class _Entry:
    """Something that happens: in short, and in full."""

    at: float
    order: int
    head: str
    text: str
    style: str

    def plain(self) -> Text:
        return Text(f"{self.at:6.1f} s  {self.head:<15} {self.text}".rstrip())

    def row(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=8, justify="right", style="dim", no_wrap=True)
        grid.add_column(width=16, style=self.style, no_wrap=True)
        grid.add_column(ratio=1, style="dim" if self.order < 2 else "")
        grid.add_row(f"{self.at:.1f} s", self.head, self.text)
        return grid


def signs_for(console: Console) -> Signs:
    """Return the characters that `console` can show."""
    return FANCY if (console.encoding or "").lower().startswith("utf") else PLAIN


def play(recording: Recording, console: Console, *, seconds: float) -> None:
    """Show `recording` in `seconds`; at once where nobody watches (not a terminal)."""
    signs = signs_for(console)
    story = _story(recording, signs)
    if not console.is_terminal:
        for entry in story:
            console.print(entry.plain(), soft_wrap=True)
        console.print(_chart(recording, recording.seconds, console, signs), soft_wrap=True)
        return
    began = time.monotonic()
    with Live(console=console, auto_refresh=False) as live:
        at = 0.0
        while at < recording.seconds:
            passed = (time.monotonic() - began) / max(seconds, 1e-3)
            at = min(1.0, passed) * recording.seconds
            while story and story[0].at <= at:
                live.console.print(story.pop(0).row())
            live.update(_chart(recording, at, console, signs), refresh=True)
            time.sleep(1 / FRAMES)


def _story(recording: Recording, signs: Signs) -> list[_Entry]:
    found = [
        _Entry(stage.start, 1, f"{signs.step} {stage.name}", stage.note, "bold")
        for stage in recording.stages
    ]
    found += [_Entry(m.at, 0, signs.step, m.text, "bold") for m in recording.moments]
    for said in recording.said:
        to = " and ".join(NAMES[ear] for ear in said.to) or "nobody"
        head = f"{NAMES[said.who]} {signs.arrow} {to}"
        found.append(_Entry(said.start, 2, head, said.text, f"bold {STYLES[said.who]}"))
    return sorted(found, key=lambda entry: (entry.at, entry.order))


def _chart(recording: Recording, until: float, console: Console, signs: Signs) -> RenderableType:
    """Return the lanes, to scale, as far as `until`."""
    width = max(20, min(console.width - 12, WIDEST))
    step = recording.seconds / width
    count = min(width, round(until / step))
    spans = [Span(i * step, (i + 1) * step) for i in range(count)]
    rows = [Text("")]
    for ear in EARS:
        row = Text(f"  {NAMES[ear]:<8}", no_wrap=True)
        row.stylize(f"bold {STYLES[ear]}")
        cells = [_cell(recording, ear, span, signs) for span in spans]
        for (sign, style), run in itertools.groupby(cells):
            row.append(sign * len(list(run)), style)
        rows.append(row)
    rows.append(_phases(recording, step, count, signs))
    rows.append(
        Text(
            f"          {signs.speaks} speaks   {signs.hears} hears, in the speaker's colour   "
            f"{signs.music} hears music",
            "dim",
        )
    )
    return Group(*rows)


def _cell(recording: Recording, ear: Who, span: Span, signs: Signs) -> tuple[str, str]:
    if any(_overlap(span, said) for said in recording.said if said.who == ear):
        return signs.speaks, STYLES[ear]
    heard: dict[Source, float] = {}
    for h in recording.heard[ear]:
        heard[h.source] = heard.get(h.source, 0.0) + _overlap(span, h)
    source = max(heard, key=lambda s: heard[s], default=None)
    if source is not None and heard[source] > 0:
        return (signs.music if source == "music" else signs.hears), STYLES[source]
    present = any(_overlap(span, here) for here in recording.present[ear])
    return (signs.here if present else " "), "dim"


def _overlap(one: Span, other: Span) -> float:
    return max(0.0, min(one.end, other.end) - max(one.start, other.start))


def _phases(recording: Recording, step: float, count: int, signs: Signs) -> Text:
    """Return the names of the phases, each at its place, where there is room."""
    row = ""
    for stage in recording.stages:
        at = round(stage.start / step)
        room = round(stage.end / step) - at - 1
        if at < count and room >= 3:
            fits = len(stage.name) <= room
            name = stage.name if fits else stage.name[: room - 1] + signs.cut
            row = row.ljust(at) + signs.edge + name
    return Text("          " + row[:count], "dim", no_wrap=True)
