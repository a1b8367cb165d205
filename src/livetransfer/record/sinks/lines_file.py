"""JsonLinesSink: records as lines of JSON in a file that is rotated, shared by all processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from livetransfer._checks import check_count
from livetransfer.errors import ConfigurationError
from livetransfer.privacy import Privacy
from livetransfer.record.daemon import Daemon
from livetransfer.record.model import TransferRecord
from livetransfer.record.reading import read_record

__all__ = ["JsonLinesSink"]


class JsonLinesSink:
    """Writes each record as a line of JSON.

    A transfer writes a line when it begins, one when the caller was handed over, and one when all
    is over; the last line with an `id` counts (`read_records` sees to that). A worker that dies
    leaves the line of the beginning. Any number of processes of one machine may write into the
    same file; it has to lie on a disk of its own, not on a network's.

    Args:
        path: The file. Its folder is made.
        max_bytes: The size at which it is renamed to ``path.1``, that one to ``path.2``, and so
            on.
        keep: How many of the renamed ones are kept.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, max_bytes: int = 50_000_000, keep: int = 10
    ) -> None:
        self.path = Path(path)
        if not self.path.name or self.path.is_dir():
            raise ConfigurationError("path", str(path), "give the path of a file")
        self._max_bytes = check_count("max_bytes", max_bytes, 10_000, 10**12)
        self._keep = check_count("keep", keep, 1, 1000)
        self._thread = Daemon("livetransfer-record-file")

    takes_open_records = True

    async def write(self, record: TransferRecord, privacy: Privacy) -> None:
        """Append the record.

        Raises:
            OSError: The file cannot be written, for example because the disk is full.
        """
        line = record.to_json().encode() + b"\n"
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append, line, privacy.retention)

    async def aclose(self) -> None:
        """Do nothing: the file is closed after each line."""

    def _append(self, line: bytes, retention: timedelta | None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path.with_name(self.path.name + ".lock")):
            self._rotate(len(line))
            if retention is not None:
                self._forget(retention)
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if _cut_off(handle):
                    line = b"\n" + line
                while line:
                    line = line[os.write(handle, line) :]
            finally:
                os.close(handle)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _rotate(self, more: int) -> None:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size == 0 or size + more <= self._max_bytes:
            return
        self._numbered(self._keep).unlink(missing_ok=True)
        for number in range(self._keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))

    def _forget(self, retention: timedelta) -> None:
        """Remove the renamed files that nothing was added to for so long.

        The file that is written now is renamed once it is a tenth of that old, so that what is
        in it is not kept for much longer.
        """
        now, seconds = time.time(), retention.total_seconds()
        for number in range(1, self._keep + 1):
            with contextlib.suppress(FileNotFoundError):
                if now - self._numbered(number).stat().st_mtime > seconds:
                    self._numbered(number).unlink()
        with contextlib.suppress(FileNotFoundError):
            if now - _first_written(self.path) > seconds / 10:
                self._rotate(self._max_bytes)


def _first_written(path: Path) -> float:
    """Return when the first record in a file began."""
    with path.open("rb") as file:
        first = file.readline()
    try:
        return read_record(json.loads(first)).began.timestamp()
    except Exception:
        return path.stat().st_mtime


def _cut_off(handle: int) -> bool:
    """Whether the last line has no end: a full disk, or a process that died in the middle."""
    size = os.fstat(handle).st_size
    if size == 0:
        return False
    os.lseek(handle, size - 1, os.SEEK_SET)
    return os.read(handle, 1) != b"\n"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of all processes; the system takes it from one that dies."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
