"""callback_of: whether a job is one that makes a promised call."""

from __future__ import annotations

from livekit.agents import JobContext

from livetransfer.callback_dispatch import callback_in

__all__ = ["callback_of"]


def callback_of(ctx: JobContext) -> str | None:
    """Return the id of the callback that this job is to make; None for the call of a caller.

    It is in the job's metadata, or in that of its room where the worker has no ``agent_name``.
    It may be asked before ``ctx.connect()``.

    Args:
        ctx: The job.
    """
    job = ctx.job
    return callback_in(job.metadata) or callback_in(job.room.metadata)
