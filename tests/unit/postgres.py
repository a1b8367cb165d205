"""A PostgreSQL of the tests' own, on a socket in a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["running", "why_not"]

NOT_HERE = "NO POSTGRESQL on PATH (apt-get install postgresql): only SQLite is tested"
NO_USER = "NO USER postgres or nobody, and PostgreSQL does not run as root: only SQLite is tested"


def why_not() -> str | None:
    """Return why there can be none on this machine, in one loud line."""
    if os.name != "posix" or not (_program("initdb") and _program("postgres")):
        return NOT_HERE
    return NO_USER if os.geteuid() == 0 and _user() is None else None


def _program(name: str) -> str | None:
    """Return a program of the server: Debian's package keeps them off PATH."""
    of_debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(of_debian[-1]) if of_debian else None)


def _user() -> str | None:
    """Return whose process the server is; None: that of whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


@contextmanager
def running() -> Iterator[str]:
    """A server; its URL has ``{name}`` for that of a database, of which ``postgres`` is there."""
    # The path of a socket has 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="lt-pg-"))
    folder.chmod(0o777)
    data = folder / "data"
    user = _user()
    command = [_program("initdb") or "", "-D", str(data), "-A", "trust"]
    subprocess.run(
        [*command, "-U", "postgres", "--no-sync"],
        capture_output=True,
        text=True,
        check=True,
        user=user,
        cwd=folder,
    )
    command = [_program("postgres") or "", "-D", str(data), "-k", str(folder)]
    server = subprocess.Popen(
        [*command, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        cwd=folder,
    )
    try:
        _wait_for(folder / ".s.PGSQL.5432")
        yield f"postgresql+asyncpg://postgres@/{{name}}?host={folder}"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(path: Path) -> None:
    """Wait until the server takes connections that are made."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done = subprocess.run(
            [_program("pg_isready") or "true", "-q", "-h", str(path.parent)], check=False
        )
        with socket.socket(socket.AF_UNIX) as asked:
            if done.returncode == 0 and asked.connect_ex(str(path)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("PostgreSQL did not start within 30 s")
