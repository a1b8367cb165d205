"""Store: what was fetched, in memory and on disk, both bounded, so that it is fetched once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MAX_DISK", "MAX_MEMORY", "Store", "Stored", "store"]

MAX_MEMORY = 32 * 1024 * 1024
"""Bytes of fetched files that are kept in memory."""

MAX_DISK = 256 * 1024 * 1024
"""Bytes of fetched files that are kept on disk."""


MAX_USELESS = 256

PART = ".part-"
ABANDONED = 3600.0
"""Seconds after which a file that is written in parts belongs to a process that was killed."""


@dataclass(frozen=True)
class Stored:
    """A fetched file.

    Attributes:
        data: Its bytes.
        digest: SHA-256 of them, in hexadecimal.
        etag: The ETag that came with it, or "".
        last_modified: The Last-Modified that came with it, or "".
        fresh_until: Unix time, in seconds, until which it need not be asked for again.
    """

    data: bytes
    digest: str
    etag: str = ""
    last_modified: str = ""
    fresh_until: float = 0.0

    @property
    def fresh(self) -> bool:
        """Whether it may be used without asking."""
        return time.time() < self.fresh_until


def cache_folder() -> Path:
    """Return the folder: ``livetransfer/hold`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base and Path(base).is_absolute() else Path("~/.cache").expanduser()
    return root / "livetransfer" / "hold"


class Store:
    """Fetched files by URL, the least recently used dropped first.

    Every method may block on the disk; `recall` does not. A disk that cannot be used is done
    without.

    Args:
        folder: Where; None: `cache_folder()`, looked up at each use.
        max_memory: In bytes.
        max_disk: In bytes.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        max_memory: int = MAX_MEMORY,
        max_disk: int = MAX_DISK,
    ) -> None:
        self._folder, self._max_memory, self._max_disk = folder, max_memory, max_disk
        self._lock = threading.Lock()
        self._memory: OrderedDict[str, Stored] = OrderedDict()
        self._useless: OrderedDict[str, None] = OrderedDict()

    @property
    def _place(self) -> Path:
        return self._folder or cache_folder()

    def recall(self, url: str) -> Stored | None:
        """Return what is in memory."""
        with self._lock:
            found = self._memory.get(url)
            if found is not None:
                self._memory.move_to_end(url)
            return found

    def load(self, url: str) -> Stored | None:
        """Return what is in memory or on disk."""
        found = self.recall(url)
        if found is not None:
            return found
        head, body = self._paths(url)
        try:
            about = json.loads(head.read_text())
            data = body.read_bytes()
            if hashlib.sha256(data).hexdigest() != about["digest"] or about["url"] != url:
                return None
            os.utime(body)
            found = Stored(
                data,
                about["digest"],
                str(about["etag"]),
                str(about["last_modified"]),
                float(about["fresh_until"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        self._remember(url, found)
        return found

    def save(self, url: str, stored: Stored, *, on_disk: bool = True) -> None:
        """Keep `stored`, on disk too if that is allowed, unless it was found to be useless."""
        if stored.digest in self._useless:
            return
        self._remember(url, stored)
        if on_disk:
            with contextlib.suppress(OSError):
                self._save(url, stored)
        else:
            self._unlink(url)
        if stored.digest in self._useless:  # found in the meantime
            self._drop(url)

    def _save(self, url: str, stored: Stored) -> None:
        head, body = self._paths(url)
        about = {
            "url": url,
            "digest": stored.digest,
            "etag": stored.etag,
            "last_modified": stored.last_modified,
            "fresh_until": stored.fresh_until,
        }
        self._place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not body.exists() or _digest(body) != stored.digest:
            _write(body, stored.data)
        _write(head, json.dumps(about).encode())
        self._shrink()

    def forget(self, url: str, digest: str) -> None:
        """Drop what is kept of `url`, and do not keep content of this digest again."""
        with self._lock:
            self._useless[digest] = None
            if len(self._useless) > MAX_USELESS:
                self._useless.popitem(last=False)
        self._drop(url)

    def _drop(self, url: str) -> None:
        with self._lock:
            self._memory.pop(url, None)
        self._unlink(url)

    def _unlink(self, url: str) -> None:
        for path in self._paths(url):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Drop what is in memory."""
        with self._lock:
            self._memory.clear()

    def _remember(self, url: str, stored: Stored) -> None:
        with self._lock:
            self._memory[url] = stored
            self._memory.move_to_end(url)
            total = sum(len(item.data) for item in self._memory.values())
            while total > self._max_memory and len(self._memory) > 1:
                total -= len(self._memory.popitem(last=False)[1].data)

    def _paths(self, url: str) -> tuple[Path, Path]:
        name = hashlib.sha256(url.encode()).hexdigest()
        return self._place / f"{name}.json", self._place / f"{name}.audio"

    def _shrink(self) -> None:
        for part in self._place.glob(f"{PART}*"):
            with contextlib.suppress(OSError):
                if part.stat().st_mtime < time.time() - ABANDONED:
                    part.unlink()
        files = []
        for path in self._place.glob("*.audio"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                files.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files)[:-1]:
            if total <= self._max_disk:
                break
            total -= size
            for gone in (path, path.with_suffix(".json")):
                with contextlib.suppress(OSError):
                    gone.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it at the same time."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=PART)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


store = Store()
"""The process's own."""
