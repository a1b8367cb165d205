"""The callback step: the number is read back, a time is chosen, and the store keeps the request."""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from livekit.agents import AgentSession, ToolError
from livekit.agents.voice import SpeechHandle

from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed
from livetransfer.fallback import OfferCallback

from . import times
from .numbers import NoCallback, callback_number, digit_by_digit
from .step import Step, unharmed
from .store_request import keep_request

__all__ = ["choose_time", "confirm_number", "decline_callback", "promised"]

logger = logging.getLogger("livetransfer")

_promises: WeakKeyDictionary[AgentSession[Any], str] = WeakKeyDictionary()


def promised(session: AgentSession[Any]) -> str | None:
    """Return what the caller of a session was promised already; None for nothing."""
    return _promises.get(session)


def _action(step: Step) -> OfferCallback:
    assert isinstance(step.action, OfferCallback)
    return step.action


def _here(step: Step) -> Any:
    return times.now().astimezone(ZoneInfo(_action(step).timezone))


def confirm_number(step: Step, number: str, confirmed: bool, *, turn: SpeechHandle) -> str:
    """Read a number back, or take it as confirmed; return what the model is told.

    Args:
        step: The step.
        number: What the model has written; nothing for the number that the caller calls from.
        confirmed: Whether the caller has said that it is right.
        turn: The turn of the AI in which the model says so: he can only have said it before.

    Raises:
        ToolError: It cannot be called, or was not read back.
    """
    if (already := promised(step.session)) is not None:
        return already
    own = step.facts.number
    try:
        if not number and own is None:
            raise NoCallback(
                "The number that the caller calls from is not known. Ask for a number at which he "
                "can be called back, with the country code."
            )
        found = callback_number(number or own or "")
        if number and found != own and not _action(step).other_numbers:
            raise NoCallback(
                "Only the number that the caller calls from is called back. Ask whether that one "
                "will do; then give an empty number."
            )
    except NoCallback as refused:
        raise ToolError(f"{refused} Nothing was promised yet.") from None
    if confirmed and step.read_back == found and step.read_in is not turn:
        step.number = found
        here = _here(step)
        return (
            "The number is confirmed. Ask when the caller wants to be called; then call "
            f"choose_callback_time. Now it is {here:%A}, {here:%Y-%m-%dT%H:%M}, in the caller's "
            "time. Nothing was promised yet."
        )
    step.read_back, step.read_in = found, turn
    step.number = None
    return (
        f"Read the number back to the caller: {digit_by_digit(found)}. Ask whether it is right, "
        "and wait for the answer; then call confirm_callback_number again, with this number and "
        "confirmed true. Nothing was promised yet."
    )


async def choose_time(step: Step, when: str, reason: str) -> str:
    """Write the callback down; return what the model is told.

    It is written down once for a call, however often, and however many times at once, that is
    asked for. A turn that is interrupted meanwhile takes nothing back.

    Raises:
        ToolError: The number is not confirmed, nobody is called then, or it could not be kept.
    """
    return await unharmed(_choose(step, when, reason), "livetransfer-callback")


async def _choose(step: Step, when: str, reason: str) -> str:
    action = _action(step)
    async with step.lock:
        if (already := promised(step.session)) is not None:
            return already
        if step.result is not None:
            raise ToolError("The time for that is over; nothing was promised.")
        if step.number is None:
            raise ToolError(
                "Read the number back first, with confirm_callback_number. "
                "Nothing was promised yet."
            )
        here = _here(step)
        zone = ZoneInfo(action.timezone)
        try:
            window = times.window(
                when,
                zone=zone,
                hours=action.hours,
                seconds=action.window,
                ahead=action.ahead,
                at=here,
            )
        except times.NoTime as refused:
            raise ToolError(f"{refused} Nothing was promised yet.") from None
        try:
            await keep_request(step, action, step.number, window, reason)
        except CodeFailed as failed:
            logger.error("a callback could not be written down", **logged(failed))
            raise ToolError(
                "The callback could not be written down because of a technical problem: nothing "
                "was promised. Say so; call choose_callback_time once more, or offer another way "
                "to help."
            ) from None
        begins, ends = window
        promise = (
            f"It is promised: the caller will be called back {times.in_words(begins, here)} or "
            f"within the time until {times.in_words(ends, here)}. Tell him so; it is written down "
            "once, and need not be asked for again."
        )
        _promises[step.session] = promise
        step.note = (
            f"The caller was promised a callback, from {begins:%Y-%m-%d %H:%M} to {ends:%H:%M}. Do "
            "not promise another one."
        )
        step.end("made")
        return promise


async def decline_callback(step: Step) -> str:
    """The caller wants none; return what the model is told."""
    async with step.lock:
        if (already := promised(step.session)) is not None:
            return already
        step.note = "The caller does not want to be called back."
        step.end("declined")
    return "Nothing was promised. Ask what else you can do."
