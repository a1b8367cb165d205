"""Telephone numbers in texts: written, or read out digit by digit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .digit_runs import SINGLE_WORDS, runs

__all__ = ["Found", "numbers"]

Found = tuple[int, int, str]
"""Where one begins and ends, and its digits as they stand there."""

# What may stand between two digits: hyphens, the figure dash and the hard space too, but not what
# stands between two dates.
_BETWEEN = r"(?:[ \u00a0()/.\-\u2010-\u2012]{0,2}| / )"
# Not what is part of a name, and no time or date; at most the 15 digits of ITU-T E.164.
_NUMBER = re.compile(rf"(?<![0-9A-Za-z+])\+?[0-9](?:{_BETWEEN}[0-9]){{5,14}}(?![0-9A-Za-z]|:[0-9])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}")
_DECIMAL = re.compile(r"(?P<whole>0|[1-9]\d*)\.(?P<part>\d{1,6})")
_SECONDS = re.compile(r"\d{2}\.\d+")
_STEMS = (*(SINGLE_WORDS - {"eins", "eine", "o"}), " o")  # "ein" is in the first two
_DIGIT = re.compile("[0-9]")
_SHORTEST = 7
_SINGLE = 5
"""Digits that are said one by one, at least: amounts and times of day are said otherwise."""
_LONG_ENOUGH = len("one one one one one")


def numbers(text: str) -> list[Found]:
    """Return the telephone numbers in `text`, in their order."""
    # Most texts have none: what is quick is looked at first.
    said = list(_said(text)) if len(text) >= _LONG_ENOUGH else []
    if _DIGIT.search(text) is None:
        return said
    found = [
        (match.start(), match.end(), match.group())
        for match in _NUMBER.finditer(text)
        if not _is_other(match, text)
        and not any(start < match.end() and match.start() < end for start, end, _ in said)
    ]
    return sorted([*found, *said]) if said else found


def _is_other(match: re.Match[str], text: str) -> bool:
    """Whether it is a date, or a number that somebody has measured."""
    found = match.group()
    if _DATE.fullmatch(found):
        return True
    if _SECONDS.fullmatch(found) and text[: match.start()].endswith(":"):
        return True
    decimal = _DECIMAL.fullmatch(found)
    # 555.0100 is a number of an American town.
    return decimal is not None and (len(decimal["whole"]), len(decimal["part"])) != (3, 4)


def _said(text: str) -> Iterator[Found]:
    low = text.casefold()
    if sum(map(low.count, _STEMS)) < _SINGLE:
        return
    for run in runs(text):
        words = [text[start:end].casefold() for start, end in dict.fromkeys(run.places)]
        one_by_one = sum(word in SINGLE_WORDS for word in words)
        if len(run.digits) >= _SHORTEST and one_by_one >= _SINGLE:
            yield run.start, run.end, run.digits
