"""CallbackOutcome: what became of one time that a callback was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from livetransfer.answer_class import AnswerClass
from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.outcome import TransferOutcome

__all__ = ["CallbackOutcome"]


@dataclass(frozen=True)
class CallbackOutcome:
    """What became of a callback, this time.

    Attributes:
        id: What names it.
        status: How it stands: `DONE`, `FAILED`, `WAITING` for the next time, or `INDETERMINATE`;
            None: this job has left it to another one, or it was not to be made any more.
        reason: Why, for people; no number.
        due: When it is made again, where it is.
        request: What was promised.
        answered_by: What has answered the caller's phone, where it was answered.
        human: What became of the human: the transfer that rang him.
        caller: What became of the caller: the transfer that rang him.
    """

    id: str
    status: CallbackStatus | None
    reason: str = ""
    due: datetime | None = None
    request: CallbackRequest | None = field(default=None, repr=False)
    answered_by: AnswerClass | None = None
    human: TransferOutcome | None = None
    caller: TransferOutcome | None = None

    @property
    def done(self) -> bool:
        """Whether the promise was kept: the two have talked, or the caller has a message."""
        return self.status is CallbackStatus.DONE
