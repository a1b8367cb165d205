"""Fallback: what follows an attempt that failed."""

from __future__ import annotations

from .actions import Action, GoTo, HangUp, Next, OfferCallback, Retry, ReturnToAgent, TakeMessage
from .policy import Fallback, FallbackPolicy, On, Otherwise, Policy, explain

__all__ = [
    "Action",
    "Fallback",
    "FallbackPolicy",
    "GoTo",
    "HangUp",
    "Next",
    "OfferCallback",
    "On",
    "Otherwise",
    "Policy",
    "Retry",
    "ReturnToAgent",
    "TakeMessage",
    "explain",
]
