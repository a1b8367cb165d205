"""The words of the tools: what a model reads of them, and what a caller hears after a failure."""

from __future__ import annotations

from collections.abc import Mapping

from livetransfer.outcome import TransferOutcome
from livetransfer.phases import Phase
from livetransfer.routing.department_opening import Opening
from livetransfer.status import TransferStatus

__all__ = [
    "BROKEN",
    "CALLBACK",
    "HEARD",
    "HOW",
    "NOT_HEARD",
    "NO_CALLBACK",
    "REASON",
    "STATUS",
    "TELL",
    "WHO_CALLS",
    "apology",
    "listed",
    "nobody_to_transfer_to",
    "shortened",
    "spoken_reason",
    "stage",
    "transfer_description",
]

_TRANSFER = """\
Transfer the caller to a person.

Call it when the caller asks for a person, or needs what you cannot do and one of the departments
below can. Do not call it to end a call, nor while a transfer is under way: once is enough, and a
second call does nothing.

Before you call it you may say, in one short sentence, that you will try to reach somebody. Never
say that the caller is connected, or that somebody will answer: nobody has been reached until the
caller hears them, and then you are no longer in the call. If it does not work, the caller is told
so before you speak again; do not say that it did."""

_NOBODY = """\
Nobody can be transferred to now: every department is closed. Do not call it; called all the same,
it calls nobody, and the caller is told so. Say when they open, and offer what else you can do."""

STATUS = """\
Tell how the transfer of this call stands, and which departments are open now. Call it when the
caller asks what is happening, or when they are open. Say no more than it tells you."""

CALLBACK = """\
Begin to agree on a callback: somebody calls the caller back. Call it when the caller asks to be
called back, or agrees to it because the department is closed or nobody could be reached. It
promises nothing yet: it tells you what to do next."""

WHO_CALLS = "Who is to call back; a department that is closed now can, too."

REASON = (
    "Why the caller needs a person, in one sentence, for the colleague who takes the call. "
    "No card numbers, dates of birth or passwords."
)

HOW = (
    '"warm": the colleague is told about the caller before they are connected; '
    '"cold": the caller is sent on at once.'
)

BROKEN = (
    "The transfer did not work because of a technical problem; nobody was reached. "
    "The caller is on the line with you. "
)
"""What a model is told where a transfer has raised instead of failing."""

HEARD = "The caller has heard that already: go on with how you can help."
TELL = "The caller is on the line with you: say so, and offer what else you can do."
NOT_HEARD = "Apologise; offer to take a message or another way to help."

_LONGEST_REASON = 300


def transfer_description(openings: Mapping[str, Opening], more: str | None) -> str:
    """Return the description of ``transfer_call``.

    Args:
        openings: How the departments stand.
        more: What the application adds, such as when to transfer.
    """
    parts = [_TRANSFER, *([more.strip()] if more else []), "Departments:\n" + listed(openings)]
    return "\n\n".join(parts)


def nobody_to_transfer_to(openings: Mapping[str, Opening]) -> str:
    """Return the description of ``transfer_call`` where no department is open."""
    return f"{_NOBODY}\n\nDepartments:\n{listed(openings)}"


def listed(openings: Mapping[str, Opening]) -> str:
    """Return a line for each department: what it is for, and whether it is closed."""
    return "\n".join(f"- {name}: {_stands(opening)}" for name, opening in openings.items())


def _stands(opening: Opening) -> str:
    about = opening.about
    if about and about[-1] not in ".!?":
        about += "."
    if opening.open:
        return about or "open."
    closed = "Closed now" + (f"; opens {opening.opens}." if opening.opens else ".")
    return f"{about} {closed}".strip()


def spoken_reason(reason: object) -> str:
    """Return a model's reason as one short line without quotation marks."""
    text = " ".join(reason.split()) if isinstance(reason, str) else ""
    return text.replace('"', "'")


def shortened(reason: str) -> str:
    """Return a reason cut to its length. Filter it first: half a card number is found by nobody."""
    if len(reason) <= _LONGEST_REASON:
        return reason
    return reason[: _LONGEST_REASON - 3].rstrip() + "..."


_APOLOGIES = {
    TransferStatus.BUSY: "I am sorry, the line is busy.",
    TransferStatus.NO_ANSWER: "I am sorry, nobody has answered.",
    TransferStatus.DECLINED: "I am sorry, nobody can take your call right now.",
    TransferStatus.VOICEMAIL: "I am sorry, I have only reached a voicemail.",
    TransferStatus.UNAVAILABLE: "I am sorry, nobody is available right now.",
    TransferStatus.INDETERMINATE: "I cannot tell whether I have reached anybody.",
    TransferStatus.CANCELLED: "I am with you again.",
}
_APOLOGY = "I am sorry, I could not reach anybody."

NO_CALLBACK = "I am sorry, I cannot arrange a callback now. What else can I do for you?"
"""What the caller hears where no callback can be agreed on."""

_QUESTIONS = {
    None: "What else can I do for you?",
    "callback": "Shall I have somebody call you back?",
    "message": "Would you like to leave a message?",
}


def apology(outcome: TransferOutcome) -> str:
    """Return what the caller hears when a transfer has failed: what is so, and no promise."""
    return f"{_APOLOGIES.get(outcome.status, _APOLOGY)} {_QUESTIONS[outcome.offers]}"


_STAGES = {
    Phase.WAITING: "the caller waits in a queue",
    Phase.DIALLING: "a phone is being dialled",
    Phase.RINGING: "a phone is ringing",
    Phase.BRIEFING: "a colleague has answered and is being told about the caller",
    Phase.BRIDGING: "a colleague has agreed and is about to be connected",
    Phase.REFERRING: "the caller's telephone system has been asked to make the call",
}


def stage(phase: Phase) -> str:
    """Return how far a transfer has come that is under way."""
    return _STAGES.get(phase, "nobody has been dialled yet")
