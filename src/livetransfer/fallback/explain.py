"""explain(): what a policy says of every status, after the first, second and last attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from livetransfer.answer_class import AnswerClass
from livetransfer.destination import Destination
from livetransfer.outcome import Attempt
from livetransfer.status import TransferStatus

from .actions import Action, GoTo, HangUp, Next, OfferCallback, Retry, ReturnToAgent, TakeMessage

__all__ = ["table"]

_NEVER_ASKED = frozenset(
    {
        TransferStatus.BRIDGED,
        TransferStatus.REFERRED,
        TransferStatus.CALLER_LEFT,
        TransferStatus.ANSWERED_ELSEWHERE,
    }
)
"""Statuses that end a run, or are those of one phone of several: no policy is asked of them."""

_SOMEBODY = Destination("+15550100")


def table(decide: Callable[[Attempt], Action], answers: Iterable[AnswerClass]) -> str:
    """Return the table, in Markdown.

    The columns are the first attempt at a destination with another one left in the list, the
    second attempt (where the first has led somewhere else: the first there) with none left, and one
    after which nobody is dialled any more, because ``max_attempts`` or ``max_hold`` is reached.

    Args:
        decide: Says what follows an attempt.
        answers: The answer classes of which it has something to say.
    """
    rows = [
        (status.value, _cells(decide, status, None))
        for status in TransferStatus
        if status not in _NEVER_ASKED
    ]
    for answer in sorted(answers, key=list(AnswerClass).index):
        name = f"answered by: {answer.value}"
        rows.append((name, _cells(decide, TransferStatus.VOICEMAIL, answer)))
    head = ("after", ["first attempt", "second attempt", "last attempt"])
    widths = [
        max(len(row[0]) if index == 0 else len(row[1][index - 1]) for row in [head, *rows])
        for index in range(4)
    ]
    lines = [
        _line((head[0], *head[1]), widths),
        "|" + "|".join("-" * (w + 2) for w in widths) + "|",
    ]
    return "\n".join(lines + [_line((name, *cells), widths) for name, cells in rows])


def _cells(
    decide: Callable[[Attempt], Action], status: TransferStatus, answer: AnswerClass | None
) -> list[str]:
    # A policy is asked after a cancellation where the caller has left a queue by the exit key.
    cancelled = status is TransferStatus.CANCELLED
    who = None if cancelled or status is TransferStatus.UNAVAILABLE else _SOMEBODY
    left = 0 if cancelled else 1
    first = Attempt(who, status, tries=1, remaining=left, answered_by=answer, last=cancelled)
    action = _decided(decide, first)
    second = replace(first, tries=2, remaining=0)
    if isinstance(action, GoTo):
        second = replace(first, remaining=0, gone_to=(action.key,))
    last = replace(second, last=True)
    return [_cell(action), _cell(_decided(decide, second)), _cell(_decided(decide, last))]


def _decided(decide: Callable[[Attempt], Action], attempt: Attempt) -> Action | Exception:
    try:
        return decide(attempt)
    except Exception as error:
        return error


def _cell(action: Action | Exception) -> str:
    if isinstance(action, Exception):
        return f"fails: {type(action).__name__}"
    words = _WORDS[type(action)](action)
    return f'{words}, saying "{action.say}"' if action.say else words


def _go_to(action: GoTo) -> str:
    target = action.target if isinstance(action.target, str) else action.target.label
    return f"go to {target}" + (", unbriefed" if action.cold else "")


_WORDS: dict[type[Action], Callable[..., str]] = {
    Next: lambda action: "the next one",
    Retry: lambda action: f"again after {action.after:g} s",
    GoTo: _go_to,
    ReturnToAgent: lambda action: "back to the AI",
    HangUp: lambda action: "hang up",
    OfferCallback: lambda action: "the AI offers a callback",
    TakeMessage: lambda action: "the AI takes a message",
}


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "| " + " | ".join(padded) + " |"
