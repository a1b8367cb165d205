"""A ledger of callbacks in one file, for the processes of a test."""

from __future__ import annotations

import fcntl
import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.callbacks.kit import Ledger


def _kept(name: str) -> Callable[..., Any]:
    method = getattr(Ledger, name)

    @functools.wraps(method)
    async def whole(self: FileLedger, *args: Any, **options: Any) -> Any:
        with Path(f"{self.path}.lock").open("w") as lock:  # noqa: ASYNC230
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.path.exists():
                self.promises = pickle.loads(self.path.read_bytes())
            found = await method(self, *args, **options)
            self.path.write_bytes(pickle.dumps(self.promises))
            return found

    return whole


class FileLedger(Ledger):
    """Each method is one transaction: the others wait for the file meanwhile."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    add = _kept("add")
    get = _kept("get")
    find = _kept("find")
    claim = _kept("claim")
    take = _kept("take")
    dialling = _kept("dialling")
    renew = _kept("renew")
    end = _kept("end")
    left_dialling = _kept("left_dialling")
    sweep = _kept("sweep")
