"""AnswerPolicy: what follows from what has answered. Frozen and pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from livetransfer._checks import check_choice, check_seconds, check_text
from livetransfer.answer_class import AnswerClass
from livetransfer.errors import ConfigurationError
from livetransfer.status import TransferStatus

from .port import AnswerVerdict

__all__ = [
    "AnswerAction",
    "AnswerPolicy",
    "Brief",
    "End",
    "Introduce",
    "LeaveMessage",
    "Navigate",
    "SendKeys",
    "Situation",
    "WaitSilently",
    "WhenAnswered",
    "check_answer_policy",
    "decide_answer",
    "timed_out",
]

Menu = Literal["keys", "tools", "end"]


@dataclass(frozen=True)
class Situation:
    """Where a leg stands when a verdict changes.

    Attributes:
        dtmf: The destination's keys that were not sent yet; None without.
        navigates: Whether the briefing's agent has tools for a menu's keys.
    """

    dtmf: str | None = None
    navigates: bool = False


@dataclass(frozen=True)
class Brief:
    """The briefing goes on; where it had waited, it starts afresh.

    Args:
        afresh: Say the first words again, for somebody who has not heard them.
    """

    afresh: bool = False


@dataclass(frozen=True)
class WaitSilently:
    """Say nothing, until the class changes.

    Args:
        at_most: Seconds; the attempt then ends as not answered. None: as long as it may ring.
    """

    at_most: float | None = None


@dataclass(frozen=True)
class Introduce:
    """Say in one sentence who calls and why, then wait for a person, who is briefed afresh.

    Args:
        say: The sentence; None leaves it to the briefing.
        at_most: Seconds to wait; the attempt then ends as not answered.
    """

    say: str | None = None
    at_most: float = 20.0


@dataclass(frozen=True)
class SendKeys:
    """Press the destination's keys, then wait for a person.

    Args:
        keys: They.
        at_most: Seconds to wait; the attempt then ends.
    """

    keys: str
    at_most: float = 30.0


@dataclass(frozen=True)
class Navigate:
    """Let the briefing's agent find its way through the menu with its own tools.

    Args:
        at_most: Seconds it has.
    """

    at_most: float = 60.0


@dataclass(frozen=True)
class LeaveMessage:
    """Speak a message after the beep, then hang up; the attempt ends as a mailbox.

    Args:
        say: The message.
        beep_within: Seconds to wait for the beep; the message is then spoken all the same.
    """

    say: str
    beep_within: float = 20.0


@dataclass(frozen=True)
class End:
    """Hang up this leg; the fallback decides what follows.

    Args:
        status: Of the attempt.
        why: For the outcome, in words that hold no number.
    """

    status: TransferStatus
    why: str = ""


AnswerAction = Brief | WaitSilently | Introduce | SendKeys | Navigate | LeaveMessage | End
"""What may follow."""


@dataclass(frozen=True)
class AnswerPolicy:
    """What follows each class; the defaults suit people's phones.

    Subclass it and override [`decide`][livetransfer.answering.AnswerPolicy.decide], or pass any
    callable that takes a verdict and a situation and returns an action, or None for "as usual".

    Args:
        screening_wait: Seconds that a person has to come after a screener was told who calls.
        screening_say: What the screener is told; None leaves it to the briefing.
        menu: What follows a menu: `"keys"` sends `Destination(dtmf=...)`, lets an agent that has
            tools for it find its way, and ends otherwise; `"tools"` never sends keys by itself;
            `"end"` ends.
        menu_wait: Seconds that a person has to come after the keys.
        leave_message: What a mailbox is told after its beep; None hangs up.
        beep_within: Seconds to wait for that beep.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    screening_wait: float = 20.0
    screening_say: str | None = None
    menu: Menu = "keys"
    menu_wait: float = 30.0
    leave_message: str | None = None
    beep_within: float = 20.0

    def __post_init__(self) -> None:
        for name in ("screening_wait", "menu_wait", "beep_within"):
            check_seconds(name, getattr(self, name), 1, 600)
        for name in ("screening_say", "leave_message"):
            object.__setattr__(self, name, check_text(name, getattr(self, name)))
        check_choice("menu", self.menu, Menu)

    def decide(self, verdict: AnswerVerdict, situation: Situation) -> AnswerAction:
        """Say what follows, asked once for each change of the verdict.

        Args:
            verdict: What has answered, as far as it is known now.
            situation: Where the leg stands.
        """
        match verdict.answered_by:
            case AnswerClass.PERSON:
                return Brief()
            case AnswerClass.RINGBACK:
                return WaitSilently()
            case AnswerClass.SCREENING:
                return Introduce(self.screening_say, self.screening_wait)
            case AnswerClass.IVR:
                return self._at_menu(situation)
            case AnswerClass.VOICEMAIL:
                if self.leave_message is None:
                    return End(TransferStatus.VOICEMAIL, "a mailbox has answered")
                return LeaveMessage(self.leave_message, self.beep_within)
            case AnswerClass.ANNOUNCEMENT:
                return _announced(verdict)
            case _:
                return Brief()

    def _at_menu(self, situation: Situation) -> AnswerAction:
        if self.menu == "keys" and situation.dtmf:
            return SendKeys(situation.dtmf, self.menu_wait)
        if self.menu != "end" and situation.navigates:
            return Navigate()
        why = "a menu has answered; give Destination(dtmf=...) with the keys that lead through it"
        return End(TransferStatus.FAILED, why)


