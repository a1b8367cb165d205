"""Spool: what is still to be sent, as files in a folder that all processes of a machine share."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Spool", "written"]

_TAKEN = ".sending"
TAKEN_FOR = 120.0
"""Seconds after which what a process has taken, and not sent, is taken by another: it has died."""
MOST = 10_000
"""Files, at most; the oldest go."""


def _name(path: Path) -> str:
    """Return the name that a file was put under, whether it is taken or not."""
    return path.name.partition(".json")[0] + ".json"


def written(path: Path, content: bytes) -> Path:
    """Write a file that is there whole or not at all, and that only its owner can read.

    Raises:
        OSError: It cannot be written.
    """
    half = path.with_suffix(f".{os.getpid()}.half")
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    return path


class Spool:
    """A folder of things to send; every method blocks.

    Args:
        folder: The folder; made when it is needed.

    Attributes:
        lost: How many were removed unsent, since it was last set to 0.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = 0

    def put(self, name: str, content: bytes) -> Path:
        """Keep `content` until it is removed; what had that name before is replaced.

        Raises:
            OSError: It cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return written(self.folder / f"{name}.json", content)

    def take(self, keep_for: float, *, rested: float = 0.0) -> list[Path]:
        """Return what is to be sent, oldest first, and let no other process have it meanwhile.

        What is older than `keep_for` seconds is removed, unsent.

        Args:
            keep_for: Seconds.
            rested: Seconds for which it must have lain where it is.
        """
        if not self.folder.is_dir():
            return []
        found = []
        waiting = sorted(self._waiting(keep_for, rested), key=lambda each: each[0])
        for _, path in waiting[:-MOST]:
            path.unlink(missing_ok=True)
            self.lost += 1
        for _, path in waiting[-MOST:]:
            taken = path.with_name(f"{_name(path)}.{uuid.uuid4().hex[:12]}{_TAKEN}")
            # Whoever comes second finds nothing to rename, and nothing that looks left behind.
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (time.time(), path.stat().st_mtime))
                path.rename(taken)
                found.append(taken)
        return found

    def holds_any(self) -> bool:
        """Return whether something is still to be sent."""
        return self.folder.is_dir() and any(path.is_file() for path in self.folder.iterdir())

    def _waiting(self, keep_for: float, rested: float) -> Iterator[tuple[float, Path]]:
        now = time.time()
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                if path.suffix == ".half":
                    if now - stat.st_mtime > TAKEN_FOR:
                        path.unlink()
                elif path.is_dir():
                    continue
                elif now - stat.st_mtime > keep_for:
                    path.unlink()
                    self.lost += 1
                elif path.suffix == ".json":
                    # A rename sets the time of change.
                    if not rested or now - stat.st_ctime > rested:
                        yield stat.st_mtime, path
                elif now - stat.st_atime > TAKEN_FOR:
                    yield stat.st_mtime, path

    def give_back(self, taken: Path, into: Spool | None = None) -> None:
        """Let `taken` be sent later, unless a newer one of its name is there.

        Args:
            taken: What `take` has returned.
            into: The spool that it waits in from now on. Default: this one.
        """
        folder = self.folder if into is None else into.folder
        path = folder / _name(taken)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            if path.exists():
                taken.unlink()
            else:
                taken.rename(path)

    def remove(self, taken: Path) -> None:
        """Forget `taken`, which was sent."""
        taken.unlink(missing_ok=True)
