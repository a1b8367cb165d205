"""The seven promises, checked by one function over what the simulator recorded."""

from __future__ import annotations

import asyncio

from livetransfer import AttemptEnded, Phase, TransferError, TransferStatus
from livetransfer.events import CallEnded

from .scene import Scene

STOPS_RINGING = 1.0
"""Seconds from the caller's hang-up until nothing rings."""

RESTORED = 0.5
"""Seconds from a cancellation until the caller has the AI again."""

GOODBYE = 6.5
"""Seconds that a human who is being talked to may hear why the line is closed, and be hung up."""

SILENCE = 0.3
"""Seconds of silence that a caller on hold may hear."""

TAIL = 5.0
"""Seconds that the music goes on, at least, while the AI that has the caller back says nothing."""


async def check_promises(scene: Scene, *, bound: float = 8.0) -> None:
    """Look at a transfer that is over, then end the call and look at what is left.

    Args:
        scene: The scene; `run()` has returned, and it has settled.
        bound: Seconds from what disturbed it until `run()` returned, where that ended it.

    Raises:
        AssertionError: A promise was broken.
    """
    _bounded(scene, bound)
    _nobody_heard_what_was_not_meant_for_them(scene)
    _silent_after_the_bridge(scene)
    _never_in_silence(scene)
    _nothing_dialled_twice(scene)
    _nothing_rang_when_refused(scene)
    await _somebody_to_talk_to(scene)
    await _the_callers_end_ends_everything(scene)
    _nothing_is_left(scene)


def _bounded(scene: Scene, bound: float) -> None:
    """Promise 1: within a bounded time; and 3: the caller's hang-up ends everything."""
    assert scene.returned is not None
    closed = scene.closed if scene.drained is None else None
    for at in (scene.caller_left, scene.cancelled, closed, scene.lost):
        if at is not None and at <= scene.returned:
            assert scene.returned - at <= bound, f"it took {scene.returned - at:.1f} s to end"
    if scene.cancelled is not None and scene.cancelled <= scene.returned:
        assert isinstance(scene.result, asyncio.CancelledError), scene.result


def _nobody_heard_what_was_not_meant_for_them(scene: Scene) -> None:
    """Promise 4."""
    call = scene.call
    joined = min((verb.at for verb in scene.verbs("bridge")), default=float("inf"))
    if scene.unsealed is not None:
        joined = min(joined, scene.unsealed)
    assert not call.caller.heard("briefing"), "the caller heard the briefing"
    for address, phone in call.humans.items():
        for source in ("hold-music", "agent"):
            assert not phone.heard(source), f"{address} heard {source}"
        assert not phone.heard("caller", end=joined), f"{address} heard the caller before"
        assert not call.caller.heard(address, end=joined), f"the caller heard {address} before"


def _silent_after_the_bridge(scene: Scene) -> None:
    """Promise 5."""
    outcome = scene.outcome
    if outcome is None or not outcome.succeeded:
        return
    assert scene.returned is not None
    back = next((at for at, e in scene.events if isinstance(e, CallEnded) and e.end.returned), None)
    said = scene.call.caller.heard("agent", start=scene.returned, end=back)
    assert not said, f"the AI spoke after the bridge: {said}"
    began = scene.call.clock.start
    asked = [
        r
        for r in scene.llm.requests
        if scene.returned < r.at - began < (back if back is not None else float("inf"))
    ]
    assert not asked, f"the AI listened after the bridge: {asked}"


def _never_in_silence(scene: Scene) -> None:
    """Promise 2: music stops only when the human can be heard, or the AI is back."""
    call = scene.call
    held = min((t for p in _ON_HOLD if (t := scene.entered(p)) is not None), default=None)
    if held is None or scene.quiet or scene.outage or scene.returned is None:
        return
    left_hold = scene.outcome is not None and scene.outcome.status is TransferStatus.CANCELLED
    if left_hold and not call.caller.heard("hold-music"):
        return  # the exit key was pressed before the hold had begun
    if scene.talking:
        music = call.caller.heard("hold-music", start=held)
        held = music[0].start if music else call.now
    ends = [scene.returned]
    if scene.outcome is not None and not scene.outcome.succeeded:
        spoken = call.caller.heard("agent", start=held)
        ends = [min(spoken[0].start if spoken else call.now, scene.returned + TAIL)]
    gone_on = scene.drained if scene.talking else None
    for moment in (scene.caller_left, scene.cancelled, scene.closed, scene.lost, gone_on):
        if moment is not None:
            ends.append(moment)
    bridged = min((v.ended for v in scene.verbs("bridge") if v.ended and not v.error), default=None)
    if bridged is not None:
        ends.append(bridged)
    if not isinstance(scene.result, asyncio.CancelledError) and scene.outcome is None:
        return
    silence = call.caller.silence(held, min(ends))
    assert silence <= SILENCE, f"the caller on hold heard nothing for {silence:.2f} s"


