"""Words: what was said on one leg, and what it tells of who has answered."""

from __future__ import annotations

from livetransfer.answer_class import AnswerClass

from .phrase_matching import DECIDED, Found, PhraseBook
from .port import MACHINES, AnswerVerdict
from .rhythm import Rhythm

__all__ = ["Words"]

LATEST = 70
"""Words that are looked at: a greeting is over by then."""

MARGIN = 0.6
"""By how much more must speak for another machine than for the one that was found."""

SETTLED = 2.4
"""The weight that makes a machine of somebody who has spoken with us like a person: a person may
well speak of messages and numbers. One more is needed of who has greeted like one."""

MONOLOGUE = 6.0
"""Seconds of speech after which it is not needed."""

HINT = 0.4
"""The weight from which on words are suspected to be a machine's."""

GREETED = 1.0
"""The weight that decides where somebody also greets as a person does."""

PATIENCE = ((0.25, 0.35), (0.5, 0.7), (0.7, 1.3))
"""Up to which weight of machines, how many seconds of quiet make a person."""

FEW_WORDS = 3
"""Words that are too few for one phrase among them to decide: one may have been misheard."""

MORE_WORDS = 6
"""The same where the phrase is a single word: of the few that a person greets with, one in ten is
misheard, and sometimes as a word that only machines say."""

FEW = 7
"""Words of a greeting that needs nothing else to be a person's."""


PACE = 15.0
"""Characters that are said in a second; of what was written down with no voice to be heard."""


class Words:
    """Collects the transcripts of one leg.

    Attributes:
        count: How many words there are.
        finals: How many utterances were over, on the whole line.
        begun: How many had begun.
        begin: When the latest of them had begun, about, in seconds since the answer.
    """

    def __init__(self, book: PhraseBook) -> None:
        self._book = book
        self.count = 0
        self._over: list[tuple[int, str]] = []
        """Each utterance that is over, with the number of its turn."""
        self._interim = ""
        self._turn = 0
        self._final = False
        self.finals = self.begun = 0
        self._voiced = False
        self.begin = 0.0
        self._all: Found | None = None
        self._latest: Found | None = None

    def push(self, text: str, final: bool, now: float) -> bool:
        """Take an utterance; return whether it says anything new."""
        text = text.strip()
        if text == self._interim and not (final and text):
            return False
        if text and not self._interim:
            self.begun += 1
            if not self._voiced:
                self._turn = self.begun
        if final:
            self._over.append((self._turn, text))
            self.finals += bool(text)
            self.begin = max(0.0, now - len(text) / PACE)
            self._interim = ""
        else:
            self._interim = text
        self._final = final
        self._all = self._latest = None
        self.count = len(self._text(None).split())
        return True

    def follow(self, rhythm: Rhythm, now: float) -> None:
        """Take note of whose turn it is."""
        # The transcript is late: a new turn begins with the first sound of it.
        self._voiced = rhythm.turns > 0
        if self._voiced and rhythm.turns != self._turn:
            self._turn = rhythm.turns
            self._latest = None

    def restart(self) -> None:
        """Forget what was said: somebody else is on the line."""
        self._over, self._interim, self.count = [], "", 0
        self._all = self._latest = None

    def restart_at_turn(self) -> None:
        """Forget what was said before the present turn."""
        self._over = [(number, text) for number, text in self._over if number >= self._turn]
        self._all = self._latest = None

    def _text(self, turn: int | None) -> str:
        parts = [text for number, text in self._over if turn is None or number >= turn]
        return " ".join([*parts, self._interim])

    def _look(self) -> Found:
        if self._all is None:
            self._all = self._book.look(" ".join(self._text(None).split()[-LATEST:]))
        return self._all

    def _look_at_latest(self) -> Found:
        """What the present turn hints at."""
        if self._latest is None:
            self._latest = self._book.look(" ".join(self._text(self._turn).split()[-LATEST:]))
        return self._latest

    @property
    def suspected(self) -> AnswerClass | None:
        """The machine that the words hint at."""
        if not self.count:
            return None
        found = self._look_at_latest() if self._turn > 1 else self._look()
        strongest = found.strongest
        if strongest is None or found.weight(strongest) < HINT:
            return None
        return strongest

    def machine(
        self, verdict: AnswerVerdict, settled: bool, turn: float
    ) -> tuple[AnswerClass, str] | None:
        """Return the machine that the words are, and its phrase; None if there is no other.

        Args:
            verdict: What was found so far.
            settled: Whether a person has spoken with us.
            turn: For how many seconds somebody has spoken now.
        """
        if not self.count:
            return None
        found = self._look_at_latest() if settled else self._look()
        strongest = found.strongest
        if strongest is None:
            return None
        needed = GREETED if found.greeting else DECIDED[strongest]
        if found.count <= FEW_WORDS and found.patterns(strongest) < 2:
            return None
        if strongest in found.lone and (found.greeting or found.count <= MORE_WORDS):
            return None
        if settled:
            needed = SETTLED if turn >= MONOLOGUE else SETTLED + (verdict.confidence > 0.8)
        by_words = verdict.answered_by in MACHINES and verdict.evidence.kind != "rhythm"
        if by_words and strongest is not verdict.answered_by:
            needed = max(needed, found.weight(verdict.answered_by) + MARGIN)
            if verdict.evidence.kind == "tone":
                needed += MARGIN
        weight = found.weight(strongest)
        if weight < needed or (strongest is verdict.answered_by and by_words):
            return None
        return strongest, found.phrases[strongest][0]

    def person(self, verdict: AnswerVerdict, quiet: float | None, new_turn: bool) -> float | None:
        """Return how sure it is that a person said the latest words; None if it is not known.

        Args:
            verdict: What was found so far.
            quiet: Seconds for which nobody has spoken; None where nothing was heard.
            new_turn: Whether a turn has begun since the verdict.
        """
        answer = verdict.answered_by
        rhythm = verdict.evidence.kind == "rhythm"
        if answer in (AnswerClass.VOICEMAIL, AnswerClass.ANNOUNCEMENT) and not rhythm:
            return None
        follows = answer in (AnswerClass.SCREENING, AnswerClass.IVR)
        if follows and not new_turn:
            return None
        found = self._look_at_latest() if follows else self._look()
        if not found.count:
            return None
        strongest = found.strongest
        weight = found.weight(strongest) if strongest else 0.0
        if weight > (HINT if follows else PATIENCE[-1][0]) or found.count > 30:
            return None
        if weight > 0.5 and not found.greeting:
            return None
        patience = next(seconds for limit, seconds in PATIENCE if weight <= limit)
        if not found.greeting and found.count > FEW:
            patience = max(patience, 0.8)
        over = self._final if quiet is None else quiet >= patience
        if not over:
            return None
        return 0.9 if found.greeting else 0.8
