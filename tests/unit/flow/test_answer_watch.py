"""What follows from what has answered, while the briefing already speaks: on simulated calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from livetransfer import (
    AnswerClass,
    BriefingAgent,
    ConfigurationError,
    Destination,
    HookFailed,
    PhoneClassified,
    TransferEvent,
    TransferStatus,
    WarmTransfer,
)
from livetransfer.answering import (
    AnswerPolicy,
    AnswerVerdict,
    End,
    Situation,
    ToneAndPhraseDetector,
)
from livetransfer.testing import Human, Press, Say, Simulation, Wait, WaitForBridge, WaitForSpeech
from livetransfer.testing import simulate as simulated
from livetransfer.testing.models import ToolCall
from tests.unit.answering.answering_kit import cadence, silence, tone
from tests.unit.transfers import RULES, rig

ANN = "+15550100"
GREETING = "Hello, I have a caller on the line for you."
YES = Say("Yes, put them through.")


def sound(samples: Any) -> Any:
    return (np.asarray(samples) * 32767).astype(np.int16)


RINGING = Say("", audio=sound(cadence((440, 480), (2.0, 4.0), 8.0)), rate=8000)
"""A provider that has answered, and lets the caller hear the ringing."""

BEEP = Say("", audio=sound(np.concatenate([tone((1000,), 0.4), silence(0.2)])), rate=8000)

MAILBOX = Say("You have reached the voicemail of Ann. Please leave a message after the tone.")
SCREENER = Say("Please say your name and why you are calling.")
MENU = Say("For billing, press one. For anything else, press zero.")
GONE = Say("The number you have dialled is not in service. Please check the number.")


async def transferred(
    script: Sequence[Any],
    *,
    events: list[TransferEvent] | None = None,
    destination: Any = ANN,
    ask_again: bool = False,
    rules: Any = RULES,
    **options: Any,
) -> tuple[Any, Simulation]:
    """Transfer to a phone that does `script`; return the outcome, and what was heard."""
    human = Human(ring=1.0, script=tuple(script))
    heard = [] if events is None else events
    options.setdefault("ring_timeout", 20)
    async with simulated(humans={ANN: human}) as call:
        transfer = WarmTransfer(destination, on_event=heard.append, **options)
        async with rig(call, transfer.run, rules) as r:
            r.ask()
            outcome = await r.outcome()
            await asyncio.sleep(8.0)  # a goodbye to the human is not waited for
    return outcome, call


def told(events: Sequence[TransferEvent]) -> list[str]:
    return [e.answered_by.value for e in events if isinstance(e, PhoneClassified)]


def said_to(call: Simulation) -> list[tuple[float, str]]:
    return [(heard.start, heard.text) for heard in call.human(ANN).heard("briefing")]


async def test_a_person_never_waits_for_it() -> None:
    at: dict[bool, float] = {}
    for listens in (True, False):
        detector = ToneAndPhraseDetector() if listens else None
        outcome, call = await transferred(
            (WaitForSpeech(), YES, WaitForBridge()), answer_detector=detector
        )
        assert outcome.bridged, outcome
        at[listens] = said_to(call)[0][0]
    assert at[True] == at[False]


async def test_a_mailbox_is_over_before_anybody_is_connected() -> None:
    events: list[TransferEvent] = []
    outcome, _ = await transferred((MAILBOX, BEEP, Wait(30.0)), events=events)
    assert outcome.status is TransferStatus.VOICEMAIL
    assert outcome.attempts[0].answered_by is AnswerClass.VOICEMAIL
    assert told(events)[0] == "voicemail"
    assert outcome.timings["briefing"] < 7.0  # the greeting takes 5.1 s


async def test_a_message_is_left_after_the_beep() -> None:
    policy = AnswerPolicy(leave_message="Please call us back.")
    outcome, call = await transferred((MAILBOX, Wait(1.0), BEEP, Wait(30.0)), when_answered=policy)
    assert outcome.status is TransferStatus.VOICEMAIL
    (at,) = [at for at, text in said_to(call) if text == "Please call us back."]
    # The mailbox's words take 5 s, then 1 s of quiet, and the beep.
    answered = call.human(ANN).rings[-1].answered_at
    assert answered is not None
    assert at >= answered + 5.0 + 1.0 + 0.4
    assert GREETING not in " ".join(text for t, text in said_to(call) if t > at)


async def test_without_a_beep_the_message_is_left_all_the_same() -> None:
    policy = AnswerPolicy(leave_message="Please call us back.", beep_within=4.0)
    outcome, call = await transferred((MAILBOX, Wait(60.0)), when_answered=policy)
    assert outcome.status is TransferStatus.VOICEMAIL
    assert "Please call us back." in call.human(ANN).heard_text


@pytest.mark.parametrize("speaks", [True, False], ids=["speaks", "says nothing"])
async def test_after_a_ringback_the_briefing_starts_afresh(speaks: bool) -> None:
    events: list[TransferEvent] = []
    reply = (Say("Hello?"), WaitForSpeech(), YES) if speaks else (Wait(12.0), Press("1"))
    outcome, call = await transferred(
        (RINGING, Wait(0.5), *reply, WaitForBridge()), events=events, ring_timeout=30
    )
    assert outcome.bridged, outcome
    assert told(events)[0] == "ringback"
    greetings = [at for at, text in said_to(call) if text.startswith("Hello, I have a caller")]
    answered = call.human(ANN).rings[-1].answered_at
    assert answered is not None
    # Nothing is said into the ringing once it is known, and the whole greeting after it.
    rung = answered + 8.0
    assert not [at for at in greetings if answered + 3.0 < at < rung]
    assert any(at > rung for at in greetings)


async def test_a_phone_that_rings_on_was_not_answered() -> None:
    outcome, _ = await transferred((RINGING, RINGING, RINGING, RINGING), ring_timeout=15)
    assert outcome.status is TransferStatus.NO_ANSWER
    assert outcome.attempts[0].answered_by is AnswerClass.RINGBACK


async def test_a_screener_is_told_who_calls_and_a_person_is_briefed_afresh() -> None:
    script = (SCREENER, WaitForSpeech(10.0), Wait(3.0), Say("Hello, this is Ann."))
    outcome, call = await transferred((*script, WaitForSpeech(), YES, WaitForBridge()))
    assert outcome.bridged, outcome
    said = [text for _, text in said_to(call)]
    told_at = next(i for i, text in enumerate(said) if "an assistant with a caller" in text)
    assert any(GREETING in text for text in said[told_at + 1 :])
    assert outcome.attempts[0].answered_by is AnswerClass.PERSON


async def test_a_screener_is_heard_to_its_end() -> None:
    """It is known by its first words, and listens when it has said the others."""
    long = Say(SCREENER.text + " Then stay on the line, and I will see whether they are free.")
    outcome, call = await transferred([long, Wait(6.0), Press("1"), Wait(9)])
    assert outcome.bridged
    human = call.human(ANN)
    leg = human.rings[0].leg.identity
    said = next(sound for sound in call.tape.sounds if sound.speaker == leg)
    told = next(w for w in human.heard("briefing") if "This is an assistant" in w.text)
    assert told.start > said.end


async def test_a_screener_that_puts_nobody_through() -> None:
    policy = AnswerPolicy(screening_wait=8.0, screening_say="A caller for Ann.")
    outcome, call = await transferred((SCREENER, Wait(60.0)), when_answered=policy)
    assert outcome.status is TransferStatus.NO_ANSWER
    assert outcome.attempts[0].answered_by is AnswerClass.SCREENING
    assert "A caller for Ann." in call.human(ANN).heard_text


async def test_a_menu_is_over_without_keys() -> None:
    outcome, _ = await transferred((MENU, Wait(60.0)))
    assert outcome.status is TransferStatus.FAILED
    assert outcome.attempts[0].answered_by is AnswerClass.IVR
    assert "dtmf=" in (outcome.reason or "")


async def test_after_the_destinations_keys_a_person_is_waited_for() -> None:
    script = (MENU, Wait(4.0), Say("Billing, Ann speaking."), WaitForSpeech(), YES, WaitForBridge())
    outcome, call = await transferred(script, destination=Destination(ANN, dtmf="1"))
    assert outcome.bridged, outcome
    assert call.human(ANN).keys == "1"


async def test_an_announcement_of_the_network_means_that_nobody_is_there() -> None:
    outcome, _ = await transferred((GONE, Wait(1.5), GONE, Wait(1.5), GONE))
    assert outcome.status is TransferStatus.INVALID_DESTINATION
    assert outcome.attempts[0].answered_by is AnswerClass.ANNOUNCEMENT
    assert outcome.timings["briefing"] < 7.0


@pytest.mark.parametrize("policy", ["raises", "wrong", "none"])
async def test_a_policy_that_fails_is_the_default_and_told(policy: str) -> None:
    def mine(verdict: AnswerVerdict, situation: Situation) -> Any:
        if policy == "raises":
            raise LookupError("no such thing")
        return "hang up" if policy == "wrong" else None

    events: list[TransferEvent] = []
    outcome, _ = await transferred((MAILBOX, Wait(30.0)), events=events, when_answered=mine)
    assert outcome.status is TransferStatus.VOICEMAIL
    hooks = [e.hook for e in events if isinstance(e, HookFailed)]
    assert hooks == ([] if policy == "none" else ["when_answered"] * len(hooks))
    assert bool(hooks) is (policy != "none")


async def test_a_policy_of_ones_own_decides() -> None:
    def mine(verdict: AnswerVerdict, situation: Situation) -> End | None:
        found = verdict.answered_by is AnswerClass.SCREENING
        return End(TransferStatus.DECLINED, "screened") if found else None

    outcome, _ = await transferred((SCREENER, Wait(30.0)), when_answered=mine)
    assert (outcome.status, outcome.reason) == (TransferStatus.DECLINED, "screened")


class Broken(ToneAndPhraseDetector):
    """A detector that fails at some point."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at

    def begin(self, *, on_change: Any = None) -> Any:
        if self._at == "begin":
            raise RuntimeError("no model")
        session = super().begin(on_change=on_change)

        def fails(*_: Any, **__: Any) -> None:
            raise RuntimeError("lost")

        setattr(session, self._at, fails)
        return session


