"""Privacy: what of people's words and numbers is kept, and for how long."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from livetransfer._checks import check_choice
from livetransfer._logged import wordless
from livetransfer.errors import ConfigurationError

from .cards_births_passwords import Secret, hidden, secrets, secrets_of_lines
from .numbers import numbers

__all__ = ["Numbers", "Privacy", "Words"]

logger = logging.getLogger("livetransfer")

Words = Literal["keep", "drop"]
Numbers = Literal["keep", "last4", "drop"]
WITHHELD = "[withheld]"

_PII = "lk.pii."


@dataclass(frozen=True)
class Privacy:
    """What of people's words and numbers is kept, and for how long.

    One policy for records, traces, logs, summaries and what a briefing may say. Card numbers,
    dates of birth and passwords are withheld whatever it says; so is what `also` takes out.
    Finding them is a matter of patterns, in English and German: it takes out what people usually
    say, and cannot promise to find everything; the how-to about records says what it does not.

    Args:
        words: ``"keep"`` keeps what was said, without those secrets; ``"drop"`` keeps no word of
            a person, and of the summary nothing.
        numbers: Of a telephone number: ``"last4"`` keeps the last four digits, ``"keep"`` all,
            ``"drop"`` none.
        retention: How long records are kept; None for as long as their sink keeps them.
        also: Takes a text and returns it without what else nobody may be told. It is called for
            each text, must be quick and plain; where it raises, or returns no text, the whole
            text is withheld.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    words: Words = "keep"
    numbers: Numbers = "last4"
    retention: timedelta | None = None
    also: Callable[[str], str] | None = None

    def __post_init__(self) -> None:
        check_choice("words", self.words, Words)
        check_choice("numbers", self.numbers, Numbers)
        if self.retention is not None and (
            not isinstance(self.retention, timedelta) or self.retention <= timedelta(0)
        ):
            raise ConfigurationError(
                "retention", self.retention, "give a timedelta, like timedelta(days=30)"
            )
        if self.also is not None and not callable(self.also):
            raise ConfigurationError("also", self.also, "give a function of a text")

    # -- words -----------------------------------------------------------------------------

    def spoken(self, text: str, *, before: str = "") -> str:
        """Return `text` as a briefing may say it: without secrets; numbers stay.

        Args:
            text: What is about to be said.
            before: What was said before it, which may tell what a number is.
        """
        skip = len(before)
        found = [
            Secret(max(0, each.start - skip), each.end - skip, each.kind)
            for each in secrets(before + text, this_year=date.today().year)
            if each.end > skip
        ]
        return self._also(hidden(text, found))

    def lines(self, lines: Sequence[tuple[str, str]]) -> list[str]:
        """Return the words of a conversation as a briefing may know them.

        A card number that is read out over several turns is found too, and so is the answer to a
        question for a password.

        Args:
            lines: Who said it, and the words, in their order.
        """
        found = secrets_of_lines(lines, this_year=date.today().year)
        return [
            self._also(hidden(text.replace("\n", " "), each))
            for (_, text), each in zip(lines, found, strict=True)
        ]

    def told(self, text: str) -> str | None:
        """Return somebody's words as they are kept: without secrets and numbers; or None."""
        return None if self.words == "drop" else self.text(self.spoken(text))

    def conversation(self, lines: Sequence[tuple[str, str]]) -> list[str | None]:
        """Return the words of a conversation as they are kept; see `lines`."""
        if self.words == "drop":
            return [None for _ in lines]
        return [self.text(text) for text in self.lines(lines)]

    # -- numbers ---------------------------------------------------------------------------

    def number(self, number: str | None) -> str | None:
        """Return a telephone number as it is kept; None where it is dropped."""
        if number is None or self.numbers == "keep":
            return number
        if self.numbers == "drop":
            return None
        digits = [c for c in number if c.isdigit()]
        return "…" + "".join(digits[-4:]) if len(digits) > 4 else "…"

    def text(self, text: str) -> str:
        """Return `text`, a reason or an address, with the telephone numbers in it as kept.

        Written ones are found, and those that are read out digit by digit.
        """
        if self.numbers == "keep":
            return text
        parts, at = [], 0
        for start, end, digits in numbers(text):
            parts += [text[at:start], self.number(digits) or "…"]
            at = end
        return "".join([*parts, text[at:]])

    def plain(self, value: Any) -> Any:
        """Return what JSON can hold with every text in it as `text` returns it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.plain(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(one) for one in value]
        return value

    # -- logs ------------------------------------------------------------------------------

    def filter(self, record: logging.LogRecord) -> bool:
        """Filter a log record, of which the numbers and words are in the ``lk.pii.*`` fields.

        ``logging.getLogger("livetransfer").addFilter(privacy)``. Tracebacks are filtered as texts;
        where no words are kept, they say the kinds of the errors alone.
        """
        if record.exc_info or record.exc_text:
            record.exc_text, record.exc_info = self._traceback(record), None
        for key, value in list(vars(record).items()):
            if key.startswith(_PII) and value is not None:
                vars(record)[key] = self.told(str(value)) or WITHHELD
        return True

    def _traceback(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if self.words == "drop":
            if error is None:
                return WITHHELD
            text = "".join(traceback.format_exception(wordless(error)))
        elif error is not None:
            text = "".join(traceback.format_exception(error))
        else:
            text = record.exc_text or ""
        return self.text(self.spoken(text.rstrip()))

    def _also(self, text: str) -> str:
        if self.also is None or not text:
            return text
        try:
            found = self.also(text)
        except KeyboardInterrupt:
            raise
        except BaseException:
            logger.error("the privacy policy's own filter raised; the text is withheld")
            return WITHHELD
        return found if isinstance(found, str) else WITHHELD
