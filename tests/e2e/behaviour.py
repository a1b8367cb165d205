"""What a scripted phone does when it is called, and when it is asked to transfer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .sip_messages import Message


@dataclass(frozen=True)
class Answer:
    """Answer, at once (no ringing at all) or after `after` seconds of ringing.

    `early_media` rings with 183 and sound instead of 180. `tone` is sent from the first packet on.
    `rtp=False` answers and never sends a packet of audio.
    """

    after: float = 0.0
    tone: int | None = None
    early_media: bool = False
    early_tone: int | None = None
    rtp: bool = True


@dataclass(frozen=True)
class NeverAnswer:
    """Ring until the caller gives up; `early_media` as in Answer."""

    early_media: bool = False
    early_tone: int | None = None


@dataclass(frozen=True)
class Reject:
    """Refuse with a status code, at once or after ringing."""

    code: int = 486
    reason: str = ""
    after: float = 0.0


@dataclass(frozen=True)
class Ignore:
    """Say nothing at all, as if no phone were there."""


Behaviour = Answer | NeverAnswer | Reject | Ignore
Script = Behaviour | Callable[[Message], Behaviour]


@dataclass(frozen=True)
class OnRefer:
    """What to do with a REFER: answer with `response`, then send a NOTIFY for each code.

    `OnRefer(603)` refuses. `OnRefer(notify=(100, 486))` tries and finds the target busy.
    `OnRefer(notify=())` accepts and never says how it went. `after` seconds pass before the
    response, `every` seconds before each NOTIFY. With `bye` the phone hangs up by itself, so many
    seconds after the last of these. livekit-sip 1.2.0 loses a response that comes
    within a millisecond about once in twenty times (the RPC then fails with "transaction failed to
    complete", although the REFER was accepted): `after=0` shows it.
    """

    response: int = 202
    notify: tuple[int, ...] = (100, 200)
    after: float = 0.02
    every: float = 0.05
    bye: float | None = None


@dataclass(frozen=True)
class Referred:
    """A REFER that was received."""

    at: float
    refer_to: str
    message: Message


class CallFailed(Exception):
    """An outgoing call was refused; `code` is the SIP status (408 if nobody said anything)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason
