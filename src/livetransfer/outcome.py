"""TransferOutcome: what became of a transfer, as data; and what became of each attempt."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from ._frozen import Frozen
from ._so_far import SoFar
from ._underlying_error import Cause
from .answer_class import AnswerClass
from .circumstances import CallerFacts, QueueState
from .control import BridgeMode
from .destination import Destination
from .errors import TransferError
from .status import RETRYABLE, TransferStatus

__all__ = [
    "Attempt",
    "CallEnd",
    "EndedBy",
    "Offered",
    "TransferFailed",
    "TransferOutcome",
]

Offered = Literal["callback", "message"]
"""What the AI has tools for after a transfer that has failed."""


class EndedBy(str, Enum):
    """Who or what ended the call between caller and human."""

    CALLER = "caller"
    HUMAN = "human"
    NOBODY = "nobody"
    """It was not watched (``after="leave"``), or there was no such call."""
    LOST = "lost"
    """The connection to the call was lost, and the parties may still talk; or the room was
    deleted."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class CallEnd:
    """How the call between caller and human ended.

    Attributes:
        by: Who left first.
        seconds: How long the two were joined, in seconds.
        returned: Whether the caller is with the AI again.
    """

    by: EndedBy
    seconds: float = 0.0
    returned: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {"by": self.by.value, "seconds": self.seconds, "returned": self.returned}