@pytest.mark.parametrize("at", ["begin", "push_frame", "push_transcript", "pass_time", "aclose"])
async def test_a_detector_that_fails_leaves_the_briefing_to_its_model(at: str) -> None:
    events: list[TransferEvent] = []
    outcome, _ = await transferred(
        (WaitForSpeech(), YES, WaitForBridge()), events=events, answer_detector=Broken(at)
    )
    assert outcome.bridged, outcome
    hooks = [e.hook for e in events if isinstance(e, HookFailed)]
    assert hooks == ([] if at == "aclose" else ["answer_detector"])


# -- acceptance --------------------------------------------------------------------------------

EAGER: Any = [("talk to a person", ToolCall("transfer")), (".*", ToolCall("connect_to_caller"))]
"""A model that connects whatever it hears."""


@pytest.mark.parametrize("script", [(Wait(60.0),), (MAILBOX, Wait(60.0)), (MENU, Wait(60.0))])
async def test_no_model_connects_a_machine_or_nobody(script: Any) -> None:
    rules = [("Caller:", "The caller wants a person."), *EAGER]
    outcome, _ = await transferred(script, rules=rules, briefing_timeout=30)
    assert not outcome.bridged


@pytest.mark.parametrize("accept", ["key", "code"])
async def test_by_key_alone(accept: Any) -> None:
    briefing = BriefingAgent(accept=accept)
    outcome, _ = await transferred(
        (WaitForSpeech(), YES, Wait(5.0), YES, Wait(60.0)), briefing=briefing, briefing_timeout=30
    )
    assert outcome.status is TransferStatus.TIMED_OUT
    if accept == "key":
        outcome, _ = await transferred(
            (WaitForSpeech(), Press("1"), WaitForBridge()), briefing=briefing
        )
        assert outcome.bridged


