"""Filters what a model says, as it says it: a secret may come in several pieces."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator

from .digit_runs import runs
from .privacy import Privacy

__all__ = ["spoken"]

_SENTENCE = re.compile(r"[.!?…:;]+[\"')\]]*\s+|\n+")
_AFTER = " .,:;!?…\n\"')]"
_CONTEXT = 200
"""Characters of what was said before that tell what a number is."""
_MOST = 2000
"""Characters that are held back at most, for a text with no end of a sentence."""


async def spoken(text: AsyncIterable[str], privacy: Privacy) -> AsyncIterator[str]:
    """Return `text` without secrets, sentence by sentence; what `tts_node` is given.

    A sentence that ends with digits is held back until it is clear that no more follow.
    """
    before, waiting = "", ""
    async for piece in text:
        waiting += piece
        cut = _cut(waiting)
        if cut:
            yield privacy.spoken(waiting[:cut], before=before)
            before, waiting = (before + waiting[:cut])[-_CONTEXT:], waiting[cut:]
    if waiting:
        yield privacy.spoken(waiting, before=before)


def _cut(waiting: str) -> int:
    """Return how much of `waiting` can be said now."""
    ends = [match.end() for match in _SENTENCE.finditer(waiting)]
    if not ends:
        return len(waiting) if len(waiting) > _MOST else 0
    digits = runs(waiting)
    for end in reversed(ends):
        if not any(run.end <= end and not waiting[run.end : end].strip(_AFTER) for run in digits):
            return end
    return len(waiting) if len(waiting) > _MOST else 0
