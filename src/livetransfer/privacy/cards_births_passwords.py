"""What nobody may be told of a conversation: card numbers, dates of birth, passwords."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .dates import MONTHS, birth_dates, births
from .digit_runs import DIGIT_WORDS, Run, luhn, runs
from .secret_before_name import run_before, word_before

__all__ = ["Secret", "hidden", "secrets", "secrets_of_lines"]


@dataclass(frozen=True)
class Secret:
    """Where a secret is.

    Attributes:
        start: Its first character.
        end: After its last one.
        kind: What it is: ``"card"``, ``"date"`` or ``"secret"``.
    """

    start: int
    end: int
    kind: str


# ISO/IEC 7812-1: at most 19 digits; the shortest that are issued have 13.
_SHORTEST_CARD, _LONGEST_CARD = 13, 19
_NO_NUMBER = 100
"""Digits in a row of which nobody needs to know what they are."""
# ITU-T E.164: a telephone number has at most 15 digits.
_LONGEST_NUMBER = 15
_CODE = re.compile(
    r"\b(?:cvv2?|cvc2?|cv2|cid|security\s+(?:code|number)|card\s+verification|pins?|"
    r"pin\s?(?:code|number)|(?:one[\s-]time|verification|access|unlock)\s+code|m?-?tan|puk|"
    r"otp|prüfnummer|sicherheitscode)\b",
    re.IGNORECASE,
)
_WORD = (
    r"pass\s?-?words?|pass\s?-?codes?|pass\s?-?phrases?|kennw(?:ort|örter)|passw(?:ort|örter)|"
    r"secret\s+(?:word|phrase|answer|question)|security\s+(?:word|answer|question)|"
    r"memorable\s+(?:word|information)"
)
_PASSWORD = re.compile(rf"\b(?:{_WORD})\b", re.IGNORECASE)
_LINK = re.compile(
    r"(?:is|was|are|equals|reads|(?:would|will|used\s+to)\s+be|ist|lautet|war|sind|"
    r"hei(?:ß|ss)t|hieß|wäre)\b\s*:?|['’]s\b|[:=]",
    re.IGNORECASE,
)
_IT_IS = re.compile(
    r"\b(?:it(?:['’]s|\s+is|\s+was)|that(?:['’]s|\s+is)|"
    r"es\s+(?:ist|lautet|war|hei(?:ß|ss)t))\s+",
    re.IGNORECASE,
)
# Whoever corrects himself says it once more.
_CORRECTED = re.compile(
    r"\b(?:no|sorry|i\s+mean|rather|wait|nein|quatsch|entschuldigung|falsch|moment)\b",
    re.IGNORECASE,
)
_LETTERED = re.compile(
    r"\s*(?:(?:is|was|ist|lautet|war)\b|['’]s\b|[:=])[\s:]*"
    r"(?P<value>(?=[A-Z0-9\-]*[A-Z])(?=[A-Z0-9\-]*[0-9])[A-Z0-9\-]{3,})",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"(?:still\s+|also\s+|just\s+|now\s+|been\s+|always\s+)*"
    r"(?:not|no|wrong|incorrect|invalid|expired|being|unknown|rejected|refused|lost|"
    r"forgotten|locked|reset|changed|required|needed|gone|nicht|falsch|abgelaufen|ungültig|"
    r"gesperrt|vergessen)(?![\w@#$%&*!?\-])",
    re.IGNORECASE,
)
_ENDS = re.compile(r"\n|[.!?](?=\s|\Z)")
_SPEAKER = re.compile(r"[A-Z][\w ]{0,30}:[ \t]+")
_NEAR, _CODE_NEAR, _LINK_NEAR, _AGAIN_NEAR = 160, 40, 60, 120
_SHORT_NEAR = 60


_DIGIT = re.compile(r"\d")
# They count among other digits only.
_AMONG_OTHERS = ("oh", " o ", "hundred", "thousand")
# One of these is in each of the words: "six" in "sixteen" and "sixty".
_SHORTEST_WORDS = tuple(
    word for word in DIGIT_WORDS if not any(other in word for other in DIGIT_WORDS if other != word)
)
# One of these is in whatever _CODE or _PASSWORD matches.
_STEMS = (
    *("cv", "cid", "secur", "card", "pin", "code", "tan", "puk", "otp", "prüf", "sicherheit"),
    *("pass", "kennw", "secret", "memorable"),
)


def _may_be_a_card(low: str, spoken: bool) -> bool:
    """Whether there may be as many digits as a card has: each word may stand for six.

    Args:
        low: The text, casefolded.
        spoken: Whether one of `DIGIT_WORDS` is in it.
    """
    digits = len(_DIGIT.findall(low))
    words = sum(map(low.count, _AMONG_OTHERS)) + (sum(map(low.count, DIGIT_WORDS)) if spoken else 0)
    return digits + 6 * words >= _SHORTEST_CARD


def _low(text: str) -> str:
    """Return `text` as the stems are written; the patterns take the Turkish letters for an i."""
    low = text.casefold()
    return low if low.isascii() else low.replace("i\u0307", "i").replace("\u0131", "i")


def _has(low: str, stems: Iterable[str]) -> bool:
    for stem in stems:  # noqa: SIM110 - at half the cost of any(), for each text of a record
        if stem in low:
            return True
    return False


def secrets(text: str, *, this_year: int) -> list[Secret]:
    """Return where `text` has secrets, in their order; they may touch, and do not overlap.

    Args:
        text: What was said or written; lines may begin with who said it (``Caller: ...``).
        this_year: What tells an old date from a recent one.
    """
    return _secrets(text, this_year)[0]


def _secrets(text: str, this_year: int) -> tuple[list[Secret], int]:
    """Return the secrets, and how many digits there are."""
    # Most texts have none: what each has is looked for first, which is quick.
    low = _low(text)
    spoken = _has(low, _SHORTEST_WORDS)
    numbered = spoken or _DIGIT.search(text) is not None
    monthly, named = _has(low, MONTHS), _has(low, _STEMS)
    if not (numbered or monthly or named):
        return [], 0
    # Digits count where a birth or a code is spoken of, and where they may be a card's.
    about_birth = births(text, low)
    wanted = numbered and (
        bool(about_birth)
        or _may_be_a_card(low, spoken)
        or (named and _CODE.search(text) is not None)
    )
    digits = runs(text) if wanted else []
    found = [Secret(*span, "card") for span in _cards(digits)]
    dates = list(birth_dates(text, about_birth, this_year, monthly=monthly))
    spans = (*dates, *_birth_digits(text, about_birth, digits, dates))
    found += [Secret(*span, "date") for span in spans]
    if named:
        found += [Secret(*span, "secret") for span in _codes(text, digits)]
        found += [Secret(*span, "secret") for span in _passwords(text)]
    return _merged(found), sum(len(run.digits) for run in digits)


def secrets_of_lines(lines: Sequence[tuple[str, str]], *, this_year: int) -> list[list[Secret]]:
    """Return the secrets of each line of a conversation.

    A number that one party reads out in several turns is found, and so is the answer to a
    question in the line before.

    Args:
        lines: Who said it, and the words, in their order.
        this_year: See `secrets`.
    """
    found: list[list[Secret]] = [[] for _ in lines]
    whole = _Joined(list(range(len(lines))), [text for _, text in lines])
    in_all, digits = _secrets(whole.text, this_year)
    for secret in in_all:
        whole.give(secret, found)
    if digits < _SHORTEST_CARD:
        return [_merged(each) for each in found]
    for speaker in dict.fromkeys(who for who, _ in lines):
        indexes = [i for i, (who, _) in enumerate(lines) if who == speaker]
        own = _Joined(indexes, [lines[i][1] for i in indexes])
        for start, end in _cards(runs(own.text)):
            own.give(Secret(start, end, "card"), found)
    return [_merged(each) for each in found]


def hidden(text: str, found: Iterable[Secret]) -> str:
    """Return `text` with what says that something is withheld in the place of each secret."""
    parts, at = [], 0
    for secret in found:
        parts += [text[at : secret.start], f"[{secret.kind} withheld]"]
        at = secret.end
    return "".join([*parts, text[at:]])


class _Joined:
    """Some lines as one text."""

    def __init__(self, indexes: list[int], texts: list[str]) -> None:
        # A break in a line is none between lines.
        self.text = "\n".join(text.replace("\n", " ") for text in texts)
        self._bounds, at = [], 0
        for index, text in zip(indexes, texts, strict=True):
            self._bounds.append((index, at, at + len(text)))
            at += len(text) + 1

    def give(self, secret: Secret, found: list[list[Secret]]) -> None:
        for index, start, end in self._bounds:
            low, high = max(start, secret.start), min(end, secret.end)
            if low < high:
                found[index].append(Secret(low - start, high - start, secret.kind))


def _cards(digits: Iterable[Run]) -> Iterator[tuple[int, int]]:
    for run in digits:
        if run.plus and len(run.digits) <= _LONGEST_NUMBER:
            continue
        count = len(run.digits)
        if count > _NO_NUMBER:
            yield run.start, run.end
            continue
        for first in range(count - _SHORTEST_CARD + 1):
            for length in range(min(_LONGEST_CARD, count - first), _SHORTEST_CARD - 1, -1):
                window = run.digits[first : first + length]
                if luhn(window) and window.strip("0"):
                    yield run.places[first][0], run.places[first + length - 1][1]
                    break


def _birth_digits(
    text: str,
    about: Iterable[re.Match[str]],
    digits: Sequence[Run],
    dates: Sequence[tuple[int, int]],
) -> Iterator[tuple[int, int]]:
    """Digits after a word about birth that no date follows: one that is read out as digits."""
    begins = sorted(start for start, _ in dates)
    for match in about:
        before = run_before(text, digits, match.start())
        if before is not None and not before.plus and 4 <= len(before.digits) <= 8:
            yield before.start, before.end
            continue
        first = bisect_left(begins, match.end())
        if first < len(begins) and begins[first] - match.end() <= _NEAR:
            continue
        for run in _after(digits, match.end(), _NEAR):
            enough = 4 if run.start - match.end() > _SHORT_NEAR else 2
            if not run.plus and len(run.digits) >= enough:
                yield run.start, run.end


def _codes(text: str, digits: Sequence[Run]) -> Iterator[tuple[int, int]]:
    for match in _CODE.finditer(text):
        before = run_before(text, digits, match.start())
        if before is not None and len(before.digits) >= 3:
            yield before.start, before.end
            continue
        if (lettered := _LETTERED.match(text, match.end())) is not None:
            yield lettered.span("value")
            continue
        at = match.end()
        for run in _after(digits, at, _CODE_NEAR):
            if at != match.end() and not _CORRECTED.search(text, at, run.start):
                break
            if len(run.digits) >= 3:
                yield run.start, run.end
                at = run.end


def _after(digits: Sequence[Run], at: int, near: int) -> Iterator[Run]:
    """Return the runs that begin at `at` or up to `near` characters after it."""
    for index in range(bisect_left(digits, at, key=_start), len(digits)):
        if digits[index].start - at > near:
            return
        yield digits[index]


def _start(run: Run) -> int:
    return run.start


def _passwords(text: str) -> Iterator[tuple[int, int]]:
    for match in _PASSWORD.finditer(text):
        line_end = _line_end(text, match.end())
        sentence = _sentence_end(text, match.end())
        link = _LINK.search(text, match.end(), min(match.end() + _LINK_NEAR, sentence))
        if link is not None:
            yield from _value(text, link.end())
        else:
            yield from _told_at_once(text, match.end(), line_end)
        for again in _IT_IS.finditer(text, match.end(), match.end() + _AGAIN_NEAR):
            yield from _value(text, again.end())
        if text[match.end() : sentence + 1].rstrip().endswith("?"):
            yield from _answer(text, line_end)
        if (before := word_before(text, match.start(), match.end())) is not None:
            yield before


def _value(text: str, at: int) -> Iterator[tuple[int, int]]:
    while at < len(text) and text[at] in " \t,":
        at += 1
    end = _sentence_end(text, at)
    if at < end and not _STATE.match(text, at):
        yield at, end


def _told_at_once(text: str, at: int, line_end: int) -> Iterator[tuple[int, int]]:
    """A password that follows its name: quoted, or with a sign or a digit in it."""
    follows = re.compile(r"[\s,]*(?P<value>[\"'“‘«](?:[^\n]*?)[\"'”’»](?!\w)|\S*[\d@#$%&*_]\S*)")
    if (match := follows.match(text, at, line_end)) is not None:
        yield match.span("value")


def _answer(text: str, line_end: int) -> Iterator[tuple[int, int]]:
    """What the other party says to a question for a password: the whole line."""
    start = line_end + 1
    if start >= len(text):
        return
    if (speaker := _SPEAKER.match(text, start)) is not None:
        start = speaker.end()
    end = _line_end(text, start)
    if start < end:
        yield start, end


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _sentence_end(text: str, at: int) -> int:
    match = _ENDS.search(text, at)
    return len(text) if match is None else match.start()


def _merged(found: Iterable[Secret]) -> list[Secret]:
    merged: list[Secret] = []
    for secret in sorted(found, key=lambda s: (s.start, -s.end)):
        if merged and secret.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Secret(last.start, max(last.end, secret.end), last.kind)
        else:
            merged.append(secret)
    return merged