async def test_a_code_is_named_in_the_greeting_and_is_another_for_each_call() -> None:
    seen: set[str] = set()
    for _ in range(12):
        human = Human(ring=1.0)
        async with simulated(humans={ANN: human}) as call:
            transfer = WarmTransfer(ANN, briefing=BriefingAgent(accept="code"), exit_key="9")
            async with rig(call, transfer.run) as r:
                r.ask()
                await asyncio.sleep(15.0)
                heard = call.human(ANN).heard_text
                (code,) = {d for d in "0123456789" if f"press {d} for yes" in heard}
                for other in set("0123456789") - {code, "2"}:
                    call.human(ANN).press(other)
                await asyncio.sleep(0.5)
                assert not r.agent.results
                call.human(ANN).press(code)
                assert (await r.outcome()).bridged
        seen.add(code)
    assert len(seen) > 1
    assert not seen & {"0", "1", "2", "9"}


async def test_whoever_answers_is_connected_with_no_briefing() -> None:
    briefing = BriefingAgent(accept="answer")
    outcome, call = await transferred(
        (Say("Ann speaking."), WaitForBridge(), Wait(5.0)), briefing=briefing
    )
    assert outcome.bridged, outcome
    assert GREETING not in call.human(ANN).heard_text
    assert outcome.timings["briefing"] < 2.6


@pytest.mark.parametrize(
    "script", [(MAILBOX, Wait(30.0)), (MENU, Wait(30.0)), (SCREENER, Wait(60.0))]
)
async def test_an_answer_by_a_machine_connects_nobody(script: Any) -> None:
    outcome, _ = await transferred(script, briefing=BriefingAgent(accept="answer"))
    assert not outcome.bridged


async def test_who_answers_and_says_nothing_is_connected_soon() -> None:
    outcome, _ = await transferred(
        (Wait(60.0),), briefing=BriefingAgent(accept="answer"), answer_detector=None
    )
    assert outcome.bridged
    assert 2.4 < outcome.timings["briefing"] < 3.0


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("answer_detector", "yes"), ("answer_detector", object()), ("when_answered", AnswerPolicy)],
)
def test_what_is_none_is_refused(keyword: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=keyword):
        WarmTransfer(ANN, **{keyword: value})
