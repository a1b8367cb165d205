"""Instead: what the AI does with a caller whom nobody could take: a callback, a message."""

from __future__ import annotations

from .message import Message
from .message_delivery import MessageFolder, MessageWebhook
from .tools import FallbackTools

__all__ = ["FallbackTools", "Message", "MessageFolder", "MessageWebhook"]
