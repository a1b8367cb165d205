"""Runs of digits in what people say: written, grouped, or spoken as words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

__all__ = ["DIGIT_WORDS", "SINGLE_WORDS", "Run", "luhn", "runs"]


def _numbered(words: str, start: int = 0) -> dict[str, str]:
    return {word: str(number) for number, word in enumerate(words.split(), start)}


_UNITS = {
    **_numbered("zero one two three four five six seven eight nine"),
    **_numbered("null eins zwei drei vier fünf sechs sieben acht neun"),
    **{"zwo": "2", "ein": "1", "eine": "1", "nought": "0", "naught": "0"},
}
# They are words of other meanings too: they count inside a run only.
_INSIDE = {"oh": "0", "o": "0", "hundred": "00", "thousand": "000"}
_TEENS = _numbered(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10
)
_TENS = _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 2)
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_FILLERS = frozenset(
    {"uh", "um", "er", "erm", "eh", "and", "then", "dash", "space", "hyphen", "äh", "ähm", "und"}
)
DIGIT_WORDS = (*_UNITS, *_TEENS, *_TENS)
"""One of them is in every number that is said in words."""
SINGLE_WORDS = frozenset({*_UNITS, "oh", "o"})
"""Those that stand for one digit."""
_WORDS = "|".join(sorted({*_UNITS, *_INSIDE, *_TEENS, *_TENS, *_TIMES, *_FILLERS}, key=len)[::-1])
_TOKEN = re.compile(rf"\d|(?<![^\W\d_])(?:{_WORDS})(?![^\W\d_])", re.IGNORECASE)
# What may stand between two digits of one number, read aloud or written, over several lines too.
_GAP = re.compile(r"[\s\-‐-―−.,:;/_()·•*|]*\Z")
_LONGEST_GAP = 24


@dataclass(frozen=True)
class Run:
    """Digits that follow one another.

    Attributes:
        digits: The digits, ``0-9``.
        places: Of each digit, where what says it begins and ends in the text.
        plus: Whether a plus sign stands before it.
    """

    digits: str
    places: tuple[tuple[int, int], ...]
    plus: bool

    @property
    def start(self) -> int:
        """Where it begins."""
        return self.places[0][0]

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.places[-1][1]


def luhn(digits: str) -> bool:
    """Whether the last of `digits` is their check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


class _Reader:
    """Collects the digits of one text."""

    def __init__(self, text: str) -> None:
        self.found: list[Run] = []
        self._text = text
        self._digits: list[str] = []
        self._places: list[tuple[int, int]] = []
        self._until = 0
        """Where what belongs to the run so far ends: fillers included."""
        self._times: tuple[int, int] | None = None
        self._tens = False

    def read(self) -> list[Run]:
        for match in _TOKEN.finditer(self._text):
            self._token(match.group(), match.start(), match.end())
        self._close()
        return self.found

    def _token(self, token: str, start: int, end: int) -> None:
        gap = self._text[self._until : start]
        if self._digits and (len(gap) > _LONGEST_GAP or not _GAP.match(gap)):
            self._close()
        word = token.casefold()
        if len(token) == 1 and token.isdigit():
            self._add(str(unicodedata.digit(token)), start, end)
        elif word in _UNITS or (word in _INSIDE and self._digits):
            digit = _UNITS.get(word) or _INSIDE[word]
            if self._tens and word in _UNITS and digit != "0":
                # "forty one" is 41, not 401.
                self._digits.pop()
                self._places[-1] = (self._places[-1][0], end)
                self._digits.append(digit)
                self._until, self._tens = end, False
            else:
                self._add(digit, start, end)
        elif word in _TEENS:
            self._add(_TEENS[word], start, end)
        elif word in _TENS:
            self._add(_TENS[word] + "0", start, end)
            self._tens = True
        elif word in _TIMES:
            self._times = (_TIMES[word], start)
            self._until = end
        elif word in _FILLERS and self._digits:
            self._until = end
        else:
            self._close()

    def _add(self, digits: str, start: int, end: int) -> None:
        if self._times is not None:
            times, start = self._times
            digits = digits[0] * times + digits[1:]
            self._times = None
        for digit in digits:
            self._digits.append(digit)
            self._places.append((start, end))
        self._until, self._tens = end, False

    def _close(self) -> None:
        if self._digits:
            before = self._text[: self._places[0][0]].rstrip(" (")
            plus = before.endswith(("+", "＋"))
            self.found.append(Run("".join(self._digits), tuple(self._places), plus))
        self._digits, self._places, self._times, self._tens = [], [], None, False


def runs(text: str) -> list[Run]:
    """Return the runs of digits in `text`, in their order."""
    return _Reader(text).read()
