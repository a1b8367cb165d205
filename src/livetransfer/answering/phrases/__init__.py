"""What machines say on the phone, and how people answer it: a module for each language.

Each entry is a pattern for `matching`: words in order, at most three others between them; ``|`` is
"or", a trailing ``*`` is any ending. Accents and capitals do not count. A pattern's weight is what
it adds for its class; from `DECIDED` there a class is decided.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import english, french, german, spanish
from .port import Wording

__all__ = ["PERSON", "WORDING", "Wording"]

_LANGUAGES = {"en": english, "de": german, "es": spanish, "fr": french}

WORDING: Mapping[str, Wording] = {name: each.MACHINES for name, each in _LANGUAGES.items()}
"""The patterns of each language."""

PERSON: Mapping[str, tuple[str, ...]] = {name: each.PERSON for name, each in _LANGUAGES.items()}
"""How people answer, in each language: quickens a verdict, and outweighs no machine."""