WhenAnswered = Callable[[AnswerVerdict, Situation], AnswerAction | None]
"""A function that is a policy; None is "as usual"."""

Policy = AnswerPolicy | WhenAnswered


def check_answer_policy(policy: Policy | None) -> Policy:
    """Return `policy`, or the default for None.

    Raises:
        ConfigurationError: It is neither a policy nor a callable, or it is a class.
    """
    if policy is None:
        return AnswerPolicy()
    if isinstance(policy, type) or not (isinstance(policy, AnswerPolicy) or callable(policy)):
        remedy = "give an AnswerPolicy(), or a function that takes a verdict and a situation"
        raise ConfigurationError("when_answered", policy, remedy)
    return policy


def decide_answer(
    policy: Policy | None,
    before: AnswerClass,
    verdict: AnswerVerdict,
    situation: Situation,
) -> AnswerAction:
    """Return what `policy` says, made safe.

    No opinion means the default's. Whoever follows a ringback, a screener or a menu has heard
    nothing of the briefing, which starts afresh.

    Args:
        policy: The policy; None is the default.
        before: The class until now.
        verdict: The new one.
        situation: Where the leg stands.

    Raises:
        TypeError: The policy returned something that is not an action.
    """
    checked = check_answer_policy(policy)
    if isinstance(checked, AnswerPolicy):
        action: AnswerAction | None = checked.decide(verdict, situation)
    else:
        action = checked(verdict, situation)
    if action is None:
        action = AnswerPolicy().decide(verdict, situation)
    if not isinstance(action, AnswerAction):
        kind = type(action).__name__
        raise TypeError(f"an answer policy returned a {kind}, which is not an action")
    waited = before in (AnswerClass.RINGBACK, AnswerClass.SCREENING, AnswerClass.IVR)
    if isinstance(action, Brief) and waited:
        return Brief(afresh=True)
    return action


def timed_out(action: AnswerAction) -> End:
    """Return what follows when the seconds of `action` are over, and nobody has come."""
    if isinstance(action, LeaveMessage):
        return End(TransferStatus.VOICEMAIL, "a mailbox has answered")
    why = {
        Introduce: "the screener put nobody through",
        SendKeys: "nobody came after the menu",
        Navigate: "nobody came after the menu",
        WaitSilently: "it went on ringing",
    }.get(type(action), "nobody came")
    return End(TransferStatus.NO_ANSWER, why)


def _announced(verdict: AnswerVerdict) -> End:
    if verdict.evidence.kind == "tone" and verdict.evidence.what == "busy":
        return End(TransferStatus.BUSY, "a busy tone was heard")
    if verdict.evidence.what == "fax":
        return End(TransferStatus.INVALID_DESTINATION, "a fax machine has answered")
    return End(TransferStatus.INVALID_DESTINATION, "the network says that nobody is there")
