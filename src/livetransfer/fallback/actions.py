"""Actions: what may follow an attempt that failed. Frozen data; a run carries them out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from livetransfer._checks import check_seconds, check_text
from livetransfer.callback_request import CallbackStore
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError

__all__ = [
    "Action",
    "GoTo",
    "HangUp",
    "LastAction",
    "Next",
    "OfferCallback",
    "Retry",
    "ReturnToAgent",
    "TakeMessage",
    "dials",
]


@dataclass(frozen=True)
class Next:
    """Try the next destination of the list; a router is asked for another.

    For a list of people who can all help. Not for another department: that is `GoTo`. Where
    nobody is left it is no opinion.

    Args:
        say: A sentence that the caller hears first, over the music; None: the music goes on.
    """

    say: str | None = None


@dataclass(frozen=True)
class Retry:
    """Try the same destination again; where a router found nobody, ask it again.

    For a line that is busy or a trunk that is down: a minute later that may be over. Not for one
    who declined, nor for a number that does not exist: it stays so.

    Args:
        after: Seconds to wait first; the caller stays on hold.
        say: A sentence that the caller hears meanwhile, over the music; None: the music goes on.
    """

    after: float = 5.0
    say: str | None = None

    def __post_init__(self) -> None:
        check_seconds("after", self.after, 0, 24 * 3600)


@dataclass(frozen=True)
class GoTo:
    """Try somebody else altogether: another department, a queue, or a number.

    For a colleague or another team that can help as well, or a number that is always answered.
    Not for the next person of the same list: that is `Next`. A target is gone to once in a run;
    the second time it is no opinion, so that there is no circle.

    Args:
        target: A name that the transfer's router knows, or else a number, a SIP URI or a
            Destination, which has to pass the same guard.
        cold: Hand the caller over without a briefing: by SIP REFER where the caller's telephone
            system can be asked, by a dial otherwise. In a ColdTransfer everything is cold.
        say: A sentence that the caller hears first, over the music; None: the music goes on.

    Raises:
        ConfigurationError: `target` is neither a text nor a Destination.
    """

    target: str | Destination
    cold: bool = False
    say: str | None = None

    def __post_init__(self) -> None:
        named = isinstance(self.target, str) and self.target.strip()
        if not named and not isinstance(self.target, Destination):
            raise ConfigurationError(
                "target", self.target, "name a department of the router, a number or a Destination"
            )

    @property
    def key(self) -> str:
        """What names the target among those that a run has gone to."""
        return self.target if isinstance(self.target, str) else self.target.address


@dataclass(frozen=True)
class ReturnToAgent:
    """Take the caller off hold; the AI goes on.

    For whatever the AI can still do itself. Not where it can do nothing more: see `OfferCallback`
    and `TakeMessage`, which give it something to do.

    Args:
        say: A sentence that the AI says first; None leaves the words to the LLM.
    """

    say: str | None = None


@dataclass(frozen=True)
class HangUp:
    """End the caller's call.

    For a line that is for nothing but the transfer, out of hours. Not where the AI can help: a
    caller who is hung up calls again.

    Args:
        say: A sentence that the caller hears first.
    """

    say: str | None = None


@dataclass(frozen=True)
class OfferCallback:
    """Give the caller back to the AI, which offers that he is called back.

    For callers whom nobody can take now, and whom somebody can call later. Not for what cannot
    wait, and not where nobody makes the calls that the store keeps: `livetransfer callbacks run`
    and `make_callback` do; see the how-to on callbacks.

    The AI gets the tools for it from the caller's next turn on, until it is decided: it reads the
    number back, the caller chooses a time, and `store` is asked to keep the request, once for a
    call, however often that is asked for.

    Args:
        store: Where the request goes: a `SqlCallbackStore`, or another CallbackStore.
        say: A sentence that the AI says first; None leaves the words to the LLM.
        queue: The queue or department that calls back. Default: the one that was asked for.
        timezone: The caller's time zone, such as ``"Europe/Berlin"``, in which times are meant.
        hours: When somebody calls back: an Hours, or a function of a moment (with a time zone).
            None: at any time.
        window: Seconds within which the call is promised, from the time that the caller chose.
        ahead: How many days ahead a time may lie.
        seconds: Seconds that the AI has for it, at most, from when it has the caller again.
        other_numbers: Whether the caller may name another number than he calls from. Then it has
            to be an ordinary number in international form; what the transfer's guard and the
            runner's refuse is not called.
        attempts: How many times the caller is called, at most.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    store: CallbackStore = field(repr=False)
    say: str | None = None
    queue: str | None = None
    timezone: str = "UTC"
    hours: Any = field(default=None, repr=False)
    window: float = 3600.0
    ahead: int = 14
    seconds: float = 180.0
    other_numbers: bool = True
    attempts: int = 3

    def __post_init__(self) -> None:
        from .checks import check_hours, check_store, check_zone

        check_store(self.store)
        check_zone(self.timezone)
        check_hours(self.hours)
        check_text("say", self.say)
        check_text("queue", self.queue)
        check_seconds("window", self.window, 300, 24 * 3600)
        check_seconds("ahead", self.ahead, 1, 366)
        check_seconds("seconds", self.seconds, 10, 180)
        if self.attempts < 1:
            raise ConfigurationError("attempts", self.attempts, "use 1 or more")


@dataclass(frozen=True)
class TakeMessage:
    """Give the caller back to the AI, which takes a message from him.

    For callers who only want to leave word. Not where they have to be spoken with: see
    `OfferCallback`.

    The AI gets the tool for it from the caller's next turn on, until it is decided.

    Args:
        to: Where messages go: a function of a Message (plain or async), a MessageFolder, a
            MessageWebhook, or a path, which is that of a folder.
        say: A sentence that the AI says first; None leaves the words to the LLM.
        audio: Keep what the caller says meanwhile as audio, too, with the message.
        seconds: Seconds that the AI has for it, at most, from when it has the caller again.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    to: Any = field(repr=False)
    say: str | None = None
    audio: bool = False
    seconds: float = 180.0

    def __post_init__(self) -> None:
        from .checks import check_message_target

        check_message_target(self.to)
        check_text("say", self.say)
        check_seconds("seconds", self.seconds, 10, 180)


LastAction = ReturnToAgent | HangUp | OfferCallback | TakeMessage
"""What ends a run."""

Action = Next | Retry | GoTo | ReturnToAgent | HangUp | OfferCallback | TakeMessage
"""What a policy may say."""


def dials(action: Action) -> bool:
    """Return whether carrying it out rings somebody."""
    return isinstance(action, (Next, Retry, GoTo))
