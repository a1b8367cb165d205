"""Dates in what people say, and whether they may be somebody's date of birth."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

__all__ = ["MONTHS", "birth_dates", "births"]

_BIRTH = re.compile(
    r"\b(?:born|births?|birth\s?days?|birth\s?dates?|d\.?\s?o\.?\s?b\b\.?|geboren|geburtsdatum|"
    r"geburtstag)",
    re.IGNORECASE,
)
# One of these is in whatever _BIRTH matches; looked for first, which is quick.
_BIRTH_STEMS = ("born", "birth", "gebor", "geburt")
_DOB = re.compile(r"d\.?\s?o\.?\s?b")
MONTHS = (
    *("jan", "feb", "mar", "mär", "apr", "may", "mai", "jun", "jul"),
    *("aug", "sep", "oct", "okt", "nov", "dec", "dez"),
)
"""One of them is in every name of a month."""
_MONTH = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|may|mai|june?|juni|july?|"
    r"juli|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)
_TENS = r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_UNIT = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_TEEN = r"(?:ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)"
_BELOW_100 = rf"(?:{_TENS}(?:[\s-]+{_UNIT})?|{_TEEN}|(?:oh|o|hundred(?:\s+and)?)[\s-]+{_UNIT})"
_YEAR_WORDS = (
    rf"(?:nineteen[\s-]+{_BELOW_100}|twenty[\s-]+{_BELOW_100}|"
    rf"two\s+thousand(?:\s+and)?(?:[\s-]+(?:{_BELOW_100}|{_UNIT}))?)"
)
_YEAR = rf"(?:\d{{4}}|['’]?\d{{2}}|{_YEAR_WORDS})"
_ORDINAL = (
    r"(?:\d{1,2}(?:st|nd|rd|th|\.)?|(?:twenty|thirty)[\s-]+(?:first|second|third|fourth|fifth|"
    r"sixth|seventh|eighth|ninth)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|"
    r"tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|"
    r"nineteenth|twentieth|thirtieth)"
)
_SEP = r"\s?[./\-–]\s?"


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"(?<![\w]){one}(?!\w)", re.IGNORECASE) for one in patterns)


_IN_DIGITS = _compiled(
    rf"(?P<year>\d{{4}}){_SEP}\d{{1,2}}{_SEP}\d{{1,2}}",
    rf"\d{{1,2}}{_SEP}\d{{1,2}}{_SEP}(?P<year>\d{{4}}|\d{{2}})",
    r"\d{1,2}\s\d{1,2}\s(?P<year>\d{4})",
)
_IN_WORDS = _compiled(
    rf"(?:the\s+)?{_ORDINAL}(?:\s+of)?[\s-]+{_MONTH}\.?,?(?:[\s-]+(?:of\s+)?(?P<year>{_YEAR}))?",
    rf"{_MONTH}\.?[\s-]+(?:the\s+)?{_ORDINAL}(?:(?:,\s?|\s+)(?P<year>{_YEAR}))?",
    rf"{_MONTH}\.?,?\s+(?P<year>\d{{4}}|{_YEAR_WORDS})",
)
# What any of those has: looked for first, which is quick.
_TWO_NUMBERS = re.compile(r"\d\s?[./\-–]\s?\d|\d\s\d")
_A_MONTH = re.compile(rf"\b{_MONTH}\b", re.IGNORECASE)
_AFTER = 160
"""Characters after a word about birth in which a date is taken to be one of birth."""
_OLD = 10
"""Years after which a date is taken to be one of birth whatever is said about it."""
_UNITS = {word: number for number, word in enumerate(_UNIT[3:-1].split("|"), 1)}
_TEENS = {word: number for number, word in enumerate(_TEEN[3:-1].split("|"), 10)}
_TENS_VALUES = {word: 10 * number for number, word in enumerate(_TENS[3:-1].split("|"), 2)}


def births(text: str, low: str) -> list[re.Match[str]]:
    """Return the words about birth.

    Args:
        text: The text.
        low: The same in small letters.
    """
    if _DOB.search(low) is None and not any(stem in low for stem in _BIRTH_STEMS):
        return []
    return list(_BIRTH.finditer(text))


def birth_dates(
    text: str, about: Iterable[re.Match[str]], this_year: int, *, monthly: bool
) -> Iterator[tuple[int, int]]:
    """Return where dates are that may be dates of birth.

    Every date near a word about birth; and every full date that is ten or more years old.

    Args:
        text: The text.
        about: The words about birth in it.
        this_year: What tells an old date from a recent one.
        monthly: Whether one of `MONTHS` is in it.
    """
    near = [(match.start() - 40, match.end() + _AFTER) for match in about]
    patterns = _IN_DIGITS if _TWO_NUMBERS.search(text) else ()
    patterns += _IN_WORDS if monthly and _A_MONTH.search(text) else ()
    for pattern in patterns:
        for match in pattern.finditer(text):
            # They are all about as long: it is in the last that begins before it, or in none.
            last = bisect_right(near, (match.start(), len(text) + _AFTER)) - 1
            inside = last >= 0 and match.start() <= near[last][1]
            year = match.group("year")
            if inside or (year is not None and _age(year, this_year) >= _OLD):
                yield match.span()


def _age(year: str, this_year: int) -> int:
    digits = year.strip("'’")
    if digits.isdigit():
        value = int(digits)
        if len(digits) == 2:
            # "87" is 1987, "24" is 2024.
            value += 2000 if value <= this_year % 100 else 1900
        return this_year - value
    words = re.split(r"[\s-]+", year.casefold())
    value = 1900 if words[0] == "nineteen" else 2000
    rest = words[1:] if words[0] != "two" else words[2:]
    for word in rest:
        value += _UNITS.get(word, 0) + _TEENS.get(word, 0) + _TENS_VALUES.get(word, 0)
    return this_year - value
