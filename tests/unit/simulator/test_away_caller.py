"""A simulated call whose caller is not there yet: a dial with his identity brings him."""

from __future__ import annotations

from livekit.agents import AgentSession

from livetransfer.control import LegAnswered, LegLeft
from livetransfer.destination import Destination
from livetransfer.testing import Human, Say, Wait, simulate

CALLER = "+15550199"
ANN = "+15550100"
TALKS = Human(1.0, (Say("m" * 15 * 60),))


async def test_he_is_sealed_until_somebody_is_bridged() -> None:
    async with simulate({ANN: TALKS, CALLER: TALKS}, caller=CALLER, caller_away=True) as call:
        control = call.new_control(AgentSession())
        assert control.caller_number == CALLER
        assert not control.caller_present
        human = await control.dial(Destination(ANN), identity="human-1", ring_timeout=30.0)
        identity = control.caller.identity
        await control.dial(Destination(CALLER), identity=identity, ring_timeout=30.0)
        assert control.caller_present
        assert call.caller.on_the_line
        assert not call.caller.talks_to(ANN)
        await control.bridge(human)
        assert call.caller.talks_to(ANN)
        await control.hang_up(control.caller)
        assert not control.caller_present
        left = [e for _, e in call.events if isinstance(e, LegLeft) and e.identity == identity]
        assert len(left) == 1
        await control.hang_up(human)
        await control.aclose()


async def test_his_audio_can_be_listened_to() -> None:
    script = Human(1.0, (Say("Hello?"), Wait(5.0)))
    async with simulate({CALLER: script}, caller=CALLER, caller_away=True) as call:
        control = call.new_control(AgentSession())
        identity = control.caller.identity
        await control.dial(Destination(CALLER), identity=identity, ring_timeout=30.0)
        audio = await control.listen(identity)
        frame = await audio.__anext__()
        assert frame.samples_per_channel
        assert any(isinstance(event, LegAnswered) for _, event in call.events)
        await audio.aclose()
        await control.hang_up(control.caller)
        await control.aclose()
