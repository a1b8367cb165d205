"""The conversation as a briefing may know it: what its model is not told it cannot say."""

from __future__ import annotations

from livekit.agents.llm import ChatContext, ChatMessage, FunctionCall, FunctionCallOutput

from .privacy import Privacy

__all__ = ["filtered"]


def filtered(conversation: ChatContext, privacy: Privacy) -> ChatContext:
    """Return a copy of `conversation` without secrets: its words, and what its tools were told.

    Summaries, instructions and answers of a briefing are made from it; telephone numbers stay,
    because a human may have to call back.
    """
    copied = ChatContext([item.model_copy() for item in conversation.items])
    messages = [item for item in copied.items if isinstance(item, ChatMessage)]
    texts = [(item.role, item.text_content or "") for item in messages]
    for message, text in zip(messages, privacy.lines(texts), strict=True):
        if message.text_content:
            rest = [part for part in message.content if not isinstance(part, str)]
            message.content = [text, *rest]
    for item in copied.items:
        if isinstance(item, FunctionCall):
            item.arguments = privacy.spoken(item.arguments)
        elif isinstance(item, FunctionCallOutput):
            item.output = privacy.spoken(item.output)
    return copied
