"""`livetransfer demo`: a whole transfer with no server and no account, to see and to hear."""

from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

__all__ = ["ScenarioName", "demo"]

WATCHED = 4.5
"""Seconds in which the call is shown to somebody at a terminal."""


class ScenarioName(str, Enum):
    """What can be shown."""

    WARM = "warm"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    VOICEMAIL = "voicemail"
    DECLINED = "declined"
    COLD = "cold"


def demo(
    scenario: Annotated[
        ScenarioName, typer.Option(help="What the other phone does; cold: no briefing.")
    ] = ScenarioName.WARM,
    out: Annotated[
        Path, typer.Option(help="The folder for the recordings and the page.", file_okay=False)
    ] = Path("livetransfer-demo"),
    no_color: Annotated[bool, typer.Option("--no-color", help="Show no colours.")] = False,
) -> None:
    """Make a whole transfer with no server and no account, to see and to hear.

    The telephone network is simulated, in virtual time, so it takes seconds.
    """
    for stream in (sys.stdout, sys.stderr):
        # The folder's name may have characters that the terminal has not.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    console = Console(no_color=no_color or None, highlight=False)
    console.print("[dim]setting up ...[/]", end="\r") if console.is_terminal else None
    # Imported here, because it takes a second and `livetransfer --help` should not.
    from .files import check_folder, write
    from .rehearsal import rehearse
    from .scenario import SCENARIOS
    from .terminal import FANCY, play, signs_for

    logging.getLogger("livekit").setLevel(logging.ERROR)
    try:
        check_folder(out)
    except OSError as error:
        _unwritable(console, error)
    chosen = SCENARIOS[scenario.value]
    recording = rehearse(chosen)
    rule = "─" if signs_for(console) is FANCY else "-"
    console.print(f"[bold]{chosen.title}[/], simulated: no server, no account", soft_wrap=True)
    console.print(f"[dim]{rule * 60}[/]")
    with ThreadPoolExecutor(1) as pool:
        # Encoding takes seconds, in which there is something to see.
        writing = pool.submit(write, recording, out)
        play(recording, console, seconds=WATCHED)
    try:
        written = writing.result()
    except OSError as error:
        _unwritable(console, error)
    console.print(f"\n{escape(recording.told)}", soft_wrap=True)
    console.print()
    about = {
        "timeline.html": "open this one in a browser: the whole call, to see and to hear",
        "caller.wav": "what the caller heard",
        "human.wav": "what the human heard"
        + ("" if recording.present["human"] else ": nothing, for the phone was not answered"),
    }
    for path in written:
        console.print(f"  [bold]{escape(str(path))}[/]  [dim]{about[path.name]}[/]", soft_wrap=True)
    others = ", ".join(name.value for name in ScenarioName if name is not scenario)
    console.print(f"\n[dim]Others: livetransfer demo --scenario {others}[/]", soft_wrap=True)


def _unwritable(console: Console, error: OSError) -> NoReturn:
    console.print(f"\n[red]The files cannot be written:[/] {escape(str(error))}")
    raise typer.Exit(1) from None
