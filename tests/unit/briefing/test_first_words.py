"""The first words: whoever has missed them hears them once more, and again."""

from __future__ import annotations

import asyncio
import itertools

from livetransfer import BriefingAgent, PhoneDialled, TransferEvent, WarmTransfer
from livetransfer.testing import Human, Press, Say, Wait, simulate
from tests.unit.transfers import rig

ANN = "+15550100"


async def test_who_says_nothing_hears_them_once_more_and_again() -> None:
    async with simulate(humans={ANN: Human.silent(after=1)}) as call:
        async with rig(call, WarmTransfer(ANN, briefing_timeout=80).run) as r:
            r.ask()
            await asyncio.sleep(75)
            heard = call.human(ANN).heard("briefing")
            greetings = [words for words in heard if "caller on the line" in words.text]
            assert len(greetings) == 3
            pauses = [b.start - a.end for a, b in itertools.pairwise(greetings)]
            assert all(5.5 < pause < 7 for pause in pauses)


async def test_who_has_said_something_does_not_hear_them_again() -> None:
    human = Human(ring=1, script=[Wait(9), Say("Who is calling?"), Wait(60)])
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            await asyncio.sleep(60)
            heard = call.human(ANN).heard("briefing")
            assert len([words for words in heard if "caller on the line" in words.text]) == 1


async def test_who_accepts_late_is_connected_at_once() -> None:
    human = Human(ring=1, script=[Wait(18), Press("1"), Wait(60)])
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            joined = call.now
            await asyncio.sleep(20)
            assert not call.human(ANN).heard("briefing", start=joined)


async def test_an_agent_that_says_more_by_itself_is_not_spoken_over() -> None:
    class Chatty(BriefingAgent):
        async def on_enter(self) -> None:
            await super().on_enter()
            await asyncio.sleep(10)
            self.session.say("Are you still there?")

    async with simulate(humans={ANN: Human.silent(after=1)}) as call:
        async with rig(call, WarmTransfer(ANN, briefing=Chatty()).run) as r:
            r.ask()
            await asyncio.sleep(60)
            heard = call.human(ANN).heard("briefing")
            assert len([words for words in heard if "caller on the line" in words.text]) == 1


async def test_a_model_that_takes_no_new_instructions_begins_afresh_with_the_right_ones() -> None:
    class Fixed(BriefingAgent):
        async def update_instructions(self, instructions: str) -> None:
            if self._activity is not None:
                raise RuntimeError("instructions cannot be changed in this session")
            await super().update_instructions(instructions)

    async with simulate(humans={ANN: Human.accepts(after=12)}) as call:
        transfer = WarmTransfer(ANN, briefing=Fixed(), while_ringing="conversation")
        async with rig(call, transfer.run) as r:
            r.ask()
            await asyncio.sleep(6)
            await call.caller.says("My order is late.")
            outcome = await r.outcome()
            assert outcome.bridged
            assert len(call.controls[0].conversations) == 2
            heard = call.human(ANN).heard("briefing")
            assert "caller on the line" in " ".join(words.text for words in heard)


async def test_without_a_model_only_the_keys_decide() -> None:
    human = Human(ring=1, script=[Wait(12), Say("Yes, put them through."), Wait(6), Press("1")])
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN, briefing=BriefingAgent(llm=None)).run) as r:
            r.ask()
            await asyncio.sleep(18)
            assert not r.agent.results  # said is not pressed
            assert (await r.outcome()).bridged


async def greeted(seconds: float) -> tuple[float, float]:
    """Of a line that takes `seconds` to open: when the dial was, and how long the human waited."""
    events: list[PhoneDialled] = []

    def listen(event: TransferEvent) -> None:
        if isinstance(event, PhoneDialled):
            events.append(event)

    async with simulate(humans={ANN: Human.silent(after=0)}) as call:
        call.faults.delay("open_conversation", seconds)
        async with rig(call, WarmTransfer(ANN, announcement=None, on_event=listen).run) as r:
            r.ask()
            await asyncio.sleep(15)
            answered = call.human(ANN).rings[0].answered_at
            assert answered is not None
            return events[0].at, call.human(ANN).heard("briefing")[0].start - answered


async def test_who_answers_at_once_is_not_met_with_silence() -> None:
    dialled, first_word = await greeted(0.0)
    later, with_a_slow_line = await greeted(0.3)
    assert 0.1 < later - dialled <= 0.32
    assert with_a_slow_line <= min(first_word, 0.15)


async def test_a_line_that_does_not_open_does_not_hold_up_the_dial() -> None:
    dialled, first_word = await greeted(0.0)
    later, with_a_stuck_line = await greeted(2.0)
    assert later - dialled <= 0.52
    assert 1 < with_a_stuck_line - first_word < 2
