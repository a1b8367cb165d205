"""ColdTransfer: send the caller on by SIP REFER, or dial the destination and bridge."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ._checks import check_choice
from ._flow.adapter import Bridge
from ._flow.after import After
from ._flow.caller_session import Context
from ._flow.cold_protocol import NO_PHONE, ColdProtocol, Ways
from ._flow.course import Ring
from ._flow.taking_back import RETURN_INSTRUCTIONS
from ._flow.transfer import Transfer
from .control import CallControl
from .destination import Allowed, Destination, Method, check_headers
from .errors import (
    ConfigurationError,
    DestinationError,
    UnknownDestinationError,
)
from .events import TransferEvent
from .fallback.policy import Fallback
from .guard import DestinationGuard
from .hold import BUILTIN, HoldMusicPlayer, HoldSource
from .outcome import TransferOutcome
from .privacy import Privacy
from .record import Records
from .routing.router import Target

__all__ = ["ColdTransfer"]

logger = logging.getLogger("livetransfer")


class ColdTransfer(Transfer):
    """Sends the caller on without a briefing.

    `run` may be called several times, also for different calls: all state is the run's own.

    Args:
        to: A number, a SIP URI, a Destination, a sequence of them tried in order, a Router, or,
            with `extensions`, a name in that map.
        method: ``"refer"``: ask the caller's phone system by SIP REFER. ``"dial"``: dial the
            destination and bridge. ``"auto"``: REFER, and dial where the REFER itself is refused
            or cannot be made, as for a destination with keys to press; never after the
            destination was reached or may have been.
        announcement: What the caller hears, to its end, before anything happens.
        headers: SIP headers for the REFER or the INVITE.
        trunk_domain: The host of the caller's trunk; a number is then referred to as
            ``sip:+15550100@trunk_domain``, otherwise as ``tel:+15550100``.
        extensions: Names and what they stand for. A text in `to` must then be one of the names,
            so that it may come from an LLM.
        trunk_id: The outbound trunk, for dialling.
        ring_timeout: Seconds that it may ring.
        ring: See WarmTransfer. Several phones that ring together are dialled; the first to answer
            takes the call.
        ring_next_after: See WarmTransfer.
        play_dialtone: Play a dial tone instead of music while a REFER is under way.
        fallback: What follows an attempt that failed. Default: the next destination, then the AI.
        hold_music: What the caller hears meanwhile; see WarmTransfer.
        bridge: How the two are joined, when dialled; see WarmTransfer.
        after: What follows the bridge, when dialled; see WarmTransfer.
        return_instructions: What the AI is asked to say to a caller whom it has back, where no
            tool's result makes it speak; None leaves all words to the application.
        caller: The identity of the caller's participant, where it cannot be found by itself.
        caller_grace: Seconds in which a caller who has left may come back, as a browser does that
            reloads its page. Default: 0 for a phone, 5 for others. A session that closes when its
            participant leaves talks with nobody then: start it with ``close_on_disconnect=False``.
        department: What a Router is asked for.
        skills: What a Team asks of the member: for each skill the lowest level.
        priority: The caller's priority in a Team's queue: a higher one is served first.
        allowed: A list of patterns (``["+1*"]``) or a predicate; other destinations are refused.
        guard: A DestinationGuard that is asked before every dial and every REFER.
        max_hold: Seconds that the caller may be on hold, over all attempts.
        max_attempts: How many attempts are made at most; see WarmTransfer.
        route_timeout: Seconds that a Router may take.
        exit_key: A key that brings the caller, while on hold, back to the AI; None for none.
        records: Where the records of transfers go; see the how-to on records.
        privacy: What a briefing may not be told of, and what records keep. Default: that of
            `records`, or ``Privacy()``: no card numbers, dates of birth or passwords.
        on_event: Called with each TransferEvent; plain or async.

    Raises:
        DestinationError: A destination cannot be used, is unknown, or is not allowed.
        ConfigurationError: Another option cannot be used; the message names it.
    """

    def __init__(
        self,
        to: Target,
        *,
        method: Method = "auto",
        announcement: str | None = None,
        headers: Mapping[str, str] | None = None,
        trunk_domain: str | None = None,
        extensions: Mapping[str, str | Destination] | None = None,
        trunk_id: str | None = None,
        ring_timeout: float = 30.0,
        ring: Ring = "in_order",
        ring_next_after: float | None = None,
        play_dialtone: bool = False,
        fallback: Fallback | None = None,
        hold_music: HoldSource | HoldMusicPlayer = BUILTIN,
        bridge: Bridge = "auto",
        after: After = "end",
        return_instructions: str | None = RETURN_INSTRUCTIONS,
        caller: str | None = None,
        caller_grace: float | None = None,
        department: str | None = None,
        skills: Mapping[str, int] | None = None,
        priority: int = 0,
        allowed: Allowed | None = None,
        guard: DestinationGuard | None = None,
        max_hold: float = 180.0,
        max_attempts: int | None = None,
        route_timeout: float = 10.0,
        exit_key: str | None = None,
        records: Records | None = None,
        privacy: Privacy | None = None,
        on_event: Callable[[TransferEvent], Awaitable[None] | None] | None = None,
    ) -> None:
        super().__init__(
            _extended(to, extensions),
            announcement=announcement,
            hold_music=hold_music,
            ring_timeout=ring_timeout,
            ring=ring,
            ring_next_after=ring_next_after,
            route_timeout=route_timeout,
            max_attempts=max_attempts,
            trunk_id=trunk_id,
            fallback=fallback,
            bridge=bridge,
            after=after,
            return_instructions=return_instructions,
            caller=caller,
            caller_grace=caller_grace,
            department=department,
            skills=skills,
            priority=priority,
            allowed=allowed,
            guard=guard,
            max_hold=max_hold,
            exit_key=exit_key,
            records=records,
            privacy=privacy,
            on_event=on_event,
        )
        self._method: Method = check_choice("method", method, Method)
        self._headers = check_headers(headers or {})
        if trunk_domain is not None:
            _check_host(trunk_domain)
        self._play_dialtone = play_dialtone
        self._ways = Ways(self._method, trunk_domain)
        if isinstance(self._targets, tuple):
            for destination in self._targets:
                self._ways.plan(destination)

    async def run(self, context: Context) -> TransferOutcome:
        """Transfer the caller; return when it is known what became of it.

        On failure the caller is still on the line, with the AI, and the session as it was. A
        REFER that timed out is `indeterminate`: it may still succeed, and nothing is dialled.

        Args:
            context: The RunContext of the function tool, or the AgentSession.

        Raises:
            ConfigurationError: `context` has no room, or no trunk is set to dial through.
            CallerNotFoundError: Nobody to transfer; or several, of whom the session is linked to
                none and ``caller=`` names none.
            DestinationError: A department is unknown, or somebody in it is not allowed.
            TransferInProgressError: This call is being transferred already; that goes on.

        On cancellation a phone that rings is hung up, the caller is back with the AI within
        0.5 s, and the cancellation is raised again. A REFER cannot be taken back.
        """
        return await self._run(context, lambda _: self._cold())

    __call__ = run

    def _cold(self) -> ColdProtocol:
        return ColdProtocol(self._ways, play_dialtone=self._play_dialtone, privacy=self._privacy)

    def _completed(self, destination: Destination) -> Destination:
        if not self._headers:
            return destination
        return destination.but(headers={**self._headers, **destination.headers})

    def _check_caller(self, control: CallControl) -> None:
        if self._method == "refer" and control.caller.kind == "web":
            raise ConfigurationError("method", "refer", f'{NO_PHONE}; use method="dial", or "auto"')

    def _dials(self, destination: Destination) -> bool:
        return self._ways.dials(destination)


def _check_host(trunk_domain: str) -> None:
    try:
        host_only = Destination(f"sip:{trunk_domain}").sip_user is None
    except DestinationError:
        host_only = False
    if not host_only:
        raise ConfigurationError(
            "trunk_domain", trunk_domain, 'give a host, like "sip.example.com"'
        )


def _extended(to: Target, extensions: Mapping[str, str | Destination] | None) -> Target:
    """Replace names by what they stand for."""
    if extensions is None or not isinstance(to, Sequence):
        return to
    names = (to,) if isinstance(to, str) else tuple(to)
    found = []
    for name in names:
        if isinstance(name, Destination):
            found.append(name)
            continue
        if name not in extensions:
            raise UnknownDestinationError("to", name, f"use one of {sorted(extensions)}")
        destination = Destination.parse(extensions[name])
        found.append(destination if destination.name else destination.but(name=name))
    return tuple(found)
