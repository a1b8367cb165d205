"""Secrets that stand before their name: "4711 is my PIN", "swordfish, that's my password"."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from .digit_runs import Run

__all__ = ["run_before", "word_before"]

_NEAR = 60
_SUBJECT_NEAR = 160
# Between a value and the name that follows it.
_BETWEEN = re.compile(
    r"[\s,.;\-–]*(?:(?:and|und)\s+)?"
    r"(?:(?:that|it|this)(?:['’]s|\s+is|\s+was)|(?:das|dies|es)\s+(?:ist|war)|"
    r"is|was|ist|war|as|als)\s+"
    r"(?:(?:my|the|your|our|his|her|their|a|new|old|current|card|date\s+of|"
    r"meine?|die|der|das|deine?|ihre?|seine?|unsere?|neues?|altes?)\s+){0,3}",
    re.IGNORECASE,
)
# A value that is said with nothing else: the whole subject, or what somebody has chosen.
_SUBJECT = re.compile(
    r"(?:\A|[\n.!?,:;]|\b(?:it(?:['’]s|\s+is)|es\s+ist|used?|takes?|took|sets?|chose|choose|"
    r"nehme|nutze|verwende|habe)\b)\s*"
    r"(?P<value>[\"'“‘«„][^\n\"”’»“]{1,80}[\"'”’»“]|\S{3,})\Z",
    re.IGNORECASE,
)
_NO_VALUES = frozenset(
    [
        *("all", "another", "because", "everything", "here", "nothing", "something", "that"),
        *("there", "they", "this", "what", "where", "which", "who", "wrong", "forgotten", "lost"),
        *("alles", "das", "dies", "hier", "wie", "falsch", "vergessen", "verloren", "problem"),
        *("missing", "important", "required", "needed", "nichts", "etwas", "them", "such"),
    ]
)
# What may follow the name itself: "password reset" is no name of a value.
_ENDED = re.compile(
    r"\s*(?:\Z|[.,;!?\n]|(?:and|but|for|there|here|now|please|und|aber|für|hier|dort|jetzt)\b)",
    re.IGNORECASE,
)


def run_before(text: str, digits: Sequence[Run], at: int) -> Run | None:
    """Return the run of digits of which what begins at `at` is the name, where there is one."""
    index = bisect_left(digits, at, key=lambda run: run.start) - 1
    if index < 0 or not 0 < at - digits[index].end <= _NEAR:
        return None
    return digits[index] if _BETWEEN.fullmatch(text, digits[index].end, at) else None


def word_before(text: str, at: int, end: int) -> tuple[int, int] | None:
    """Return where the word, or quoted words, are of which what is at `at` to `end` is the name.

    A sentence that only says something about it, "the problem is my password", has none.
    """
    if _ENDED.match(text, end) is None:
        return None
    for begin in range(max(0, at - _NEAR), at):
        if text[begin] in " ,.;\n\t" and _BETWEEN.fullmatch(text, begin, at):
            subject = _SUBJECT.search(text, max(0, begin - _SUBJECT_NEAR), begin)
            if subject is None or subject["value"].strip("\"'.,").casefold() in _NO_VALUES:
                return None
            return subject.span("value")
    return None
