"""Draws a recording as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape

from .chart import NAMES, chart, duration, timed
from .lines import Who, data
from .recording import Recording, Stage, Table

__all__ = ["page"]


def page(recording: Recording, sounds: Mapping[Who, tuple[str, bytes]]) -> str:
    """Return the page.

    Args:
        recording: What is shown.
        sounds: What each party heard: media type and bytes of a file.
    """
    seconds = recording.seconds
    more = "\n".join(_more(table) for table in recording.tables)
    audio = "\n".join(
        f'<figure><figcaption>What {_the(ear)} heard</figcaption><audio id="audio-{ear}" controls '
        f'preload="none" src="data:{kind};base64,{base64.b64encode(content).decode()}"></audio>'
        "</figure>"
        for ear, (kind, content) in sounds.items()
    )
    files = f'<section id="files"><h2>The recordings</h2>\n<div class="files">\n{audio}\n</div>'
    files = f"{files}\n</section>" if sounds else ""
    ears = "\n".join(
        f'<label><input type="radio" name="ear" value="{value}"{checked}> {name}</label>'
        for value, name, checked in (
            ("all", "everyone", " checked"),
            *((ear, _the(ear), "") for ear in sounds),
        )
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; media-src data:">
<title>{escape(recording.title)} - {escape(recording.kicker)}</title>
<style>
{data("page.css").decode()}</style>
</head>
<body data-seconds="{seconds:.3f}">
<header>
<p class="kicker">{escape(recording.kicker)}</p>
<h1>{escape(recording.title)}{", as each side heard it" if sounds else ""}</h1>
<p class="lede">{escape(recording.told)}</p>
{_figures(recording)}
</header>
<main>
<section id="player" class="player" aria-label="Player" hidden>
<button id="play" type="button">Play</button>
<input id="seek" type="range" min="0" max="{seconds:.2f}" step="0.1" value="0" \
aria-label="Position">
<output id="clock"></output>
<fieldset><legend>Listen as</legend>
{ears}
</fieldset>
<p>Click the timeline to go there. Keys: <kbd>Space</kbd> plays and pauses, <kbd>&larr;</kbd> \
<kbd>&rarr;</kbd> go back and forth by 2 s.</p>
</section>
<div class="scroll" role="img" aria-label="{escape(_described(recording))}">
{chart(recording)}
</div>
<ul class="key" aria-hidden="true">
<li><i class="caller"></i>the caller's voice</li><li><i class="ai"></i>the AI's voice</li>
<li><i class="human"></i>the human's voice</li><li><i class="music"></i>hold music</li>
</ul>
<div class="tables">
<section><h2>What was said</h2>
{_said(recording)}
</section>
<section><h2>The phases</h2>
{_phase_table(recording)}
<p class="soft">{escape(recording.about)}</p>
</section>
{more}
</div>
{files}
</main>
<script>
{data("page.js").decode()}</script>
</body>
</html>
"""


def _the(who: Who) -> str:
    return {"caller": "the caller", "ai": "the AI", "human": "the human"}[who]


def _described(recording: Recording) -> str:
    return (
        f"Timeline of the call, {recording.seconds:.0f} seconds, to scale: the phases, and for the "
        "caller, the AI and the human who speaks and what each hears. The tables below say the "
        "same in words."
    )


def _figures(recording: Recording) -> str:
    """Return the numbers that sum it up."""
    tiles = "".join(
        f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in recording.figures
    )
    return f'<dl class="figures">{tiles}</dl>'


def _more(table: Table) -> str:
    """Return a table of what else is known."""
    rows = (
        "<tr>"
        + "".join(
            _time(cell) if isinstance(cell, float) else f"<td>{escape(str(cell))}</td>"
            for cell in row
        )
        + "</tr>"
        for row in table.rows
    )
    drawn = f'<div class="wide">{_table(table.heads, rows)}</div>'
    return f"<section><h2>{escape(table.title)}</h2>\n{drawn}\n</section>"


def _said(recording: Recording) -> str:
    rows: list[tuple[float, str]] = []
    for u in recording.said:
        to = ", ".join(_the(ear).removeprefix("the ") for ear in u.to) or "nobody"
        rows.append(
            (
                u.start,
                f"<tr{timed(u)}>{_time(u.start)}"
                f'<td class="who {u.who}">{NAMES[u.who]}</td><td class="to">{escape(to)}</td>'
                f"<td>{escape(u.text)}</td></tr>",
            )
        )
    for m in recording.moments:
        cell = f'<td></td><td></td><td class="soft"><em>{escape(m.text)}</em></td>'
        rows.append((m.at, f"<tr>{_time(m.at)}{cell}</tr>"))
    return _table(("At", "Who", "Heard by", "Words"), (row for _, row in sorted(rows)))


def _phase_table(recording: Recording) -> str:
    def row(stage: Stage) -> str:
        return (
            f"<tr{timed(stage)}>{_time(stage.start)}<td>{stage.name}</td>"
            f'<td class="time">{duration(stage)}</td><td>{escape(stage.note)}</td></tr>'
        )

    return _table(("At", "Phase", "Took", ""), (row(stage) for stage in recording.stages))


def _time(at: float) -> str:
    return f'<td class="time"><button type="button" data-at="{at:.2f}">{at:.1f} s</button></td>'


def _table(heads: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "\n".join(rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
