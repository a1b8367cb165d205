"""The words of the steps: what a model reads of their tools."""

from __future__ import annotations

__all__ = [
    "CHOOSE",
    "CONFIRM",
    "CONFIRMED",
    "DECLINE_CALLBACK",
    "DECLINE_MESSAGE",
    "MESSAGE",
    "NAME",
    "NUMBER",
    "NUMBER_OF_MESSAGE",
    "REASON",
    "TAKE",
    "WHEN",
]

CONFIRM = """\
Confirm the number at which the caller is called back. Call it first with confirmed false: it tells
you how to read the number back. Read it back, wait for the caller's answer, and when he has said
that it is right call it again with confirmed true. Use it only after a transfer has failed and you
were told to offer a callback."""

NUMBER = (
    "The number that the caller has said, with country code, like +15550100; or an empty text for "
    "the number that he calls from."
)

CONFIRMED = "Whether the caller has heard the number and said that it is right."

CHOOSE = """\
Write the callback down for the time that the caller has chosen. Call it after
confirm_callback_number, once. Only when it has told you that the call is promised may you say
so."""

WHEN = (
    '"soon" for as soon as possible, or the date and time that the caller has chosen, in his own '
    "time, like 2030-01-31T15:00."
)

REASON = "What the call is about, in one sentence. No card numbers, dates of birth or passwords."

DECLINE_CALLBACK = "The caller does not want to be called back. Call it when he has said so."

TAKE = """\
Pass on the message that the caller leaves, once it is whole and he has nothing to add. Use it only
after a transfer has failed and you were told to offer to take a message. Only when it has told you
that the message was passed on may you say so."""

MESSAGE = "The message, as the caller has said it, in full. No card numbers or passwords."

NAME = "The caller's name, as he gave it; an empty text where he gave none."

NUMBER_OF_MESSAGE = (
    "The number at which he wants to be reached, as he said it; an empty text for the number that "
    "he calls from."
)

DECLINE_MESSAGE = "The caller does not want to leave a message. Call it when he has said so."
