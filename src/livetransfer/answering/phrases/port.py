"""What a language's module says: patterns for each answer class, and how heavy they weigh."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Wording"]

Wording = Mapping[str, Mapping[str, float]]
"""For each answer class, patterns and their weights."""
