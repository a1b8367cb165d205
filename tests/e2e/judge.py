"""What a transfer promises, judged by what the phones have heard."""

from __future__ import annotations

from collections.abc import Iterable

from . import cast, tones
from .call import Call

HOLD_GAP = 0.3
"""Seconds of silence that a caller on hold may hear at most."""

SLACK = 0.1
"""Seconds allowed to the test machine on top of it; on virtual time there is none."""

VOICES_APART_AFTER = 0.2
"""Seconds after the answer from which on not a window of the other's voice may be heard.

Where the machine takes longer to tell the agent of the answer, and to be told to seal, the
briefing begins later too: not a window from its first word on.
"""


def heard(call: Call, pitches: Iterable[int], after: float, before: float = tones.NEVER) -> int:
    """How many milliseconds of these tones a phone has heard between two moments."""
    return len(moments(call, pitches, after, before)) * 20


def moments(
    call: Call, pitches: Iterable[int], after: float, before: float = tones.NEVER
) -> list[float]:
    """When (time.monotonic) a phone has heard any of these tones, in windows of 20 ms."""
    windows = {
        at
        for pitch in pitches
        for at in tones.windows_with(call.recording, pitch, after=after, before=before)
    }
    return sorted(windows)


def never_left_in_silence(caller: Call, start: float, end: float) -> None:
    """From the hold to the voice that ends it, the caller hears something all the time."""
    gap = tones.longest_silence(caller.recording, start, end)
    if gap > HOLD_GAP + SLACK:
        at = caller.recording.times()
        loud = at[(caller.recording.rms() >= tones.QUIET) & (at >= start) & (at < end)]
        began = max(zip(loud, [*loud[1:], end], strict=True), key=lambda pair: pair[1] - pair[0])[0]
        raise AssertionError(
            f"{gap:.2f} s of silence on hold, {began - start:.2f} s after its first sound and "
            f"{end - began:.2f} s before the voice that ends it"
        )


def nothing_of_the_ai(calls: Iterable[Call], after: float) -> None:
    """From a moment on, no phone hears the AI or the music."""
    for call in calls:
        found = {
            pitch: ms
            for pitch in (*cast.OF_AI, cast.MUSIC)
            if (ms := heard(call, [pitch], after)) > 0
        }
        assert not found, f"heard after the bridge, in ms by tone: {found}"


def nothing_of_the_briefing(caller: Call, human: Call) -> None:
    """The caller never hears the briefing, the human never the music or the AI's other words."""
    answered = human.at("answered")
    began = human.at("invited")
    assert answered is not None
    assert began is not None
    leaked = heard(caller, [cast.BRIEFING, cast.FAREWELL], began)
    assert leaked == 0, f"the caller heard {leaked} ms of the briefing"
    mine = (cast.MUSIC, cast.GREETING, cast.ANNOUNCED, cast.SORRY)
    leaked = heard(human, mine, answered)
    assert leaked == 0, f"the human heard {leaked} ms of what was for the caller"


def voices_apart(caller: Call, human: Call, bridged: float) -> tuple[int, int]:
    """Until the bridge neither hears the other, save before the briefing, right after the answer.

    Returns:
        Milliseconds that the caller heard of the human, and the human of the caller, in the
        first instants after the answer.
    """
    answered = human.at("answered")
    assert answered is not None
    apart = answered + VOICES_APART_AFTER
    briefed = tones.first_heard(human.recording, cast.BRIEFING, after=answered)
    if briefed is not None:
        apart = max(apart, briefed)
    found = []
    for who, listener, voices in (
        ("caller", caller, cast.OF_HUMAN),
        ("human", human, cast.OF_CALLER),
    ):
        late = moments(listener, voices, apart, bridged)
        assert not late, (
            f"the {who} heard the other {20 * len(late)} ms before the bridge, from "
            f"{late[0] - answered:.2f} to {late[-1] - answered:.2f} s after the answer and "
            f"{bridged - late[-1]:.2f} s before the bridge"
        )
        found.append(heard(listener, voices, answered - 1.0, apart))
    return found[0], found[1]