_ON_HOLD = (Phase.HOLDING, Phase.REFERRING)


def _nothing_dialled_twice(scene: Scene) -> None:
    """Promise 6, and no duplicate dialling."""
    unclear = min(
        (
            at
            for at, e in scene.events
            if isinstance(e, AttemptEnded) and e.attempt.status is TransferStatus.INDETERMINATE
        ),
        default=None,
    )
    dials = scene.verbs("dial")
    if unclear is not None:
        ours = [verb for verb in scene.call.controls[0].calls if verb.name == "dial"]
        assert not [d for d in ours if d.at >= unclear], "dialled after an unclear outcome"
    identities = [d.args["identity"] for d in dials]
    assert len(set(identities)) == len(identities), "an identity was used twice"
    if scene.outcome is not None:
        for address, phone in scene.call.humans.items():
            tries = [
                a
                for a in scene.outcome.attempts
                if a.destination is not None and a.destination.address == address
            ]
            assert len(phone.rings) <= len(tries), f"{address} rang too often"


def _nothing_rang_when_refused(scene: Scene) -> None:
    """Promise 7."""
    if isinstance(scene.result, TransferError):
        assert not scene.verbs("dial"), "something rang although it was refused"
        assert not scene.verbs("open_audio"), "on hold although it was refused"


async def _somebody_to_talk_to(scene: Scene) -> None:
    """Promise 1: working audio and somebody to talk to; the music and the ringing stopped."""
    call = scene.call
    assert not call.caller.hears("hold-music"), "the music plays on"
    ringing = [phone.address for phone in call.humans.values() if phone.ringing]
    assert not ringing, f"{ringing} ring on"
    if scene.lost is None and not scene.broken_hang_up and not scene.unwatched:
        alone = [
            phone.address
            for phone in call.humans.values()
            if phone.on_the_line and not phone.talks_to("caller")
        ]
        assert not alone, f"{alone} on the line alone"
    if not call.caller.on_the_line or scene.lost is not None or scene.closed is not None:
        return
    if scene.unwatched or scene.drained is not None:
        return
    joined = any(call.caller.talks_to(address) for address in call.humans)
    if scene.outcome is not None and scene.outcome.bridged and joined:
        assert not call.caller.talks_to_ai, "the AI listens in"
        return
    assert not joined, "the caller is joined to a human and has the AI"
    assert call.caller.talks_to_ai, "the caller is left without the AI"
    scene.tts.error = None
    asked = call.now
    await call.caller.says("Hello? Is somebody there?")
    await asyncio.sleep(4)
    assert call.caller.heard("agent", start=asked), "the AI does not answer the caller"


async def _the_callers_end_ends_everything(scene: Scene) -> None:
    """Promise 3: in every step; and 1: the other leg is hung up, exactly once."""
    call = scene.call
    if call.caller.on_the_line and scene.lost is None:
        scene.caller_hangs_up()
        await asyncio.sleep(SETTLE_AFTER_HANG_UP)
    left = scene.caller_left
    for address, phone in call.humans.items():
        for ring in phone.rings:
            if scene.lost is not None or scene.broken_hang_up or scene.unwatched:
                continue
            assert ring.ended_at is not None, f"{address} was not hung up"
            if left is None or ring.ended_at <= left:
                continue
            limit = STOPS_RINGING if ring.answered_at is None else GOODBYE
            limit += 2.5 * scene.slow_hang_up + 3.5 * scene.outage
            assert ring.ended_at - left <= limit, f"{address} ended {ring.ended_at - left:.1f} s on"
    worked: dict[str, float] = {}
    for verb in scene.verbs("hang_up"):
        identity = verb.args["leg"].identity
        assert verb.at < worked.get(identity, float("inf")), f"{identity} was hung up twice"
        if verb.error is None and verb.ended is not None:
            worked[identity] = min(verb.ended, worked.get(identity, float("inf")))


SETTLE_AFTER_HANG_UP = 8.0


def _nothing_is_left(scene: Scene) -> None:
    """Nothing of it is left: verbs, controls, sinks, conversations, listeners, handlers."""
    left = scene.call.leftovers()
    if scene.lost is not None or scene.broken_hang_up or scene.after == "leave":
        left = [what for what in left if "on the line" not in what and "is running" not in what]
    assert not left, left
    outcome = scene.outcome
    handed_over = outcome is not None and outcome.succeeded
    if not handed_over and scene.closed is None and scene.lost is None:
        extra = scene.handlers_now - scene.handlers
        assert not extra, f"handlers are left on the session: {extra}"
