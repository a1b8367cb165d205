"""Briefing: an AI tells the human who is calling and why, and takes the yes or the no."""

from __future__ import annotations

from .agent import BriefingAgent
from .request import BriefingRequest
from .verdict import Verdict

__all__ = ["BriefingAgent", "BriefingRequest", "Verdict"]
