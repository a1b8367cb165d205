"""Ranking: a strategy is asked, within bounds, and what it says is checked."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask_now

from .router import RouteRequest
from .strategies import Candidate, Linear, Strategy

__all__ = ["ranked"]

logger = logging.getLogger("livetransfer")


def ranked(
    strategy: Strategy, candidates: Sequence[Candidate], request: RouteRequest
) -> list[list[str]]:
    """Return who rings, in groups by name: those who are available; empty groups are left out.

    A strategy that fails is told, and they ring in the order of the queue.
    """
    try:
        return ask_now("strategy", lambda: _groups(strategy, candidates, request))
    except CodeFailed as failed:
        logger.error("a ring strategy failed; the queue's order is used", **logged(failed))
        request.failed(failed.hook, failed.reason, "the queue's order is used")
        return _groups(Linear(), candidates, request)


def _groups(
    strategy: Strategy, candidates: Sequence[Candidate], request: RouteRequest
) -> list[list[str]]:
    available = {one.name: one.available for one in candidates}
    groups = []
    for group in strategy.rank(candidates, request):
        if isinstance(group, (str, Candidate)):
            raise TypeError("it ranked members, not groups of members")
        free = []
        for one in group:
            name = one if isinstance(one, str) else one.name
            if name not in available:
                raise ValueError("it ranked somebody who is not in the queue")
            if available[name]:
                free.append(name)
        if free:
            groups.append(free)
    return groups
