"""The verbs of a protocol: dial, refer, bridge; each ends early where it has to, and is undone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from livetransfer._tasks import awaiting, keep
from livetransfer._user_code import CodeFailed, ask
from livetransfer.control import BridgeMode, Referred
from livetransfer.destination import Destination
from livetransfer.dialling import dial_again
from livetransfer.errors import CallControlError, DestinationNotAllowedError, ReferFailed
from livetransfer.events import (
    DestinationRefused,
    HookFailed,
    PhoneAnswered,
    PhoneDialled,
    PhoneJoined,
)
from livetransfer.guard.limits import Admission
from livetransfer.phases import Phase
from livetransfer.status import TransferStatus

from .attempt import LiveAttempt
from .endings import AttemptOver, Stopped
from .interrupts import settled
from .lease_and_admission import Account
from .leg import HumanLeg

__all__ = ["bridge", "dial", "refer"]


DIAL_SLACK = 10.0
"""Seconds, beyond the ringing, in which a dial has to have said what became of it."""

REFER_SLACK = 10.0
"""Seconds, beyond its own time-out, in which a REFER has to have said what became of it."""

BRIDGE_LIMIT = 5.0
"""Seconds that joining the two may take."""

GUARD_LIMIT = 5.0
"""Seconds that the guard's counters may take; nobody is dialled where they fail."""

REFER_ANSWER_LIMIT = 2.0
"""Seconds that the answer to a REFER may come after the caller has left (measured: about 1 s)."""


async def dial(attempt: LiveAttempt, human: HumanLeg) -> None:
    """Ring the human until answered; whatever happens, the phone does not ring afterwards.

    Raises:
        AttemptOver: Not answered, or not to be used.
    """
    call, destination = attempt.call, human.destination
    attempt.has_come_to(human, Phase.DIALLING)
    await _admit(attempt, human, destination, human.account)
    if human.over is not None:
        raise human.over  # a colleague has just accepted: nobody else begins to ring
    settles = human.keep
    hangs_up = human.teardown.push("human leg", lambda: call.hang_ups.leg(human.leg))

    def keeps() -> None:
        settles()
        hangs_up()

    human.keep = keeps
    ring_timeout = destination.ring_timeout or attempt.ring_timeout
    # Keys that are pressed after the answer take their time too.
    limit = ring_timeout * (2 if destination.dtmf else 1) + DIAL_SLACK
    late = AttemptOver(
        TransferStatus.INDETERMINATE, f"what became of the dial was not known in {limit:g} s"
    )
    completed = call.completed(destination)
    call.emit(PhoneDialled(call.at, human.leg.identity, destination))
    try:
        await attempt.guard(
            call.control.dial(completed, identity=human.leg.identity, ring_timeout=ring_timeout),
            human=human,
            limit=limit,
            late=late,
        )
        human.reached = True
        if human.over is not None:
            raise human.over  # a colleague has just accepted
        call.emit(PhoneAnswered(call.at, human.leg.identity, call.control.call_id(human.leg)))
    except CallControlError as error:
        over = AttemptOver.by(error)
        if completed.caller_id is not None:
            rang = human.stage is not Phase.DIALLING
            over.instead = dial_again(destination, error, rang=rang)
        raise over from error
    finally:
        human.no_longer_overdue()


async def bridge(attempt: LiveAttempt, human: HumanLeg) -> BridgeMode:
    """Let caller and human hear each other, then end the music.

    Raises:
        AttemptOver: They could not be joined.
    """
    call = attempt.call
    attempt.has_come_to(human, Phase.BRIDGING)
    late = AttemptOver(TransferStatus.FAILED, f"joining the two took over {BRIDGE_LIMIT:g} s")
    try:
        mode = await attempt.guard(
            call.control.bridge(human.leg), human=human, limit=BRIDGE_LIMIT, late=late
        )
    except CallControlError as error:
        raise AttemptOver.by(error) from error
    finally:
        human.met.set()
    human.joined = True
    call.emit(PhoneJoined(call.at, human.leg.identity, mode))
    call.hold_ended()
    call.hold_line.fade()
    return mode


