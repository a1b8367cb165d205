"""`livetransfer timeline`: the page of the demo, for the records of real calls."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from livetransfer.record import TransferRecord

__all__ = ["timeline"]


def timeline(
    records: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORD...",
            help="Files of records: JSON, or the lines that JsonLinesSink writes.",
            show_default=False,
        ),
    ],
    *,
    audio: Annotated[
        Path | None,
        typer.Option(
            help="A folder with what each heard: caller.wav, ai.wav, human.wav (or .ogg, .mp3, "
            ".flac); for several records in a folder named by the record's id.",
            file_okay=False,
        ),
    ] = None,
    audio_offset: Annotated[
        float, typer.Option(help="Where in the audio the transfer begins, in seconds.")
    ] = 0.0,
    out: Annotated[Path, typer.Option(help="The folder for the pages.", file_okay=False)] = Path(
        "livetransfer-timeline"
    ),
    day: Annotated[
        str | None, typer.Option(help="Only the transfers of this day (UTC), like 2026-05-04.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--id", help="Only the record with this id, or its beginning.")
    ] = None,
) -> None:
    """Make a page for each record: who spoke, who heard what, in which phase.

    One record makes one page; several make a list to open as well. No page loads anything.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    console = Console(highlight=False)
    # Imported here, because it takes a second and `livetransfer --help` should not.
    from livetransfer.record import RecordError

    from .sounds import SoundError

    try:
        found = _chosen(console, records, day, only)
        written = _write(found, audio, audio_offset, out)
    except (RecordError, SoundError) as error:
        _stop(console, str(error))
    except OSError as error:
        _stop(console, f"{error.filename or out}: {error.strerror or error}")
    for path in written:
        console.print(f"  [bold]{escape(str(path))}[/]", soft_wrap=True)


def _chosen(
    console: Console, paths: list[Path], day: str | None, only: str | None
) -> list[TransferRecord]:
    from livetransfer.record import read_records

    found: dict[str, TransferRecord] = {}
    for path in paths:
        for record in read_records(path):
            known = found.get(record.id)
            # Of a file that was rotated, the beginning may lie in another one than the end.
            if known is None or not known.over:
                found[record.id] = record
    chosen = sorted(found.values(), key=lambda record: record.began)
    if day is not None:
        chosen = [record for record in chosen if f"{record.began:%Y-%m-%d}" == day]
    if only is not None:
        chosen = [record for record in chosen if record.id.startswith(only)]
    if not chosen:
        days = ", ".join(sorted({f"{record.began:%Y-%m-%d}" for record in found.values()})[-5:])
        _stop(console, f"no record is left of {len(found)}; they are of {days}")
    return chosen


def _write(
    records: list[TransferRecord], audio: Path | None, offset: float, out: Path
) -> list[Path]:
    from .files import check_folder, encoded
    from .from_record import recording_of
    from .index_page import index
    from .page import page
    from .sounds import sounds_of

    check_folder(out)
    single = len(records) == 1
    pages, named = [], []
    for record in records:
        sounds = {} if audio is None else sounds_of(record, audio, offset=offset, only=single)
        recording = recording_of(record, sounds)
        length = round(recording.seconds * 24000)
        path = out / ("timeline.html" if single else f"{_file(record)}.html")
        html = page(recording, {ear: encoded(heard[:length]) for ear, heard in sounds.items()})
        path.write_text(html, encoding="utf-8")
        pages.append(path)
        named.append((record, path.name))
    if not single:
        listed = out / "index.html"
        listed.write_text(index(named), encoding="utf-8")
        return [listed]
    return pages


def _file(record: TransferRecord) -> str:
    kept = "".join(c for c in record.id if c.isalnum() or c in "-_")[:64] or "record"
    return f"{record.began:%Y%m%d-%H%M%S}-{kept}"


def _stop(console: Console, why: str) -> NoReturn:
    console.print(f"[red]No page was made:[/] {escape(why)}", soft_wrap=True)
    raise typer.Exit(1) from None
