"""make_callback: one job makes one promised call: the human, the caller, the bridge."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from livekit.agents import Agent, AgentSession, JobContext

from livetransfer._checks import check_choice, check_listener, check_seconds, check_text
from livetransfer.answering import AnswerDetector
from livetransfer.briefing import BriefingAgent
from livetransfer.callback_request import CallbackRequest
from livetransfer.errors import ConfigurationError
from livetransfer.guard import DestinationGuard
from livetransfer.hold import HoldMusicPlayer, HoldSource
from livetransfer.routing.router import Target
from livetransfer.warm import DETECTOR

from .call_again import CallAgain
from .callback_course import Making
from .callback_events import Listener, Telling
from .is_callback_job import callback_of
from .job_claim import Holding
from .ledger import CallbackLedger
from .outcome import CallbackOutcome
from .plan import GREETING, Options
from .ringing import ringing_tone

__all__ = ["First", "make_callback"]

logger = logging.getLogger("livetransfer")

First = Literal["human", "caller"]
"""Who is rung first."""

_ITS_OWN = frozenset({"announcement", "hold_music", "after", "max_hold", "while_ringing"})
"""Options of a transfer whose caller is on the line."""


async def make_callback(
    ctx: JobContext,
    ledger: CallbackLedger,
    to: Target | None = None,
    *,
    session: AgentSession[Any],
    agent: Agent | None = None,
    first: First = "human",
    greeting: str | Callable[[CallbackRequest], str] = GREETING,
    leave_message: str | None = None,
    again: CallAgain | None = None,
    caller_ring_timeout: float = 45.0,
    trunk_id: str | None = None,
    guard: DestinationGuard | None = None,
    answer_detector: AnswerDetector | None = DETECTOR,
    keep_place: bool = True,
    waiting: HoldSource | HoldMusicPlayer | None = None,
    briefing: BriefingAgent | Callable[[], BriefingAgent] | None = None,
    on_event: Listener | None = None,
    start: Callable[[AgentSession[Any], str], Awaitable[None]] | None = None,
    **transfer: Any,
) -> CallbackOutcome:
    """Make the callback that this job is for, from the first ring to the end of the call.

    The human is rung and briefed first, as in a `WarmTransfer`: a free member of a team, with a
    lease, from his place in the queue. When he has accepted, the caller is rung; the human hears
    it ring. The caller hears at once who calls, and the two are joined. Where the caller does not
    answer, or a mailbox does, the human is told, and the callback waits for its next time.

    It is written down that the caller is dialled before he is. So whatever dies, he is not rung
    twice by mistake: a callback of which nobody knows whether it was made is indeterminate.
    It returns when the call is over, and deletes the room: nobody stays in it alone.

    Args:
        ctx: The job; `callback_of` says whether it is one for a callback.
        ledger: Who keeps the promised calls.
        to: Whom to ring: as in `WarmTransfer`. A router is asked for the request's `queue`.
            Default: the request's own destination.
        session: Whose models talk with the human and with the caller. It is not started, unless
            the caller is called first.
        agent: Who talks with the caller, where he is called first.
        first: ``"human"``; or ``"caller"``: the caller is rung, and `agent` is on the line with
            him in `session` while the human is rung, as in any transfer.
        greeting: What the caller hears when he answers: who calls. Or a function of the request.
        leave_message: What a mailbox of the caller's is told; the callback is done then. None: he
            is called again.
        again: When he is called again who was not reached. Default: after 5 minutes, 30, and 60.
        caller_ring_timeout: Seconds that the caller's phone may ring.
        trunk_id: The outbound trunk. Default: the environment's ``LIVEKIT_SIP_OUTBOUND_TRUNK``.
        guard: A DestinationGuard that is asked before the caller and the human are dialled.
        answer_detector: Finds out whether a person has answered; None: whoever answers is one.
        keep_place: Whether he has the place in the queue that he had in the call in which this
            was promised: his priority, and the time since then.
        waiting: What the human hears while the caller's phone rings. Default: a ringing tone.
        briefing: A BriefingAgent, or a factory of them. Default: a `CallbackBriefing`.
        on_event: Called with each CallbackEvent; plain or async.
        start: Starts `session` for a caller who is called first; default:
            ``session.start(agent, room=ctx.room, ...)``, linked to him. It is given the session
            and the identity of the caller.
        **transfer: What else a `WarmTransfer` takes: ``ring_timeout``, ``skills``, ``bridge``,
            ``introduction``, ``fallback``, ``records`` (the caller's leg is in one of its own),
            ``privacy``, ...

    Returns:
        What became of it. A `status` of None: another job has it.

    Raises:
        ConfigurationError: This job is for no callback, or an option cannot be used. Where it is
            the setup that is wrong, a missing trunk for example, the callback waits meanwhile.
        StoreUnavailableError: The callback could not be taken; a runner gives it out again.

    On cancellation everybody is hung up, the callback is given back, and the cancellation is
    raised again.
    """
    key = callback_of(ctx)
    if key is None:
        remedy = "this job is for no callback: ask callback_of(ctx) first"
        raise ConfigurationError("ctx", type(ctx).__name__, remedy)
    check_choice("first", first, First)
    if first == "caller" and agent is None:
        raise ConfigurationError("agent", None, "name who talks with a caller who is called first")
    if not callable(greeting) and check_text("greeting", greeting) is None:
        raise ConfigurationError("greeting", greeting, "say who calls")
    taken = sorted(_ITS_OWN & set(transfer)) if first == "human" else ()
    if taken:
        remedy = "a callback that calls the human first has its own; leave it out"
        raise ConfigurationError(taken[0], transfer[taken[0]], remedy)
    options = Options(
        to=to,
        session=session,
        agent=agent,
        caller_first=first == "caller",
        greeting=greeting,
        leave_message=check_text("leave_message", leave_message),
        again=again or CallAgain(),
        ring_timeout=check_seconds("caller_ring_timeout", caller_ring_timeout, 1, 300),
        trunk_id=check_text("trunk_id", trunk_id),
        guard=guard,
        detector=answer_detector,
        keep_place=keep_place,
        waiting=ringing_tone() if waiting is None else waiting,
        briefing=briefing,
        start=start,
        transfer=transfer,
    )
    tell = Telling(check_listener("on_event", on_event))
    room = ctx.job.room.name or ctx.room.name
    job = f"job-{ctx.job.id or uuid.uuid4().hex}"
    promise = await Holding.take(ledger, key, job, room)
    if promise is None:
        logger.info("a callback is made by another job, or not any more")
        await _leave(ctx, ledger, key, room)
        return CallbackOutcome(key, None, "another job makes it, or it is not to be made any more")
    return await Making(ctx, ledger, promise, job=job, options=options, tell=tell).run()


async def _leave(ctx: JobContext, ledger: CallbackLedger, key: str, room: str) -> None:
    """Delete a room that was made for nothing; not that of the job that makes it."""
    found = await ledger.get(key)
    if found is None or found.room != room:
        await ctx.delete_room(room)