async def refer(
    attempt: LiveAttempt,
    address: str,
    *,
    headers: Mapping[str, str],
    timeout: float,
    play_dialtone: bool,
) -> Referred:
    """Send the caller to `address` by REFER; the caller who leaves meanwhile has arrived.

    Raises:
        ReferFailed: Refused, failed or unclear.
    """
    control = attempt.call.control
    account = Account(None)
    attempt.teardown.push("account", lambda: account.over(TransferStatus.REFERRED))
    await _admit(attempt, None, attempt.destination, account)
    # Until it is known that it was not: whoever ends the run now leaves it under way.
    attempt.referred = True
    task = asyncio.ensure_future(
        control.refer(
            control.caller, address, headers=headers, timeout=timeout, play_dialtone=play_dialtone
        )
    )
    try:
        return await attempt.guard(awaiting(asyncio.shield(task)), limit=timeout + REFER_SLACK)
    except CallControlError as error:
        attempt.referred = _may_have_arrived(error)
        raise
    except AttemptOver as over:
        # Nobody can take a REFER back: it may still succeed.
        raise AttemptOver(TransferStatus.INDETERMINATE, over.reason) from over
    except Stopped as stopped:
        if stopped.status is not TransferStatus.CALLER_LEFT:
            raise Stopped(TransferStatus.INDETERMINATE, stopped.reason) from stopped
        # The leg is gone before the answer to the RPC: accepted, or the caller hung up.
        await asyncio.wait({task}, timeout=REFER_ANSWER_LIMIT)
        ended = task.exception() if task.done() else None
        if not task.done() or (isinstance(ended, CallControlError) and ended.indeterminate):
            unclear = "the caller has left, and what became of the REFER is not known"
            raise Stopped(TransferStatus.INDETERMINATE, unclear) from stopped
        if ended is not None:
            attempt.referred = _may_have_arrived(ended)
            raise
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            attempt.teardown.push("unfinished refer", lambda: settled(task))
        elif not task.cancelled():
            task.exception()


def _may_have_arrived(error: BaseException) -> bool:
    """Return whether the target of a REFER that has ended with `error` may have been reached."""
    reached = isinstance(error, ReferFailed) and error.target_reached
    return reached or not isinstance(error, CallControlError) or error.indeterminate


async def _admit(
    attempt: LiveAttempt, human: HumanLeg | None, destination: Destination, account: Account
) -> None:
    """Ask the guard; the one place through which every dial and every REFER goes.

    What it counts is on the account, which is on a teardown already; what it counts too late is
    given back.

    Raises:
        AttemptOver: It refused, or could not be asked.
    """
    call = attempt.call
    asked = call.destination_guard
    if asked is None:
        return

    async def admitted() -> None:
        admission = await ask(
            "guard",
            lambda: asked.admit(
                destination,
                caller=call.counted,
                trunk_id=destination.trunk_id or call.trunk_id,
            ),
            GUARD_LIMIT,
            passes=(DestinationNotAllowedError,),
            unused=_give_back,
        )
        account.admitted(admission)

    try:
        await attempt.guard(admitted(), human=human)
    except DestinationNotAllowedError as error:
        call.emit(DestinationRefused(call.at, destination, error.remedy))
        raise AttemptOver(TransferStatus.UNAVAILABLE, str(error)) from error
    except CodeFailed as failed:
        call.emit(HookFailed(call.at, failed.hook, failed.reason, "nobody is dialled"))
        raise AttemptOver(TransferStatus.UNAVAILABLE, str(failed)) from failed.__cause__


def _give_back(admission: Admission) -> None:
    account = Account(None)
    account.admitted(admission)
    keep(asyncio.create_task(account.over(TransferStatus.CANCELLED), name="livetransfer-unused"))