@dataclass(frozen=True)
class Attempt:
    """One attempt at one destination, as a [`FallbackPolicy`][livetransfer.FallbackPolicy] sees it.

    Attributes:
        destination: Whom it was for; None where a router named nobody. Of several phones that rang
            together, the one that decided.
        status: What became of it.
        sip_code: The final SIP response code, where there was one.
        sip_reason: Its reason phrase.
        reason: More words, for people: what the human said when declining, or what failed.
        words: What the human said when declining, where he said something.
        human_identity: The identity of the human's leg.
        tries: How many times this destination has been tried, this time included.
        remaining: How many destinations of the list have not been tried yet; 1 where a router is
            asked before each attempt, which may name more.
        seconds_on_hold: How long the caller has been on hold in all, in seconds.
        waited: How long of it the caller has waited in a queue, in seconds.
        answered_by: What has answered the phone, where that was heard.
        phones: Of several phones that rang together, what became of each.
        earlier: The attempts before this one, oldest first; they name no earlier ones themselves.
        caller: What is known of the caller.
        department: What a router was asked for.
        queue: How the caller has stood in a queue, where he has waited in one.
        last: Whether nobody is dialled any more, whatever a policy says: ``max_attempts`` or
            ``max_hold`` is reached.
        gone_to: The targets to which the run has gone already, and its first department.
        cause: The error behind it, where there was one; `dataclasses.asdict` has its words.
    """

    destination: Destination | None
    status: TransferStatus
    sip_code: int | None = None
    sip_reason: str | None = None
    reason: str | None = None
    human_identity: str | None = None
    tries: int = 1
    remaining: int = 0
    seconds_on_hold: float = 0.0
    waited: float = 0.0
    answered_by: AnswerClass | None = None
    phones: tuple[Attempt, ...] = ()
    words: str | None = None
    caller: CallerFacts | None = field(default=None, repr=False, compare=False)
    department: str | None = None
    queue: QueueState | None = None
    last: bool = False
    gone_to: tuple[str, ...] = field(default=(), repr=False)
    earlier: tuple[Attempt, ...] = field(default=(), repr=False, compare=False)
    if TYPE_CHECKING:
        cause: BaseException | None = field(default=None, repr=False, compare=False)
    else:
        cause: InitVar[BaseException | None] = None
    _cause: Cause = field(default=Cause(None), init=False, repr=False, compare=False)

    def __post_init__(self, *cause: BaseException | None) -> None:
        object.__setattr__(self, "_cause", Cause(*cause))
        # Each naming all before it, and these theirs, would double with every attempt.
        earlier = tuple(replace(one, earlier=()) if one.earlier else one for one in self.earlier)
        object.__setattr__(self, "earlier", earlier)

    @property
    def retryable(self) -> bool:
        """Whether dialling the same destination, or one of the phones, again may help."""
        return self.status in RETRYABLE or any(phone.retryable for phone in self.phones)

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold, without the attempts before it."""
        return {
            "destination": None if self.destination is None else self.destination.to_dict(),
            "status": self.status.value,
            "sip_code": self.sip_code,
            "sip_reason": self.sip_reason,
            "reason": self.reason,
            "words": self.words,
            "human_identity": self.human_identity,
            "tries": self.tries,
            "remaining": self.remaining,
            "seconds_on_hold": self.seconds_on_hold,
            "waited": self.waited,
            "answered_by": None if self.answered_by is None else self.answered_by.value,
            "phones": [phone.to_dict() for phone in self.phones],
            "department": self.department,
            "cause": self._cause.text,
        }


_SENTENCES = {
    TransferStatus.BRIDGED: "The caller is now talking with {who}.",
    TransferStatus.REFERRED: "The caller has been transferred to {who} and has left this call.",
    TransferStatus.UNAVAILABLE: "The transfer did not work: nobody is available right now.",
    TransferStatus.ANSWERED_ELSEWHERE: "A colleague took the call instead of {who}.",
    TransferStatus.BUSY: "The transfer did not work: the line of {who} is busy.",
    TransferStatus.NO_ANSWER: "The transfer did not work: {who} did not answer.",
    TransferStatus.DECLINED: "The transfer did not work: {who} declined the call.",
    TransferStatus.VOICEMAIL: "The transfer did not work: the voicemail of {who} answered.",
    TransferStatus.INVALID_DESTINATION: (
        "The transfer did not work: the number or address of {who} does not exist."
    ),
    TransferStatus.TRUNK_UNAVAILABLE: (
        "The transfer did not work: the telephone line to {who} is not available."
    ),
    TransferStatus.CALLER_LEFT: "The caller hung up before the transfer was complete.",
    TransferStatus.HUMAN_LEFT: (
        "The transfer did not work: {who} hung up before being connected to the caller."
    ),
    TransferStatus.TIMED_OUT: "The transfer did not work: it took too long to reach {who}.",
    TransferStatus.INDETERMINATE: (
        "It is not known whether {who} was reached, so nothing was tried again."
    ),
    TransferStatus.CANCELLED: "The caller pressed a key to come back to you.",
    TransferStatus.FAILED: "The transfer to {who} did not work because of a technical problem.",
}
_ADVICE = {
    TransferStatus.BUSY: "Apologise; offer to try again in a moment, or to take a message.",
    TransferStatus.NO_ANSWER: "Apologise; offer to try again later, or to take a message.",
    TransferStatus.CANCELLED: "Ask how you can help instead.",
    TransferStatus.INDETERMINATE: (
        "Do not transfer again right away; ask the caller to stay on the line."
    ),
}
_DEFAULT_ADVICE = "Apologise; offer to take a message or another way to help."
_OFFERS = {
    "callback": (
        "Offer the caller to be called back. Where he wants it, call confirm_callback_number and "
        "then choose_callback_time; where he does not, call decline_callback. Do not say that he "
        "will be called before choose_callback_time has told you so."
    ),
    "message": (
        "Offer the caller to take a message. Where he leaves one, call take_message; where he "
        "does not want to, call decline_message. Do not say that a message was taken before "
        "take_message has told you so."
    ),
}
_UNCONFIRMED = (
    "The caller was sent on to {who} and has left this call; "
    "it is not known whether {who} was reached."
)
_NUMBER = re.compile(r"\+?\d[\d ()./-]{3,}\d")
"""What may be a telephone number: a model is to speak of none."""
_WITH_YOU = "The caller is on the line with you. "


@dataclass(frozen=True)
class TransferOutcome:
    """What became of a transfer.

    Attributes:
        status: The status of the attempt that decided it.
        destination: Whom that attempt was for; None when none was made. Of several phones that
            rang together: whoever was joined, or has accepted, or what decided; where the transfer
            ended before that, whoever had come furthest.
        human_identity: The identity of that one's leg; None when that attempt dialled nobody.
        sip_code: The final SIP response code of that attempt, where there was one.
        sip_reason: Its reason phrase.
        reason: More words, for example why the human declined.
        attempts: All attempts, oldest first, the one that was interrupted or succeeded included.
        summary: What the human was told about the caller.
        timings: Seconds spent in each phase, by the phase's name, plus ``"total"``.
        mode: How the two were joined; None when they were not.
        hung_up: Whether the fallback hung up the caller.
        words: What the human said when declining, where he said something.
        said: The sentence with which the fallback gave the caller back, where there was one.
        offers: What the AI has tools for now: ``"callback"`` or ``"message"``; None for neither.
        confirmed: After a REFER, whether the target is known to have been reached; a caller's
            leg that ended with nobody saying so leaves that open. None where there was none.
        caller_call_id: The SIP Call-ID of the caller's leg, which a trunk and a PBX write into
            their own records of the call; None where the server does not tell it, and for who has
            no phone.
        human_call_id: That of the human's leg, once it was answered.
        cause: The error behind it, where there was one; `dataclasses.asdict` has its words.
    """

    status: TransferStatus
    destination: Destination | None = None
    human_identity: str | None = None
    sip_code: int | None = None
    sip_reason: str | None = None
    reason: str | None = None
    attempts: tuple[Attempt, ...] = ()
    summary: str | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    mode: BridgeMode | None = None
    hung_up: bool = False
    words: str | None = None
    said: str | None = None
    offers: Offered | None = None
    confirmed: bool | None = None
    caller_call_id: str | None = None
    human_call_id: str | None = None
    if TYPE_CHECKING:
        cause: BaseException | None = field(default=None, repr=False, compare=False)
    else:
        cause: InitVar[BaseException | None] = None
    _end: Ending | None = field(default=None, repr=False, compare=False)
    _record: SoFar | None = field(default=None, repr=False, compare=False)
    _alone: bool = field(default=False, repr=False, compare=False)
    _cause: Cause = field(default=Cause(None), init=False, repr=False, compare=False)

    def __post_init__(self, *cause: BaseException | None) -> None:
        object.__setattr__(self, "_cause", Cause(*cause))
        object.__setattr__(self, "timings", Frozen(self.timings))

    @property
    def record(self) -> Any:
        """The TransferRecord so far, where ``records=`` keeps one; None otherwise."""
        return None if self._record is None else self._record()

    @property
    def succeeded(self) -> bool:
        """Whether the caller was handed over: bridged or referred."""
        return self.status in (TransferStatus.BRIDGED, TransferStatus.REFERRED)

    @property
    def bridged(self) -> bool:
        """Whether caller and human were joined in this call."""
        return self.status is TransferStatus.BRIDGED

    @property
    def retryable(self) -> bool:
        """Whether dialling the same destination again may help."""
        return self.status in RETRYABLE

    @property
    def caller_present(self) -> bool:
        """Whether the caller was with the AI when `run()` returned.

        Neither where the caller had hung up, nor where the call or the session was lost.
        """
        gone = self.status is TransferStatus.CALLER_LEFT or self.hung_up or self._alone
        return not self.succeeded and not gone

    def raise_for_status(self) -> TransferOutcome:
        """Return this outcome if it succeeded.

        Raises:
            TransferFailed: It did not; the error has this outcome as ``.outcome``, and `cause`
                as its own.
        """
        if not self.succeeded:
            raise TransferFailed(self) from self.cause
        return self

    async def ended(self) -> CallEnd:
        """Wait until what ``after=`` promised is done, and tell how the call ended.

        Returns at once where nothing is watched. Cancelling the wait changes nothing.
        """
        if self._end is None:
            by = EndedBy.CALLER if self.status is TransferStatus.CALLER_LEFT else EndedBy.NOBODY
            return CallEnd(by, returned=self.caller_present)
        return await self._end.wait()

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold; its keys are the attributes above."""
        return {
            "status": self.status.value,
            "succeeded": self.succeeded,
            "destination": None if self.destination is None else self.destination.to_dict(),
            "human_identity": self.human_identity,
            "sip_code": self.sip_code,
            "sip_reason": self.sip_reason,
            "reason": self.reason,
            "words": self.words,
            "attempts": [attempt.to_dict() for attempt in self.attempts],
            "summary": self.summary,
            "timings": dict(self.timings),
            "mode": self.mode,
            "hung_up": self.hung_up,
            "said": self.said,
            "offers": self.offers,
            "confirmed": self.confirmed,
            "caller_call_id": self.caller_call_id,
            "human_call_id": self.human_call_id,
            "caller_present": self.caller_present,
            "cause": self._cause.text,
        }

    def __str__(self) -> str:
        """One or two sentences that an LLM can act on; they hold no number."""
        who = (self.destination.name if self.destination else None) or "the person"
        sentence = _SENTENCES[self.status]
        if self.status is TransferStatus.REFERRED and self.confirmed is False:
            sentence = _UNCONFIRMED
        text = sentence.format(who=who)
        if self.words and self.status is TransferStatus.DECLINED:
            text = text[:-1] + f", saying: {self.words}"
            text += "" if text[-1] in ".!?" else "."
        if self.caller_present:
            text += " " + _WITH_YOU
            if self.said:
                text += "The caller has heard that already: do not apologise again. "
                text += _OFFERS.get(self.offers or "", "Go on with how you can help.")
            elif self.offers is not None:
                text += "Apologise. " + _OFFERS[self.offers]
            else:
                text += _ADVICE.get(self.status, _DEFAULT_ADVICE)
        return _NUMBER.sub("a number", text)


class Ending:
    """The end of a call that was handed over; copies share it, and a pickled one has passed.

    Args:
        future: Done when the call has ended.
    """

    def __init__(self, future: asyncio.Future[CallEnd] | None) -> None:
        self._future = future

    async def wait(self) -> CallEnd:
        """Wait for the end. Cancelling the wait changes nothing."""
        if self._future is None:
            return CallEnd(EndedBy.NOBODY)
        return await asyncio.shield(self._future)

    def __copy__(self) -> Ending:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Ending:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Ending, (None,)


if not TYPE_CHECKING:
    # Not a field: `dataclasses.asdict` copies those, and not every error can be.
    Attempt.cause = property(lambda self: self._cause.error)
    TransferOutcome.cause = property(lambda self: self._cause.error)


class TransferFailed(TransferError):
    """A transfer did not succeed and [`raise_for_status`][livetransfer.TransferOutcome] was called.

    Attributes:
        outcome: The outcome, with all it knows.
    """

    def __init__(self, outcome: TransferOutcome) -> None:
        self.outcome = outcome
        super().__init__(str(outcome))
