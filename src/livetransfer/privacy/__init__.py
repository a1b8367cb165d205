"""What of a call is kept and told: one policy for logs, records, traces, summaries, briefings."""

from .conversation import filtered
from .privacy import Privacy
from .spoken import spoken

__all__ = ["Privacy", "filtered", "spoken"]
