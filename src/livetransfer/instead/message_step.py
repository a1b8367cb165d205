"""The message step: what the caller leaves is passed on, once."""

from __future__ import annotations

import logging

from livekit.agents import ToolError

from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed
from livetransfer.fallback import TakeMessage

from . import times
from .message import Message
from .message_delivery import deliver
from .step import Step, unharmed

__all__ = ["decline_message", "take_message"]

logger = logging.getLogger("livetransfer")

LONGEST = 5000
"""Characters of a message, at most."""

PASSED_ON = "The message was passed on. Tell the caller so, and ask what else you can do."


async def take_message(step: Step, text: str, name: str, number: str) -> str:
    """Pass a message on; return what the model is told.

    It is passed on once, however often, and however many times at once, that is asked for. A turn
    that is interrupted meanwhile takes nothing back.

    Raises:
        ToolError: There is no message, or it could not be passed on.
    """
    return await unharmed(_take(step, text, name, number), "livetransfer-message")


async def _take(step: Step, text: str, name: str, number: str) -> str:
    action, facts = step.action, step.facts
    assert isinstance(action, TakeMessage)
    async with step.lock:
        if step.result == "made":
            return PASSED_ON
        if step.result is not None:
            raise ToolError("The time for that is over; nothing was passed on.")
        if not text:
            raise ToolError(
                "There is no message yet. Let the caller say it, then call take_message with it."
            )
        privacy, recording = facts.privacy, step.recording
        message = Message(
            id=step.id,
            text=privacy.spoken(text)[:LONGEST],
            taken=times.now(),
            name=privacy.spoken(name)[:100] or None,
            number=number[:40] or facts.number,
            words=_words(step),
            department=facts.department,
            status=facts.status,
            call=facts.call,
            audio=None if recording is None else recording.wav(),
        )
        try:
            await deliver(action.to, message)
        except CodeFailed as failed:
            logger.error("a message could not be passed on", **logged(failed))
            raise ToolError(
                "The message could not be passed on because of a technical problem. Say so; call "
                "take_message once more, or offer another way to help."
            ) from None
        step.note = "The message that the caller left was passed on."
        step.end("made")
    return PASSED_ON


def _words(step: Step) -> tuple[str, ...]:
    """Return what the caller has said since the step began, without secrets."""
    lines = [
        ("user" if item.role == "user" else "assistant", item.text_content or "")
        for item in step.session.history.items[step.began :]
        if item.type == "message" and item.role in ("user", "assistant")
    ]
    kept = step.facts.privacy.lines(lines)
    return tuple(
        text.strip()
        for (who, _), text in zip(lines, kept, strict=True)
        if who == "user" and text.strip()
    )


async def decline_message(step: Step) -> str:
    """The caller leaves none; return what the model is told."""
    async with step.lock:
        if step.result == "made":
            return PASSED_ON
        step.note = "The caller does not want to leave a message."
        step.end("declined")
    return "No message was taken. Ask what else you can do."
