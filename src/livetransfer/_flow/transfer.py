"""Transfer: what warm and cold transfers have in common, up to the beginning of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

from typing_extensions import Unpack

from livetransfer._checks import (
    check_choice,
    check_count,
    check_key,
    check_listener,
    check_seconds,
    check_text,
)
from livetransfer._so_far import SoFar
from livetransfer._user_code import CodeFailed, ask
from livetransfer.control import CallControl
from livetransfer.destination import Destination, check_allowed, check_patterns
from livetransfer.errors import (
    ConfigurationError,
    DestinationError,
    DestinationNotAllowedError,
    UnknownDestinationError,
)
from livetransfer.events import (
    DestinationRefused,
    HookFailed,
    TransferEnded,
    TransferEvent,
    TransferStarted,
)
from livetransfer.fallback import Fallback, GoTo
from livetransfer.fallback.policy import actions_of, check_fallback
from livetransfer.guard import DestinationGuard
from livetransfer.hold import HoldMusicPlayer
from livetransfer.outcome import TransferOutcome
from livetransfer.phases import Phase
from livetransfer.privacy import Privacy
from livetransfer.record import Records
from livetransfer.routing.router import (
    Router,
    RouteRequest,
    Target,
    check_skills,
    validate_targets,
)
from livetransfer.status import TransferStatus

from .after_bridge import After
from .ask_router import Asking, offers
from .attempt import TransferProtocol
from .call import Call
from .caller_session import ANNOUNCEMENT_LIMIT, CallerSession, Context
from .choose_control import Bridge, connect
from .claim import claim
from .cold_protocol import ColdProtocol
from .endings import AttemptOver
from .event_delivery import Telling
from .make_outcome import outcome_by
from .options import TransferOptions, completed
from .recording import Recording
from .refer_address import Ways
from .run import Run, RunOptions
from .whom_next import Course, Ring

__all__ = ["MAX_ATTEMPTS", "Transfer"]

T = TypeVar("T")

MAX_ATTEMPTS = 10
"""Attempts of one run, at most, where its list of destinations is not longer."""


class Transfer:
    """The options and the hooks of every transfer."""

    _kind: Literal["warm", "cold"] = "cold"
    _ways = Ways("auto", None)

    def __init__(
        self,
        to: Target,
        *,
        department: str | None = None,
        **options: Unpack[TransferOptions],
    ) -> None:
        chosen = completed(options)
        self._targets = validate_targets(to)
        self._allowed = check_patterns(chosen["allowed"])
        self._guard = _instance("guard", chosen["guard"], DestinationGuard, "a DestinationGuard")
        self._trunk_id = check_text("trunk_id", chosen["trunk_id"])
        if isinstance(self._targets, tuple):
            check_allowed(self._targets, self._allowed)
            self._guarded(self._targets)
        self._announcement = check_text("announcement", chosen["announcement"])
        music = chosen["hold_music"]
        self._player = music if isinstance(music, HoldMusicPlayer) else HoldMusicPlayer(music)
        self._ring_timeout = check_seconds("ring_timeout", chosen["ring_timeout"], 1, 600)
        self._ring: Ring = check_choice("ring", chosen["ring"], Ring)
        self._ring_next_after = _seconds("ring_next_after", chosen["ring_next_after"], 600)
        together = self._ring == "all" or self._ring_next_after is not None
        if together and offers(self._targets):
            field: Literal["ring", "ring_next_after"]
            field = "ring" if self._ring == "all" else "ring_next_after"
            remedy = 'who makes offers says who rings together: Queue(strategy="ring_all")'
            raise ConfigurationError(field, chosen[field], remedy)
        self._route_timeout = check_seconds("route_timeout", chosen["route_timeout"], 0.1, 120)
        max_attempts = chosen["max_attempts"]
        if max_attempts is None:
            listed = len(self._targets) if isinstance(self._targets, tuple) else 0
            max_attempts = max(MAX_ATTEMPTS, listed)
        self._max_attempts = check_count("max_attempts", max_attempts, 1, 1000)
        self._fallback = check_fallback(chosen["fallback"])
        self._check_further(self._fallback)
        self._bridge: Bridge = check_choice("bridge", chosen["bridge"], Bridge)
        self._after: After = check_choice("after", chosen["after"], After)
        self._return_instructions = check_text("return_instructions", chosen["return_instructions"])
        self._caller = check_text("caller", chosen["caller"])
        self._caller_grace = _seconds("caller_grace", chosen["caller_grace"], 60)
        if department is not None and not isinstance(self._targets, Router):
            raise ConfigurationError("department", department, "only a Router has departments")
        self._department = department
        self._skills = check_skills(chosen["skills"])
        self._priority = check_count("priority", chosen["priority"], -1000, 1000)
        self._max_hold = check_seconds("max_hold", chosen["max_hold"], 1, 24 * 3600)
        self._exit_key = check_key("exit_key", chosen["exit_key"])
        self._records = _instance(
            "records", chosen["records"], Records, "Records(...), with its sinks"
        )
        privacy = _instance("privacy", chosen["privacy"], Privacy, "a Privacy(...)")
        kept = self._records.privacy if self._records is not None else Privacy()
        self._privacy = privacy or kept
        self._on_event = check_listener("on_event", chosen["on_event"])
        with contextlib.suppress(RuntimeError):
            self._player.prefetch()

    # -- what a subclass may override ------------------------------------------------------

    def on_event(self, event: TransferEvent) -> Awaitable[None] | None:
        """Be told what happens; the default passes it to the `on_event` argument.

        It may be async: the events are then told one after the other, and the transfer does not
        wait for it. What it raises is logged and changes nothing.
        """
        return None if self._on_event is None else self._on_event(event)

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
        talking: bool = False,
    ) -> TransferOutcome:
        """Claim the call, find its caller, then run `protocol`.

        What is refused here raises before anything rings and before the caller is on hold.
        """
        session = CallerSession(context)
        with claim(session.session) as held:
            control = await self._connect(session)
            try:
                self._check_caller(control)
                kept = Recording(self._records, self._recorded(session)) if self._records else None
                call = Call(
                    session=session,
                    control=control,
                    player=self._player,
                    tell=Telling(self.on_event, kept),
                    max_hold=self._max_hold,
                    exit_key=self._exit_key,
                    caller_grace=self._caller_grace,
                    guard=self._guard,
                    trunk_id=self._trunk_id,
                    counted=self._counted(),
                    own=self._completed,
                    record=None if kept is None else SoFar(lambda: kept.record),
                    department=self._department,
                )
                course = self._asking(call).course(self._targets, lambda: self._request(call))
            except DestinationNotAllowedError as error:
                over = AttemptOver(TransferStatus.UNAVAILABLE, error.remedy)
                over.__cause__ = error
                call.emit(TransferEnded(call.at, outcome_by(call, over, None)))
                await control.aclose()
                raise
            except BaseException:
                await control.aclose()
                raise
            run = Run(
                call,
                claim=held,
                announce=lambda: self._announced(call),
                protocol=protocol(session),
                course=course,
                go_to=lambda action: self._go_to(call, action),
                options=RunOptions(
                    fallback=self._fallback,
                    ring_timeout=self._ring_timeout,
                    max_attempts=self._max_attempts,
                    after=self._after,
                    return_instructions=self._return_instructions,
                    talking=talking,
                    privacy=self._privacy,
                    priority=self._priority,
                ),
            )
            call.emit(self._started(control))
            return await run.execute()

    async def _connect(self, session: CallerSession) -> CallControl:
        """Return the control of the call that is transferred; a callback has one already."""
        return await connect(
            session.session, caller=self._caller, bridge=self._bridge, trunk_id=self._trunk_id
        )

    def _started(self, control: CallControl) -> TransferStarted:
        return TransferStarted(
            0.0,
            self._kind,
            control.caller.identity,
            control.caller.kind,
            control.caller_number,
            control.call_id(control.caller),
            control.name,
            self._department,
        )

    def _go_to(self, call: Call, action: GoTo) -> tuple[Course, TransferProtocol | None]:
        """Return the course that the fallback has said, and how it is followed.

        Raises:
            TransferError: Its target is unknown, not allowed, or cannot be dialled.
        """
        target, targets = self._further(action), self._targets
        cold = self._cold() if action.cold else None
        asking = self._asking(call, self._ways.dials if cold is not None else self._dials)
        if isinstance(target, Destination):
            return asking.course((target,), lambda: self._request(call)), cold
        assert isinstance(targets, Router)
        call.department = target
        return asking.course(targets, lambda: self._request(call)), cold

    def _further(self, action: GoTo) -> Destination | str:
        """Return whom a GoTo means: a department of the router, or a destination.

        Raises:
            DestinationError: It is neither.
        """
        target, targets = action.target, self._targets
        if isinstance(target, str) and isinstance(targets, Router):
            known = targets.departments
            if target in known:
                return target
            try:
                return Destination.parse(target)
            except DestinationError:
                raise UnknownDestinationError(
                    "target", target, f"use one of {sorted(known)}, a number or a SIP URI"
                ) from None
        return Destination.parse(target)

    def _check_further(self, fallback: Fallback | None) -> None:
        """Refuse what a composed policy could only fail to go to, before there is a call."""
        for action in actions_of(fallback):
            if isinstance(action, GoTo):
                target = self._further(action)
                if isinstance(target, Destination):
                    check_allowed((target,), self._allowed)
                    self._guarded((target,))

    def _cold(self) -> ColdProtocol:
        return ColdProtocol(self._ways, play_dialtone=False, privacy=self._privacy)

    def _asking(self, call: Call, dials: Callable[[Destination], bool] | None = None) -> Asking:
        return Asking(
            call.control,
            permits=lambda destinations: self._permits(call, destinations),
            dials=dials or self._dials,
            limit=self._route_timeout,
            ring=self._ring,
            ring_next_after=self._ring_next_after,
        )

    def _permits(self, call: Call, destinations: Sequence[Destination]) -> None:
        """Refuse what is not allowed, and tell it, also before the run has begun."""
        for destination in destinations:
            try:
                check_allowed((destination,), self._allowed)
                self._guarded((destination,))
            except DestinationNotAllowedError as error:
                if call.phases.current is Phase.IDLE:
                    call.emit(self._started(call.control))
                call.emit(DestinationRefused(call.at, destination, error.remedy))
                raise

    def _guarded(self, destinations: Sequence[Destination]) -> None:
        if self._guard is not None:
            for destination in destinations:
                self._guard.check(destination, trunk_id=destination.trunk_id or self._trunk_id)

    def _request(self, call: Call) -> RouteRequest:
        return RouteRequest(
            call.department,
            call.control.caller.identity,
            call.session.userdata,
            number=call.control.caller_number,
            attributes=call.control.caller_attributes,
            skills=self._skills,
            priority=self._priority,
            call=call.control.name,
            waited=max(call.patience.seconds_on_hold, call.patience.seconds_waited),
            queued=call.patience.seconds_in_queue,
            kind=self._kind,
            tell=call.tell_of_router,
        )

    async def _announced(self, call: Call) -> None:
        """Announce; what an override does wrong does not stop the transfer."""
        session = call.session
        try:
            await ask("announce", lambda: self.announce(session), ANNOUNCEMENT_LIMIT)
        except CodeFailed as failed:
            call.emit(HookFailed(call.at, failed.hook, failed.reason, "the transfer goes on"))

    def _recorded(self, session: CallerSession) -> object:
        """Return what stands for the call: its records are chained."""
        return session.session

    def _counted(self) -> str | None:
        """Return whose calls the guard counts; None: those of the caller's own number."""
        return None

    def _check_caller(self, control: CallControl) -> None:
        """Refuse what cannot be done with this caller, before anything is heard of it."""

    def _completed(self, destination: Destination) -> Destination:
        """Return `destination` with what the transfer's own options add to it."""
        return destination

    def _dials(self, destination: Destination) -> bool:
        """Whether `destination` has to be one that can be dialled."""
        return True


def _instance(field: str, value: T | None, kind: type[T], remedy: str) -> T | None:
    if value is not None and not isinstance(value, kind):
        raise ConfigurationError(field, value, f"give {remedy}")
    return value


def _seconds(field: str, value: float | None, most: float) -> float | None:
    return None if value is None else check_seconds(field, value, 0, most)
