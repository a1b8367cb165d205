"""Draws who spoke and who heard what, to scale, as the lanes of the page."""

from __future__ import annotations

from html import escape

import numpy as np

from .lines import Samples, Who
from .recording import EARS, Recording, Span

__all__ = ["NAMES", "chart", "duration", "timed"]

NAMES: dict[str, str] = {"caller": "Caller", "ai": "AI", "human": "Human"}
BARS = 1100
"""How many bars draw what one party heard."""
FULL = 20000.0
"""The sample value that is drawn at full height."""
STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
MARKS = 16
"""How many marks the axis has at most."""
FLAT = 10
"""How loud a part is drawn, 0 to 48, that was heard and not recorded."""
READABLE = 3.2
"""Percent of the width below which a phase has no room for its name."""
TELLING = 3.4
"""Percent of the width below which an utterance has no room for its words."""
ON_HOLD = ("holding", "dialling", "ringing", "briefing", "bridging", "referring")


def chart(recording: Recording) -> str:
    """Return the phases and the three lanes."""
    place = _Place(recording.seconds)
    guides = "".join(
        f'<i style="left:{place.at(stage.start)}"></i>' for stage in recording.stages[1:]
    )
    ticks = "".join(
        f'<span style="left:{place.at(t)}">{_mark(t)}</span>'
        for t in range(0, int(recording.seconds) or 1, _step(recording.seconds))
    )
    lanes = "\n".join(_lane(recording, ear, place) for ear in EARS)
    return f"""<figure class="chart"><div class="plot" id="plot">
<div class="row phases"><span class="name">Phase</span>{_phases(recording, place)}</div>
{lanes}
<div class="row axis">{ticks}</div>
<div class="guides">{guides}</div><div class="cursor"></div>
</div></figure>"""


def _step(seconds: float) -> int:
    """Return how many seconds lie between two marks of the axis."""
    return next((step for step in STEPS if seconds / step <= MARKS), int(seconds / MARKS) + 1)


def _mark(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60}:{seconds % 60:02}"


class _Place:
    """Turns seconds into percent of the width."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def percent(self, seconds: float) -> float:
        return 100 * seconds / self._seconds

    def at(self, seconds: float) -> str:
        return f"{self.percent(seconds):.3f}%"

    def span(self, span: Span) -> str:
        return f"left:{self.at(span.start)};width:{self.at(span.seconds)}"

    def box(self, span: Span, kind: str, text: str = "", title: str = "", more: str = "") -> str:
        """Return a box over `span`."""
        hint = f' title="{escape(title)}"' if title else ""
        return (
            f'<div class="seg {kind}" style="{self.span(span)}"{hint}{more}>'
            + (f"<span>{escape(text)}</span>" if text else "")
            + "</div>"
        )


def _phases(recording: Recording, place: _Place) -> str:
    found = []
    for stage in recording.stages:
        thin = place.percent(stage.seconds) < READABLE
        kind = "hold" if stage.name in ON_HOLD else "joined" if stage.name == "bridged" else ""
        found.append(
            place.box(
                stage,
                kind,
                "" if thin else stage.name,
                f"{stage.name}: {duration(stage)}",
                f' data-phase="{stage.name}"',
            )
        )
    return "".join(found)


def _lane(recording: Recording, ear: Who, place: _Place) -> str:
    said = "".join(
        place.box(u, u.who, u.text if place.percent(u.seconds) > TELLING else "", u.text, timed(u))
        for u in recording.said
        if u.who == ear
    )
    bands = _bands(recording, ear)
    shades = "".join(f'<div class="band" style="{place.span(band)}"></div>' for band in bands)
    return f"""<div class="row says" data-lane="{ear}"><span class="name">\
<strong>{NAMES[ear]}</strong> speaks</span>{said}{_remarks(recording, ear, place)}</div>
<div class="row hears" data-lane="{ear}"><span class="name">hears</span>{shades}\
{_wave(recording, ear)}</div>"""


def _bands(recording: Recording, ear: Who) -> list[Span]:
    """Return when the ears were open: on the line, or, for the AI, listening to anybody."""
    if ear == "ai":
        return [span for spans in recording.listening.values() for span in spans]
    return list(recording.present[ear])


def _remarks(recording: Recording, ear: Who, place: _Place) -> str:
    found = []
    for stage in recording.stages:
        if ear == "human" and stage.name == "ringing":
            found.append(place.box(stage, "rings", "rings", f"{recording.human}: the phone rings"))
        if ear == "ai" and stage.name == "bridged":
            found.append(place.box(stage, "remark", "silent: speaks to nobody, hears nobody"))
    hold = recording.hold
    if ear == "caller" and hold is not None and place.percent(hold.seconds) > 2 * READABLE:
        found.append(place.box(hold, "remark", f"on hold, {hold.seconds:.1f} s"))
    return "".join(found)


def _wave(recording: Recording, ear: Who) -> str:
    """Return the outline of what was heard, each part in the colour of its source."""
    samples = recording.audio.get(ear)
    levels = [FLAT] * BARS if samples is None else _levels(samples, BARS)
    paths = []
    for heard in recording.heard[ear]:
        first = int(heard.start / recording.seconds * BARS)
        last = min(BARS, int(np.ceil(heard.end / recording.seconds * BARS)))
        if last > first:
            paths.append(f'<path class="{heard.source}" d="{_outline(levels, first, last)}"/>')
    return (
        f'<svg viewBox="0 0 {BARS} 100" preserveAspectRatio="none" aria-hidden="true">'
        + "".join(paths)
        + "</svg>"
    )


def _levels(samples: Samples, count: int) -> list[int]:
    """Return how loud each of `count` parts is, 0 to 48; quiet parts are drawn larger."""
    parts = np.array_split(np.abs(samples.astype(np.float64)) / FULL, count)
    return [round(48 * min(1.0, float(part.max(initial=0.0)) ** 0.6)) for part in parts]


def _outline(levels: list[int], first: int, last: int) -> str:
    upper = [f"{x} {50 - max(1, levels[x])}H{x + 1}" for x in range(first, last)]
    lower = [f"{x + 1} {50 + max(1, levels[x])}H{x}" for x in range(last - 1, first - 1, -1)]
    return "M" + "L".join(upper) + "L" + "L".join(lower) + "Z"


def timed(span: Span) -> str:
    """Return the attributes that tell the page's script when something is."""
    return f' data-from="{span.start:.2f}" data-until="{span.end:.2f}"'


def duration(span: Span) -> str:
    """Return the length of `span`, for people."""
    return f"{span.seconds:.1f} s" if span.seconds >= 1 else f"{span.seconds * 1000:.0f} ms"
