"""Taking back: what the AI is told, and says, once, when it has the caller again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from livekit.agents import FunctionToolsExecutedEvent

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer.outcome import TransferOutcome

from .caller_session import CallerSession
from .claim import is_claimed
from .end_call import EndCalls

__all__ = ["RETURN_INSTRUCTIONS", "TakingBack"]

logger = logging.getLogger("livetransfer")

RETURN_INSTRUCTIONS = "Say so in a few words and ask whether you can help further."
"""What the AI is asked to do when the human has left and it has the caller again."""

APPLICATION_FIRST = 1.0
"""Seconds, from the end of `run()`, in which the application's own words take the place of ours."""

TOOL_ENDS = 60.0
"""Seconds that a tool may go on after `run()`, and still be watched for a result that says nothing.
"""

CAME_BACK = (
    "The colleague who took the call has left, after {seconds:.0f} seconds with the caller. "
    "The caller is on the line with you again."
)


class TakingBack:
    """Sees to it that the AI knows what happened and speaks.

    Its words are made with no tools: a model that sees that the caller wants a person would
    transfer again at once.

    Args:
        session: The caller's session.
        instructions: What it is asked to say; None leaves all words to the application.
    """

    def __init__(self, session: CallerSession, instructions: str | None) -> None:
        self._session, self._instructions = session, instructions

    def after_failure(self, outcome: TransferOutcome) -> None:
        """The transfer has failed, and the caller has the AI again.

        The result of a tool makes the AI speak, also one that is told late. Where there is no
        tool, or it returns nothing, this does.
        """
        EndCalls(self._session).call_off()
        if not self._session.in_tool:
            work = self._without_a_tool
        elif self._session.answers_at_the_end:
            work = self._unless_the_tool_speaks
        else:
            return
        # From now on: the tool may say something itself before it returns nothing.
        spoken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_speech(_: object) -> None:
            if not spoken.done():
                spoken.set_result(None)

        session = self._session.session
        session.on("speech_created", on_speech)
        task = asyncio.create_task(work(outcome, spoken), name="livetransfer-take-back")
        task.add_done_callback(lambda _: session.off("speech_created", on_speech))
        keep(task)

    async def after_the_call(self, seconds: float) -> None:
        """The human has left after `seconds` with the caller, who has the AI again."""
        note = CAME_BACK.format(seconds=seconds)
        await self._note(note)
        if self._instructions is not None:
            self._reply(f"{note} {self._instructions}")

    async def _without_a_tool(self, outcome: TransferOutcome, spoken: asyncio.Future[None]) -> None:
        await self._note(str(outcome))
        await self._unless_somebody_speaks(outcome, spoken)

    async def _unless_the_tool_speaks(
        self, outcome: TransferOutcome, spoken: asyncio.Future[None]
    ) -> None:
        """Wait for the tool's end: a result of None is told to nobody."""
        session, call_id = self._session.session, self._session.call_id
        said_nothing: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def on_tools(event: FunctionToolsExecutedEvent) -> None:
            ours = [out for call, out in event.zipped() if call.call_id == call_id]
            if ours and not event.has_tool_reply and not said_nothing.done():
                # A result to which no reply is asked for is read by the LLM later.
                said_nothing.set_result(bool(ours[0].output))

        turn = asyncio.ensure_future(self._session.end_of_turn())
        session.on("function_tools_executed", on_tools)
        try:
            either: set[asyncio.Future[Any]] = {said_nothing, turn}
            await asyncio.wait(either, timeout=TOOL_ENDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.off("function_tools_executed", on_tools)
            turn.cancel()
        if said_nothing.done():
            if not said_nothing.result():
                await self._note(str(outcome))
            await self._unless_somebody_speaks(outcome, spoken)

    async def _unless_somebody_speaks(
        self, outcome: TransferOutcome, spoken: asyncio.Future[None]
    ) -> None:
        if self._instructions is None or outcome.said:
            return
        session = self._session.session
        await asyncio.wait({spoken}, timeout=APPLICATION_FIRST)
        if spoken.done() or session.user_state == "speaking" or is_claimed(session):
            return
        own = "" if self._instructions == RETURN_INSTRUCTIONS else f" {self._instructions}"
        self._reply(f"{outcome}{own}")

    async def _note(self, note: str) -> None:
        """Let the AI know; where it cannot be told, it hears of it with what it is asked to say."""
        try:
            agent = self._session.session.current_agent
            ctx = agent.chat_ctx.copy()
            ctx.add_message(role="system", content=note)
            await agent.update_chat_ctx(ctx)
        except Exception:
            logger.warning("the AI's context could not be updated", **logged())

    def _reply(self, instructions: str) -> None:
        if self._session.is_closing:
            return
        with contextlib.suppress(RuntimeError):
            self._session.session.generate_reply(instructions=instructions, tool_choice="none")
