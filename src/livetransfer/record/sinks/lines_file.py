"""JsonLinesSink: records as lines of JSON in a file that is rotated, shared by all processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter

from livetransfer._checks import check_count
from livetransfer.errors import ConfigurationError
from livetransfer.privacy import Privacy
from livetransfer.record.daemon_thread import Daemon
from livetransfer.record.model import TransferRecord
from livetransfer.record.reading import read_record

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["JsonLinesSink"]

_JSON = TypeAdapter(TransferRecord)
"""Writes a record as bytes, where its own `to_json` makes a text that is encoded then."""


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
        self._lock: int | None = None
        self._file: int | None = None
        self._which = (0, 0)
        self._pid, self._written = 0, 0

    takes_open_records = True

    async def write(self, record: TransferRecord, privacy: Privacy) -> None:
        """Append the record.

        Raises:
            OSError: The file cannot be written, for example because the disk is full.
        """
        line = _JSON.dump_json(record) + b"\n"
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append, line, privacy.retention)

    async def written(self) -> None:
        """Wait until what was `put` is written, or has failed."""
        await asyncio.get_running_loop().run_in_executor(self._thread, _nothing)

    def put(
        self,
        record: TransferRecord,
        privacy: Privacy,
        then: Callable[[BaseException | None], object],
    ) -> None:
        """Append the record, as `write`, with no step on the event loop.

        Args:
            record: The record.
            privacy: What it was made with.
            then: Called in the sink's thread with what became of it.

        Raises:
            RuntimeError: The disk does not keep up.
        """
        line = _JSON.dump_json(record) + b"\n"

        def work() -> None:
            error: BaseException | None = None
            try:
                self._append(line, privacy.retention)
            except BaseException as raised:
                error = raised
            then(error)

        self._thread.post(work)

    async def aclose(self) -> None:
        """Close the file; a later record opens it again."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._release)

    def _append(self, line: bytes, retention: timedelta | None) -> None:
        if self._lock is None or self._pid != os.getpid():
            # A lock that was inherited by a fork would be shared with it.
            self._open_lock()
        assert self._lock is not None
        with _locked(self._lock):
            if retention is not None:
                self._forget(retention)
            size = self._size()
            if size and size + len(line) > self._max_bytes:
                self._rotate()
                size = None
            if size is None or self._file is None:
                self._reopen()
            assert self._file is not None
            if size and size != self._written and _cut_off(self._file, size):
                line = b"\n" + line
            self._written = (size or 0) + len(line)
            while line:
                line = line[os.write(self._file, line) :]

    def _open_lock(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self.path.with_name(self.path.name + ".lock")
        self._lock, self._file, self._pid = (
            os.open(lock, os.O_RDWR | os.O_CREAT, 0o600),
            None,
            os.getpid(),
        )

    def _size(self) -> int | None:
        """Return the size of the file; None where the one that is open is another by now."""
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return None
        if self._file is not None and self._which != (there.st_ino, there.st_dev):
            self._close()
        return there.st_size

    def _release(self) -> None:
        self._close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _reopen(self) -> None:
        self._close()
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        opened = os.fstat(self._file)
        self._which, self._written = (opened.st_ino, opened.st_dev), 0

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _rotate(self) -> None:
        self._numbered(self._keep).unlink(missing_ok=True)
        for number in range(self._keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))
        self._close()

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
            if self.path.stat().st_size and now - _first_written(self.path) > seconds / 10:
                self._rotate()


def _nothing() -> None:
    return


def _first_written(path: Path) -> float:
    """Return when the first record in a file began."""
    with path.open("rb") as file:
        first = file.readline()
    try:
        return read_record(json.loads(first)).began.timestamp()
    except Exception:
        return path.stat().st_mtime


def _cut_off(handle: int, size: int) -> bool:
    """Whether the last line has no end: a full disk, or a process that died in the middle."""
    os.lseek(handle, size - 1, os.SEEK_SET)
    return os.read(handle, 1) != b"\n"


@contextlib.contextmanager
def _locked(handle: int) -> Iterator[None]:
    """Hold the lock of all processes; the system takes it from one that dies."""
    if fcntl is None:  # Windows
        import msvcrt

        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        try:
            yield
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
