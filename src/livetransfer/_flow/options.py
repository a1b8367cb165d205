"""The options that every transfer has: what each means, and what it is where it is left out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypedDict

from livetransfer.destination import Allowed
from livetransfer.events import TransferEvent
from livetransfer.fallback.policy import Fallback
from livetransfer.guard import DestinationGuard
from livetransfer.hold import BUILTIN, HoldMusicPlayer, HoldSource
from livetransfer.privacy import Privacy
from livetransfer.record import Records

from .after_bridge import After
from .choose_control import Bridge
from .return_words import RETURN_INSTRUCTIONS
from .whom_next import Ring

__all__ = ["TransferOptions", "completed"]


class TransferOptions(TypedDict, total=False):
    """The keywords that `WarmTransfer` and `ColdTransfer` have in common.

    A subclass passes them on: ``def __init__(self, **options: Unpack[TransferOptions])``.
    """

    announcement: str | None
    """What the caller hears first, to its end. None when the tool has said it already."""

    hold_music: HoldSource | HoldMusicPlayer
    """A URL, path, bytes or other source; None for quiet; default: a built-in clip."""

    ring_timeout: float
    """Seconds that a phone may ring; never longer than `max_hold`. Default: 30. For those whom a
    Team offers, its queue says it (20)."""

    ring: Ring
    """``"in_order"`` (the default): one phone after the other. ``"all"``: all at once; each human
    who answers is briefed, and the first who accepts takes the call; in a ColdTransfer they are
    dialled, and the first who answers does. A Team says by its queues who rings together."""

    ring_next_after: float | None
    """Seconds after which the next phone rings too, while those before go on; not while somebody
    who has answered is being briefed."""

    trunk_id: str | None
    """The outbound trunk. Default: the environment's ``LIVEKIT_SIP_OUTBOUND_TRUNK``."""

    fallback: Fallback | None
    """What follows an attempt that failed. Default: the next destination, then the AI."""

    max_attempts: int | None
    """How many attempts are made at most, several phones that ring together being one. Default:
    10, or as many as there are destinations."""

    route_timeout: float
    """Seconds that a Router may take. Default: 10."""

    skills: Mapping[str, int] | None
    """What a Team asks of the member: for each skill the lowest level."""

    priority: int
    """The caller's priority in a Team's queue: a higher one is served first. Default: 0."""

    bridge: Bridge
    """How the two are joined, where the human is dialled: ``"auto"`` (the default),
    ``"shared_room"`` or ``"consult_room"``."""

    after: After
    """``"end"`` (the default): when one leaves, the other is hung up. ``"return"``: when the human
    leaves, the caller is back with the AI. ``"leave"``: the AI leaves at the bridge, and nobody
    watches."""

    return_instructions: str | None
    """What the AI is asked to say to a caller whom it has back, where no tool's result makes it
    speak; None leaves all words to the application."""

    caller: str | None
    """The identity of the caller's participant, where it cannot be found by itself."""

    caller_grace: float | None
    """Seconds in which a caller who has left may come back, as a browser does that reloads its
    page. Default: 0 for a phone, 5 for others. A session that closes when its participant leaves
    talks with nobody then: start it with ``close_on_disconnect=False``."""

    allowed: Allowed | None
    """A list of patterns (``["+1*"]``) or a predicate; other destinations are refused."""

    guard: DestinationGuard | None
    """A DestinationGuard that is asked before every dial and every REFER."""

    max_hold: float
    """Seconds that the caller may be on hold, over all attempts. While the AI goes on talking with
    the caller, nobody is dialled any more that long after the first dial. Default: 180."""

    exit_key: str | None
    """A key that brings the caller, while on hold, back to the AI; None for none."""

    records: Records | None
    """Where the records of transfers go; see the how-to on records."""

    privacy: Privacy | None
    """What a briefing may not be told of, and what records keep. Default: that of `records`, or
    ``Privacy()``: no card numbers, dates of birth or passwords."""

    on_event: Callable[[TransferEvent], Awaitable[None] | None] | None
    """Called with each TransferEvent; plain or async."""


_DEFAULTS = TransferOptions(
    announcement=None,
    hold_music=BUILTIN,
    ring_timeout=30.0,
    ring="in_order",
    ring_next_after=None,
    trunk_id=None,
    fallback=None,
    max_attempts=None,
    route_timeout=10.0,
    skills=None,
    priority=0,
    bridge="auto",
    after="end",
    return_instructions=RETURN_INSTRUCTIONS,
    caller=None,
    caller_grace=None,
    allowed=None,
    guard=None,
    max_hold=180.0,
    exit_key=None,
    records=None,
    privacy=None,
    on_event=None,
)


def completed(given: TransferOptions) -> TransferOptions:
    """Return the options, with the default of each that was left out.

    Raises:
        TypeError: There is no such option.
    """
    for name in given:
        if name not in _DEFAULTS:
            raise TypeError(f"unexpected keyword argument {name!r}")
    return {**_DEFAULTS, **given}
