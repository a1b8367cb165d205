"""Matching: finds phrases in transcripts of which some words are wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from livetransfer.answer_class import AnswerClass
from livetransfer.errors import ConfigurationError

from .phrases import PERSON, WORDING

__all__ = ["Found", "PhraseBook", "plain"]

GAP = 3
"""How many other words may stand between two of a pattern."""

MISSING = 0.6
"""What is left of the weight of a pattern of three words or more of which one is missing."""

OWN = 1.0
"""The weight of a phrase that was given: it decides alone, also beside a greeting."""

DECIDED = {
    AnswerClass.VOICEMAIL: 1.0,
    AnswerClass.IVR: 0.9,
    AnswerClass.SCREENING: 0.8,
    AnswerClass.ANNOUNCEMENT: 0.8,
}
"""The weight from which on a class is decided. People speak of messages and numbers, too."""

_OTHERS = str.maketrans({"ß": "ss", "œ": "oe", "æ": "ae", "ø": "o"})
_WORD = re.compile(r"[a-z0-9]+")
_ITEM = re.compile(r"[a-z0-9]+\*?")


def plain(text: str) -> str:
    """Return `text` in small letters, without accents and punctuation, one blank between words."""
    split = unicodedata.normalize("NFKD", text.lower().translate(_OTHERS))
    return " ".join(_WORD.findall("".join(c for c in split if not unicodedata.combining(c))))


@dataclass(frozen=True)
class Found:
    """What a text hints at.

    Attributes:
        weights: For each class of machines that was found, the sum of its patterns.
        phrases: The patterns of each of them, the strongest first.
        greeting: Whether a person answers like that.
        count: How many words the text has.
        lone: The classes that rest on one word alone, which may have been misheard.
    """

    weights: Mapping[AnswerClass, float]
    phrases: Mapping[AnswerClass, Sequence[str]]
    greeting: bool
    count: int
    lone: frozenset[AnswerClass] = frozenset()

    def weight(self, answer: AnswerClass) -> float:
        """Return what speaks for `answer`."""
        return self.weights.get(answer, 0.0)

    def patterns(self, answer: AnswerClass) -> int:
        """Return how many patterns speak for `answer`."""
        return len(self.phrases.get(answer, ()))

    @property
    def strongest(self) -> AnswerClass | None:
        """The class for which most speaks; None where nothing was found."""
        return max(self.weights, key=self.weight, default=None)


class _Pattern:
    """One pattern, whole and with one word missing; compiled when it may have been heard."""

    def __init__(self, text: str, weight: float, answer: AnswerClass | None, language: str) -> None:
        self.text, self.weight, self.answer, self.language = text, weight, answer, language
        self.keys = [item.split("|") for item in text.split()]

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        return _joined(self._items)

    @cached_property
    def _parts(self) -> list[re.Pattern[str]]:
        items = self._items
        if len(items) < 3:
            return []
        # The longest word carries the meaning: it has to be there.
        longest = max(range(len(items)), key=lambda i: min(map(len, self.keys[i])))
        return [_joined([*items[:i], *items[i + 1 :]]) for i in range(len(items)) if i != longest]

    @property
    def _items(self) -> list[str]:
        return [_expression(alternatives) for alternatives in self.keys]

    def found(self, text: str) -> float:
        """Return the weight of what of the pattern is in `text`."""
        if self._whole.search(text):
            return self.weight
        if any(part.search(text) for part in self._parts):
            return self.weight * MISSING
        return 0.0


def _expression(alternatives: list[str]) -> str:
    words = [a[:-1] + "[a-z0-9]*" if a.endswith("*") else a for a in alternatives]
    return "(?:" + "|".join(words) + ")"


def _joined(items: list[str]) -> re.Pattern[str]:
    gap = rf"(?: [a-z0-9]+){{0,{GAP}}} "
    return re.compile(r"\b" + gap.join(items) + r"\b")


class PhraseBook:
    """The phrases of some languages, shared by all calls.

    Args:
        languages: Of those that are known (`en`, `de`, `es`, `fr`).
        more: For a class, more patterns; their weight is 1.0, so that each decides alone.

    Raises:
        ConfigurationError: A language is not known, or a pattern has no word.
    """

    def __init__(
        self,
        languages: Iterable[str],
        more: Mapping[AnswerClass, Iterable[str]] | None = None,
    ) -> None:
        chosen = list(dict.fromkeys(languages))
        for language in chosen:
            if language not in WORDING:
                known = ", ".join(sorted(WORDING))
                remedy = f"use some of {known}; phrases of others go into phrases="
                raise ConfigurationError("languages", language, remedy)
        machines = [pattern for language in chosen for pattern in _of(language)]
        people = [_Pattern(text, 1.0, None, name) for name in chosen for text in PERSON[name]]
        self._index = _Index([*machines, *_given(more or {}), *people])

    def look(self, text: str) -> Found:
        """Return what `text`, a transcript in any spelling, hints at."""
        simple = plain(text)
        hits: dict[tuple[AnswerClass, str], list[tuple[float, str]]] = {}
        greeting = False
        for pattern in self._index.candidates(simple):
            weight = pattern.found(simple)
            if not weight:
                continue
            if pattern.answer is None:
                greeting = greeting or weight >= 1.0
                continue
            key = (pattern.answer, pattern.language)
            hits.setdefault(key, []).append((weight, pattern.text))
        weights: dict[AnswerClass, float] = {}
        phrases: dict[AnswerClass, list[str]] = {}
        lone: set[AnswerClass] = set()
        for (answer, language), found in hits.items():
            # One language is spoken at a time, and some words are those of two.
            weight = sum(one for one, _ in found)
            if weight > weights.get(answer, 0.0):
                weights[answer] = weight
                phrases[answer] = [text for _, text in sorted(found, reverse=True)]
                alone = bool(language) and len(found) == 1 and " " not in found[0][1]
                (lone.add if alone else lone.discard)(answer)
        count = simple.count(" ") + 1 if simple else 0
        return Found(weights, phrases, greeting, count, frozenset(lone))


class _Index:
    """Finds, in one pass over a text, the patterns of which enough words are there."""

    def __init__(self, patterns: list[_Pattern]) -> None:
        self._patterns = patterns
        self._exact: dict[str, list[tuple[int, int]]] = {}
        self._begins: dict[str, list[tuple[int, int]]] = {}
        for number, pattern in enumerate(patterns):
            for position, alternatives in enumerate(pattern.keys):
                for word in alternatives:
                    table = self._begins if word.endswith("*") else self._exact
                    table.setdefault(word.rstrip("*"), []).append((number, position))
        self._lengths = sorted({len(word) for word in self._begins})

    def candidates(self, simple: str) -> list[_Pattern]:
        """Return the patterns that may be in `simple`."""
        seen: dict[int, set[int]] = {}
        for word in set(simple.split()):
            hits = list(self._exact.get(word, ()))
            for length in self._lengths:
                if length > len(word):
                    break
                hits += self._begins.get(word[:length], ())
            for number, position in hits:
                seen.setdefault(number, set()).add(position)
        return [
            self._patterns[number]
            for number, positions in sorted(seen.items())
            if len(positions) >= max(1, len(self._patterns[number].keys) - 1)
            and (len(positions) == len(self._patterns[number].keys) or len(positions) >= 2)
        ]


def _of(language: str) -> Iterable[_Pattern]:
    for answer, patterns in WORDING[language].items():
        for text, weight in patterns.items():
            yield _Pattern(text, weight, AnswerClass(answer), language)


def _given(more: Mapping[AnswerClass, Iterable[str]]) -> Iterable[_Pattern]:
    for answer, texts in more.items():
        if isinstance(texts, str):
            raise ConfigurationError("phrases", texts, "give a list of phrases for each class")
        for text in texts:
            words = [_simplified(item) for item in text.split()]
            items = [word for word in words if word]
            if not items:
                raise ConfigurationError("phrases", text, "give a phrase that has a word")
            yield _Pattern(" ".join(items), OWN, AnswerClass(answer), "")


def _simplified(item: str) -> str:
    split = unicodedata.normalize("NFKD", item.lower().translate(_OTHERS))
    letters = "".join(c for c in split if not unicodedata.combining(c))
    return "|".join(_ITEM.findall(letters))
