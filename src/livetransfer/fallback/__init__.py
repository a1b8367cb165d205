"""Fallback: what follows an attempt that failed."""

from __future__ import annotations

from .policy import Action, Fallback, FallbackPolicy, HangUp, Next, Retry, ReturnToAgent

__all__ = ["Action", "Fallback", "FallbackPolicy", "HangUp", "Next", "Retry", "ReturnToAgent"]
