"""Transfer: what warm and cold transfers have in common, up to the beginning of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from livetransfer._checks import check_choice, check_key, check_seconds, check_text
from livetransfer.control import CallControl
from livetransfer.destination import Allowed, Destination, check_allowed, check_patterns
from livetransfer.errors import ConfigurationError
from livetransfer.events import TransferEvent
from livetransfer.fallback.policy import Fallback, check_fallback
from livetransfer.hold import HoldMusicPlayer, HoldSource
from livetransfer.outcome import TransferOutcome
from livetransfer.routing.router import Router, RouteRequest, Target, resolve, validate_targets

from .after import After
from .caller_session import CallerSession, Context
from .claim import Bridge, claim, resolve_control
from .endings import TransferProtocol
from .run import Run

__all__ = ["Transfer"]


class Transfer:
    """The options and the hooks of every transfer; `WarmTransfer` says what each one means."""

    def __init__(
        self,
        to: Target,
        *,
        announcement: str | None,
        hold_music: HoldSource | HoldMusicPlayer,
        ring_timeout: float,
        trunk_id: str | None,
        fallback: Fallback | None,
        bridge: Bridge,
        after: After,
        caller: str | None,
        department: str | None,
        allowed: Allowed | None,
        max_hold: float,
        exit_key: str | None,
        on_event: Callable[[TransferEvent], None] | None,
    ) -> None:
        self._targets = validate_targets(to)
        self._allowed = check_patterns(allowed)
        if isinstance(self._targets, tuple):
            check_allowed(self._targets, self._allowed)
        self._announcement = check_text("announcement", announcement)
        self._player = (
            hold_music if isinstance(hold_music, HoldMusicPlayer) else HoldMusicPlayer(hold_music)
        )
        self._ring_timeout = check_seconds("ring_timeout", ring_timeout, 1, 600)
        self._trunk_id = check_text("trunk_id", trunk_id)
        self._fallback = check_fallback(fallback)
        self._bridge: Bridge = check_choice("bridge", bridge, Bridge)
        self._after: After = check_choice("after", after, After)
        self._caller = check_text("caller", caller)
        if department is not None and not isinstance(self._targets, Router):
            raise ConfigurationError("department", department, "only a Router has departments")
        self._department = department
        self._max_hold = check_seconds("max_hold", max_hold, 1, 24 * 3600)
        self._exit_key = check_key("exit_key", exit_key)
        if on_event is not None and not callable(on_event):
            raise ConfigurationError("on_event", on_event, "give a function that takes an event")
        self._on_event = on_event
        with contextlib.suppress(RuntimeError):
            self._player.prefetch()

    # -- what a subclass may override ------------------------------------------------------

    def on_event(self, event: TransferEvent) -> None:
        """Be told what happens; the default passes it to the `on_event` argument.

        What it raises is logged and changes nothing.
        """
        if self._on_event is not None:
            self._on_event(event)

    async def announce(self, session: CallerSession) -> None:
        """Let the caller hear what is about to happen, before the hold; an override may say more.

        Args:
            session: ``await session.announce(text)`` lets what is being said play out, then says
                `text` and waits until it was heard; ``session.session`` is the AgentSession.
        """
        await session.announce(self._announcement)

    # -- how a run begins ------------------------------------------------------------------

    async def _run(
        self,
        context: Context,
        protocol: Callable[[CallerSession], TransferProtocol],
        *,
        interruptible: bool = False,
    ) -> TransferOutcome:
        """Claim the call, find its caller and the destinations, then run `protocol`.

        What is refused here raises before anything rings and before the caller is on hold.
        """
        session = CallerSession(context)
        with claim(session.session) as held:
            control = await resolve_control(
                session.session, caller=self._caller, bridge=self._bridge, trunk_id=self._trunk_id
            )
            try:
                destinations = await self._destinations(session, control)
            except BaseException:
                await control.aclose()
                raise
            run = Run(
                session=session,
                control=control,
                claim=held,
                player=self._player,
                emit=self.on_event,
                announce=lambda: self.announce(session),
                fallback=self._fallback,
                ring_timeout=self._ring_timeout,
                max_hold=self._max_hold,
                after=self._after,
                exit_key=self._exit_key,
                interruptible=interruptible,
            )
            return await run.execute(protocol(session), destinations)

    async def _destinations(
        self, session: CallerSession, control: CallControl
    ) -> Sequence[Destination]:
        request = RouteRequest(self._department, control.caller.identity, session.userdata)
        found = await resolve(self._targets, request)
        check_allowed(found, self._allowed)
        destinations = [self._completed(destination) for destination in found]
        for destination in destinations:
            if self._dials(destination):
                control.check(destination)
        return destinations

    def _completed(self, destination: Destination) -> Destination:
        """Return `destination` with what the transfer's own options add to it."""
        return destination

    def _dials(self, destination: Destination) -> bool:
        """Whether `destination` has to be one that can be dialled."""
        return True
