"""The caller's session on the simulator does what it does in a room, and time does not run away."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, StopResponse
from livekit.agents.llm import ChatContext, ChatMessage

from livetransfer import WarmTransfer
from livetransfer.control import current_control
from livetransfer.testing import HangUp, Human, Wait, simulate
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS
from tests.unit.transfers import RULES, rig

ANN = "+15550100"


async def test_the_session_closes_when_the_transfer_hangs_the_caller_up() -> None:
    """As in a room, where `close_on_disconnect` is the default."""
    human = Human.accepts(after=1, then=[Wait(5), HangUp()])
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            closed: list[Any] = []
            r.session.on("close", closed.append)
            r.ask()
            await r.outcome()
            await asyncio.sleep(30)
            assert not call.caller.on_the_line
            assert closed


@pytest.mark.parametrize("stops", [False, True])
async def test_the_hook_after_a_turn_is_called(stops: bool) -> None:
    heard: list[str | None] = []

    class Hooked(Agent):
        async def on_user_turn_completed(
            self, turn_ctx: ChatContext, new_message: ChatMessage
        ) -> None:
            heard.append(new_message.text_content)
            if stops:
                raise StopResponse
            turn_ctx.add_message(role="assistant", content="(They are a VIP.)")

    async with simulate() as call:
        model = ScriptedLLM(RULES)
        session: AgentSession[Any] = AgentSession(llm=model, tts=ScriptedTTS())
        call.attach(session)
        await session.start(Hooked(instructions="x"))
        await call.caller.says("What is my account number?")
        await asyncio.sleep(5)
        assert heard == ["What is my account number?"]
        assert call.caller.heard_text == ("" if stops else "It is 4711.")
        if not stops:
            said = [m.text_content for m in model.requests[0].chat_ctx.messages()]
            assert "(They are a VIP.)" in said
        await session.aclose()


async def test_a_simulation_that_could_not_begin_leaves_nothing() -> None:
    with pytest.raises(TypeError):
        async with simulate(humans={ANN: None}):  # type: ignore[dict-item]
            pass
    assert current_control.get() is None


async def test_hours_do_not_pass_while_something_else_than_the_loop_works() -> None:
    """After a bridge the only timer left is one that never comes."""
    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            away: list[Any] = []
            r.session.on("user_state_changed", away.append)
            r.ask()
            await r.outcome()
            await asyncio.sleep(20)
            loop, done = asyncio.get_running_loop(), asyncio.Event()

            def work() -> None:  # anyio.to_thread, a driver's own thread, a socket
                time.sleep(0.2)
                loop.call_soon_threadsafe(done.set)

            before = call.now
            threading.Thread(target=work).start()
            await done.wait()
            assert call.now - before < 3600, call.now - before
            assert not [event for event in away if event.new_state == "away"]


async def test_what_a_script_raised_is_logged_beside_what_the_test_failed_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> None:
        raise LookupError("no such thing")

    async def fails() -> None:
        async with simulate() as call:
            call.at(1, broken)
            await asyncio.sleep(2)
            raise AssertionError("of the test")

    with pytest.raises(AssertionError, match="of the test"):
        await fails()
    assert [r.exc_info[0] for r in caplog.records if r.exc_info] == [LookupError]
