"""The command line: `livetransfer`, or `python -m livetransfer`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from ._cli.callbacks import callbacks
from ._cli.demo import demo
from ._cli.doctor import doctor
from ._cli.team import team
from ._cli.timeline import timeline

__all__ = ["main"]

app = typer.Typer(
    help="Hand the caller of a LiveKit phone agent to a person.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# One line for each command; each lives in a module of `_cli`.
app.command("demo")(demo)
app.command("doctor")(doctor)
app.command("timeline")(timeline)
app.add_typer(team, name="team")
app.add_typer(callbacks, name="callbacks")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"livetransfer {version('livetransfer')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    app(prog_name="livetransfer")


if __name__ == "__main__":
    main()
