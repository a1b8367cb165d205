"""How an attempt ends without a bridge, and how a whole transfer ends before its time."""

from __future__ import annotations

from livetransfer.answer_class import AnswerClass
from livetransfer.destination import Destination
from livetransfer.errors import CallControlError
from livetransfer.status import TransferStatus

__all__ = ["AttemptOver", "Stopped"]


class AttemptOver(Exception):
    """An attempt, or one phone of it, ended without a bridge; the fallback decides.

    Attributes:
        instead: What is dialled instead, before anybody is asked: nobody's phone has rung.
    """

    def __init__(
        self,
        status: TransferStatus,
        reason: str | None = None,
        *,
        sip_code: int | None = None,
        sip_reason: str | None = None,
        answered_by: AnswerClass | None = None,
        words: str | None = None,
    ) -> None:
        super().__init__(status.value, reason)
        self.status, self.reason = status, reason
        self.sip_code, self.sip_reason = sip_code, sip_reason
        self.answered_by, self.words = answered_by, words
        self.instead: Destination | None = None

    @property
    def cause(self) -> BaseException | None:
        """The error behind it that is not one of ours."""
        error = self.__cause__
        return error.cause if isinstance(error, AttemptOver) else error

    @classmethod
    def by(cls, error: CallControlError) -> AttemptOver:
        """Return what an error of the call control means."""
        status = TransferStatus.INDETERMINATE if error.indeterminate else error.status
        return cls(status, str(error), sip_code=error.sip_code, sip_reason=error.sip_reason)

    @classmethod
    def by_error(cls, error: Exception) -> AttemptOver:
        """Return what an error that nobody has foreseen means."""
        over = cls(TransferStatus.FAILED, f"{type(error).__name__}: {error}")
        over.__cause__ = error
        return over


class Stopped(Exception):
    """The whole transfer is over: nobody is left to transfer, or nothing to do it with."""

    def __init__(self, status: TransferStatus, reason: str) -> None:
        super().__init__(status.value, reason)
        self.status, self.reason = status, reason

    @property
    def over(self) -> AttemptOver:
        """What it means for the attempt under way."""
        return AttemptOver(self.status, self.reason or None)
