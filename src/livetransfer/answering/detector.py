"""The default detector: tones, rhythm and phrases; no model, and no thread of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from livekit import rtc

from livetransfer._logged import logged
from livetransfer.answer_class import AnswerClass
from livetransfer.errors import ConfigurationError

from .beep_and_ringback import Hearing
from .phrase_matching import PhraseBook
from .port import AnswerVerdict, Evidence, OnChange
from .transcripts import Words

__all__ = ["LANGUAGES", "ToneAndPhraseDetector"]

logger = logging.getLogger("livetransfer")

LANGUAGES = ("en", "de", "es", "fr")
"""The languages whose phrases are known."""

A = AnswerClass


class ToneAndPhraseDetector:
    """Finds out what has answered by what the networks and machines of the world sound like.

    Three things are looked at, and none needs a model:

    - tones: ringback, busy, the three tones before an announcement (SIT), fax, a mailbox's beep;
    - words, where transcripts are pushed: the phrases of mailboxes, screeners, menus and "not in
      service" announcements, some of them heard wrongly;
    - rhythm: a short greeting and then quiet is a person, seconds of speech without a pause are
      a machine. It gives way to words.

    Music decides nothing. One object serves any number of calls; it costs well under 0.5 % of a
    core for each, in the thread that pushes.

    Args:
        languages: Whose phrases are looked for; all of them by default.
        phrases: More phrases for a class, in any language: words in order, ``|`` for "or", a
            trailing ``*`` for any ending. Each decides alone.

    Raises:
        ConfigurationError: A language is not known, or a phrase or class cannot be used.
    """

    def __init__(
        self,
        *,
        languages: Iterable[str] = LANGUAGES,
        phrases: Mapping[AnswerClass | str, Iterable[str]] | None = None,
    ) -> None:
        if isinstance(languages, str):
            raise ConfigurationError("languages", languages, 'give a list, like ["en", "de"]')
        machines = (A.SCREENING, A.IVR, A.VOICEMAIL, A.ANNOUNCEMENT)
        more: dict[AnswerClass, Iterable[str]] = {}
        for answer, texts in (phrases or {}).items():
            if answer not in machines:
                names = ", ".join(machine.value for machine in machines)
                raise ConfigurationError("phrases", answer, f"use one of {names}")
            more[A(answer)] = texts
        self._book = PhraseBook(languages, more)

    def begin(self, *, on_change: OnChange | None = None) -> _Session:
        """Listen to a leg that has just answered."""
        return _Session(self._book, on_change)


class _Session:
    """One leg. Hears and reads, and weighs one against the other."""

    def __init__(self, book: PhraseBook, on_change: OnChange | None) -> None:
        self._hearing = Hearing()
        self._words = Words(book)
        self._on_change = on_change
        self._verdict = AnswerVerdict()
        self._changes: list[AnswerVerdict] = []
        self._closed = False
        self._beep: float | None = None
        self._turn = 0
        """The turn in which the verdict was found."""

    # -- what may be read ------------------------------------------------------------------

    @property
    def verdict(self) -> AnswerVerdict:
        """What has answered, as far as it is known."""
        return self._verdict

    @property
    def changes(self) -> Sequence[AnswerVerdict]:
        """Every verdict so far."""
        return tuple(self._changes)

    @property
    def suspected(self) -> AnswerClass | None:
        """The machine that what was heard hints at."""
        if self._verdict.is_machine:
            return self._verdict.answered_by
        return self._words.suspected

    @property
    def replied(self) -> bool:
        """Whether the latest words may be an answer to ours."""
        rhythm = self._hearing.rhythm
        if rhythm.turns == 0:  # no voice was heard, or none that sounds like one
            return self._words.finals > 1 or self._words.begin >= REPLY
        return rhythm.turns > 1 or rhythm.turn_begin >= REPLY

    @property
    def beep(self) -> float | None:
        """When the last beep of a mailbox ended."""
        return self._beep

    @property
    def heard(self) -> float:
        """Seconds that were listened to."""
        return self._hearing.now

    # -- what is pushed --------------------------------------------------------------------

    def push_frame(self, frame: rtc.AudioFrame) -> AnswerVerdict | None:
        """Take a frame of the leg."""
        if self._closed or not self._hearing.push(frame):
            return None
        return self._weigh()

    def push_transcript(self, text: str, *, final: bool = True) -> AnswerVerdict | None:
        """Take what the leg has said."""
        if self._closed or not self._words.push(text, final, self._hearing.now):
            return None
        return self._weigh()

    def pass_time(self, since_answer: float) -> AnswerVerdict | None:
        """Say that time has passed, in silence where no frame came."""
        if self._closed or not self._hearing.pass_time(since_answer):
            return None
        return self._weigh()

    async def aclose(self) -> None:
        """Stop."""
        self._closed = True

    # -- weighing --------------------------------------------------------------------------

    def _weigh(self) -> AnswerVerdict | None:
        before = self._verdict
        self._words.follow(self._hearing.rhythm, self._hearing.now)
        if not self._by_tones() and not self._by_words():
            self._by_rhythm()
        return self._verdict if self._verdict is not before else None

    def _is(self, answer: AnswerClass, kind: str, what: str, confidence: float) -> bool:
        """Make it the verdict, if it is another; always true."""
        old = self._verdict
        if old.answered_by is answer and (
            old.evidence.kind == kind or old.confidence >= confidence
        ):
            return True
        evidence = Evidence(kind, what)  # type: ignore[arg-type]
        self._verdict = AnswerVerdict(answer, round(self.heard, 3), evidence, confidence)
        self._turn = max(1, self._turns)
        self._changes.append(self._verdict)
        if self._on_change is not None:
            try:
                self._on_change(self._verdict)
            except Exception:
                logger.warning("who was to be told what has answered failed", **logged())
        return True

    @property
    def _turns(self) -> int:
        """How many turns have begun: by the voice, or by the words where none was made out."""
        return self._hearing.rhythm.turns or self._words.begun

    @property
    def _settled(self) -> bool:
        """Whether a person has spoken and then waited, as no machine does."""
        person = self._verdict.answered_by is A.PERSON
        return person and (
            self._turns > self._turn or self._hearing.rhythm.quiet(self.heard) > SETTLED
        )

    def _by_tones(self) -> bool:
        hearing = self._hearing
        if self._settled:
            return False
        if self._verdict.answered_by is A.RINGBACK and (ended := hearing.ringing_ended()):
            self._words.restart()
            self._is(A.UNKNOWN, "tone", f"ringing ended: {ended}", 0.8)
            return False
        signal = hearing.signal
        if signal == "ringback":
            self._words.restart()
            return self._is(A.RINGBACK, "tone", signal, 0.95)
        if signal is not None:
            return self._is(A.ANNOUNCEMENT, "tone", signal, 0.95)
        if (beep := hearing.beep()) is not None and beep != self._beep:
            self._beep = beep
            # One that comes before any greeting is a recorder's, or a headset's.
            greeted = hearing.rhythm.spoken >= GREETED or self._words.finals > 0
            mailbox = greeted and self._verdict.answered_by in (A.UNKNOWN, A.PERSON, A.VOICEMAIL)
            if mailbox:
                old = self._verdict
                if old.answered_by is A.VOICEMAIL and old.evidence.what != "beep":
                    self._verdict = AnswerVerdict()
                return self._is(A.VOICEMAIL, "tone", "beep", max(0.85, old.confidence))
        return False

    def _by_words(self) -> bool:
        words, verdict = self._words, self._verdict
        rhythm, heard = self._hearing.rhythm, self._hearing.any_sound
        found = words.machine(verdict, self._settled, rhythm.turn)
        if found is not None:
            answer, phrase = found
            return self._is(answer, "words", phrase, 0.9)
        quiet = rhythm.quiet(self.heard) if heard and rhythm.last >= 0 else None
        sure = words.person(verdict, quiet, self._turns > self._turn)
        if sure is not None:
            if verdict.is_machine:
                words.restart_at_turn()
            return self._is(A.PERSON, "words", "short greeting", sure)
        return False

    def _by_rhythm(self) -> None:
        rhythm, now = self._hearing.rhythm, self.heard
        if rhythm.last < 0 or rhythm.music:
            return
        undecided = self._verdict.answered_by is A.UNKNOWN
        unsure = undecided or self._verdict.evidence.kind == "rhythm"
        if not unsure or self._settled:
            return
        read = self._words.count > 0
        unbroken, in_all = (12.0, 15.0) if read else (UNBROKEN, IN_ALL)
        if (rhythm.stretch >= unbroken or rhythm.turn >= in_all) and not rhythm.musical:
            self._is(A.VOICEMAIL, "rhythm", "long speech", 0.5)
        elif undecided and not read and rhythm.turn <= GREETING:
            needed = QUIET if rhythm.turn <= SHORT_GREETING else QUIET_AFTER_LONGER
            if rhythm.quiet(now) >= needed and rhythm.voiced >= 0.2:
                self._is(A.PERSON, "rhythm", "short greeting", 0.5)


REPLY = 2.0
"""Seconds after the answer by which a recording has begun: who speaks first then, replies."""

GREETED = 1.0
"""Seconds of speech that a mailbox's greeting has at least, before its beep."""

UNBROKEN = 5.5
"""Seconds of speech without a pause that no person says who has just picked up."""

IN_ALL = 8.0
"""The same with pauses between sentences."""

GREETING = 4.2
"""Seconds that a person's greeting lasts at most."""

SHORT_GREETING = 2.2
QUIET = 0.55
"""Seconds of quiet after a short greeting: who waits now is a person."""

QUIET_AFTER_LONGER = 1.1
SETTLED = 1.6
"""Seconds for which a machine does not wait in the middle of its text."""
