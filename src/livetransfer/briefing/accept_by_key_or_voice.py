"""Acceptance: whether what the human did connects the caller. A recording cannot fake it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from livetransfer._checks import check_choice, check_key
from livetransfer.answer_class import MACHINES, AnswerClass
from livetransfer.errors import ConfigurationError

__all__ = ["Accept", "Acceptance", "Heard", "Ruling", "draw_code"]

Accept = Literal["either", "voice", "key", "code", "answer"]
"""How a human accepts:

- `"either"`: by voice, through the model's tool, or by `accept_key`.
- `"voice"`: by voice alone.
- `"key"`: by `accept_key` alone. No recording presses it.
- `"code"`: by a digit that is drawn for this call and named in the greeting. Nobody presses it
  who has not listened.
- `"answer"`: whoever answers is connected, unless something else than a person was heard.
"""

ANSWER_PATIENCE = 2.5
"""Seconds after which, with `accept="answer"`, somebody who has said nothing is connected: most
people have said their name by then, and every machine has begun."""

NOISE_PATIENCE = 10.0
"""Seconds after which it is noise that speaks on, not a machine: its words would have told."""

CODES = "3456789"
"""What a code is drawn from. 0, 1 and 2 are what a menu, or a thumb, presses first."""


@dataclass(frozen=True)
class Heard:
    """What is known of the far end when somebody is to be connected.

    Attributes:
        said: What it has said so far, an utterance each.
        answered_by: Its class, as far as it is known.
        suspected: The machine that its words hint at, if any.
        replied: Whether the latest words may be an answer to ours: they belong to a second turn,
            or to one that began long after the phone was answered. A recording goes on and on.
        seconds: Since the answer.
        speaking: Whether it is speaking now.
    """

    said: tuple[str, ...] = ()
    answered_by: AnswerClass = AnswerClass.UNKNOWN
    suspected: AnswerClass | None = None
    replied: bool = True
    seconds: float = 0.0
    speaking: bool = False

    @property
    def spoke(self) -> bool:
        """Whether a word was said."""
        return any(any(c.isalnum() for c in text) for text in self.said)


@dataclass(frozen=True)
class Ruling:
    """Whether to connect.

    Attributes:
        bridges: Connect now.
        final: Where it does not: that will not change for this call's present far end, or `False`
            where it may, with the next words or key.
        why: What the model is told where it does not: a sentence that it can act on.
    """

    bridges: bool
    final: bool = False
    why: str = ""


YES = Ruling(True)
NOT_YET = Ruling(False)


@dataclass(frozen=True)
class Acceptance:
    """How this call's human accepts. Frozen and pure.

    Args:
        accept: See [`Accept`][livetransfer.briefing.accept_by_key_or_voice.Accept].
        accept_key: The key that accepts with `"either"` and `"key"`.
        code: The digit that accepts with `"code"`: see
            [`draw_code`][livetransfer.briefing.accept_by_key_or_voice.draw_code].

    Raises:
        ConfigurationError: Nobody could accept.
    """

    accept: Accept = "either"
    accept_key: str | None = "1"
    code: str | None = None

    def __post_init__(self) -> None:
        check_choice("accept", self.accept, Accept)
        check_key("accept_key", self.accept_key)
        check_key("code", self.code)
        if self.accept == "key" and self.accept_key is None:
            raise ConfigurationError("accept_key", None, 'name one, or use accept="voice"')
        if self.accept == "code" and self.code is None:
            raise ConfigurationError("code", None, "draw one with draw_code()")

    @classmethod
    def drawn(
        cls, accept: Accept, accept_key: str | None, taken: Iterable[str | None]
    ) -> Acceptance:
        """Return how a human accepts, with a code that is none of `taken` where he needs one."""
        code = draw_code((accept_key, *taken)) if accept == "code" else None
        return cls(accept, accept_key, code)

    @property
    def key(self) -> str | None:
        """The key that accepts; None where none does."""
        keys = {"either": self.accept_key, "key": self.accept_key, "code": self.code}
        return keys.get(self.accept)

    def by_voice(self, heard: Heard) -> Ruling:
        """Say whether the model's tool connects."""
        if self.accept in ("key", "code"):
            return Ruling(False, why=f"Only the key {self.key} connects. Ask for it, and wait.")
        if heard.answered_by in MACHINES:
            return Ruling(False, True, f"That is a machine ({heard.answered_by}), not a person.")
        if heard.answered_by is AnswerClass.RINGBACK:
            return Ruling(False, why="It is still ringing. Wait until a person speaks.")
        if not heard.spoke:
            return Ruling(False, why="Nobody has said anything yet. Ask your colleague, and wait.")
        if not heard.replied:
            why = "That was said before your colleague could answer you. Ask, and wait for a yes."
            return Ruling(False, why=why)
        if heard.suspected is not None:
            why = "That sounded like a recording. Ask once more, and wait for an answer."
            return Ruling(False, why=why)
        return YES

    def by_key(self, digit: str, heard: Heard) -> Ruling:
        """Say whether the key `digit` connects."""
        if digit != self.key:
            return NOT_YET
        if heard.answered_by in (AnswerClass.ANNOUNCEMENT, AnswerClass.RINGBACK):
            return Ruling(False, why="Nobody is there who could have pressed a key.")
        return YES

    def by_answer(self, heard: Heard) -> Ruling:
        """Say whether an answer alone connects, asked again as verdicts and time go on."""
        if self.accept != "answer":
            return NOT_YET
        if heard.answered_by in MACHINES:
            return Ruling(False, True, f"That is a machine ({heard.answered_by}), not a person.")
        if heard.answered_by is AnswerClass.RINGBACK or heard.suspected is not None:
            return NOT_YET
        if heard.answered_by is AnswerClass.PERSON or heard.seconds >= NOISE_PATIENCE:
            return YES
        if heard.seconds >= ANSWER_PATIENCE and not heard.speaking:
            return YES
        return NOT_YET


def draw_code(taken: Iterable[str | None], *, chance: random.Random | None = None) -> str:
    """Return a digit for this call that is none of `taken`.

    Args:
        taken: The accept, decline and exit keys.
        chance: Where it comes from; the system's own randomness by default.
    """
    chance = chance or random.SystemRandom()
    return chance.choice([digit for digit in CODES if digit not in set(taken)])
