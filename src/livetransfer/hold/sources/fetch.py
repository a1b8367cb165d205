"""Fetching: a URL is downloaded once for all who want it, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .download import FetchError, FetchLimits, download
from .fetch_cache import Store, Stored, store

__all__ = ["FetchError", "FetchLimits", "Fetched", "Fetcher", "Lease"]

Fetched = Stored


class Lease:
    """One interest in a fetch; the fetch is given up when nobody has one any more."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._tell: Callable[[Fetched | FetchError], None] | None = None
        job.leases.add(self)

    def on_done(self, tell: Callable[[Fetched | FetchError], None]) -> None:
        """Call `tell` with the file or with what went wrong, once; at once if that is known."""
        if self._job.result is not None:
            tell(self._job.result)
        else:
            self._tell = tell

    def release(self) -> list[asyncio.Task[None]]:
        """End the interest. May be called again. Returns tasks that are about to end."""
        self._tell = None
        self._job.leases.discard(self)
        return [] if self._job.leases else [self._job.give_up()]

    @property
    def released(self) -> bool:
        """Whether there is no interest any more."""
        return self not in self._job.leases

    def _done(self, result: Fetched | FetchError) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(result)


class _Job:
    """One fetch that is under way.

    Attributes:
        result: The file, as soon as one can be used, or what went wrong.
    """

    def __init__(
        self, url: str, limits: FetchLimits, kept: Store, over: Callable[[_Job], None]
    ) -> None:
        self._over = over
        self.leases: set[Lease] = set()
        self.result: Fetched | FetchError | None = None
        self._url, self._limits, self._store = url, limits, kept
        self._task = asyncio.create_task(self._run(), name="livetransfer-hold-fetch")
        self._task.add_done_callback(self._done)

    def _done(self, _: object) -> None:
        self.leases.clear()
        self._over(self)

    def give_up(self) -> asyncio.Task[None]:
        """Nobody waits for it."""
        self._task.cancel()
        self._over(self)
        return self._task

    def settle(self, result: Fetched | FetchError) -> None:
        if self.result is None:
            self.result = result
            for lease in list(self.leases):
                lease._done(result)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        known = await loop.run_in_executor(None, self._store.load, self._url)
        if known is not None:
            # An older copy is better than another music; whether it has changed is seen to for
            # the next call.
            self.settle(known)
            if known.fresh:
                return
        try:
            fetched, on_disk = await asyncio.wait_for(
                download(self._url, self._limits, known), self._limits.seconds
            )
        except asyncio.TimeoutError:
            self.settle(FetchError(f"it was not there after {self._limits.seconds:g} s"))
        except FetchError as error:
            self.settle(error)
        except Exception as error:
            self.settle(FetchError(f"{type(error).__name__}: {error}"))
        else:
            self.settle(fetched)
            await loop.run_in_executor(
                None, lambda: self._store.save(self._url, fetched, on_disk=on_disk)
            )


_jobs: dict[tuple[asyncio.AbstractEventLoop, str, FetchLimits, int], _Job] = {}


class Fetcher:
    """Fetches URLs within `limits`; fetches of the same URL at the same time are one.

    Args:
        limits: Bounds.
        kept: Where files are kept.
    """

    def __init__(self, limits: FetchLimits, kept: Store | None = None) -> None:
        self._limits, self._store = limits, kept or store

    def lease(self, url: str) -> Lease:
        """Begin to fetch `url`, or join in. Needs a running event loop."""
        key = (asyncio.get_running_loop(), url, self._limits, id(self._store))
        job = _jobs.get(key)
        if job is None:

            def over(gone: _Job) -> None:
                if _jobs.get(key) is gone:
                    del _jobs[key]

            job = _jobs[key] = _Job(url, self._limits, self._store, over)
            if (kept := self._store.recall(url)) is not None:
                job.settle(kept)
        return Lease(job)

    def forget(self, url: str, digest: str) -> None:
        """Drop a file, for it is of no use. May block on the disk."""
        self._store.forget(url, digest)
