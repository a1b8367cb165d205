"""Draws the list of several records, each of which opens its own page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from livetransfer.record import TransferRecord

from .from_record import name_of
from .lines import data

__all__ = ["index"]


def index(records: Sequence[tuple[TransferRecord, str]]) -> str:
    """Return the page.

    Args:
        records: Each with the name of the file of its page, in the order of their beginnings.
    """
    days = sorted({f"{record.began:%Y-%m-%d}" for record, _ in records})
    title = f"{len(records)} transfers, {days[0]}"
    if len(days) > 1:
        title += f" to {days[-1]}"
    rows = "\n".join(_row(record, name) for record, name in records)
    heads = ("Began (UTC)", "Whom", "Outcome", "Attempts", "On hold", "Talked", "Caller")
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)} - livetransfer</title>
<style>
{data("page.css").decode()}</style>
</head>
<body>
<header>
<p class="kicker">livetransfer</p>
<h1>{escape(title)}</h1>
</header>
<main class="wide">
<table class="records"><thead><tr>{head}</tr></thead><tbody>
{rows}
</tbody></table>
</main>
</body>
</html>
"""


def _row(record: TransferRecord, name: str) -> str:
    status = str((record.outcome or {}).get("status") or record.state).replace("_", " ")
    kind = "good" if status in ("bridged", "referred") else "bad" if record.outcome else "soft"
    hold = f"{record.hold_seconds:.1f} s" if record.hold_seconds else ""
    talked = f"{record.end.seconds:.1f} s" if record.end is not None and record.end.seconds else ""
    cells = (
        f'<a href="{escape(name)}">{record.began:%Y-%m-%d %H:%M:%S}</a>',
        escape(name_of(record)),
        f'<span class="{kind}">{escape(status)}</span>',
        str(len(record.attempts)),
        hold,
        talked,
        escape(record.call.number or record.call.caller),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
