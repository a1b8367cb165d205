"""A receptionist who hands callers to a person: one number, everything else by default."""

from __future__ import annotations

import os
from typing import Any

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, RunContext, cli
from livekit.agents.llm import function_tool

from livetransfer import WarmTransfer

PERSON = os.environ.get("PERSON", "+15550100")


class Receptionist(Agent):
    """Answers the phone, and transfers when asked to."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You answer the phone for a plumber. Be brief. When the caller wants a "
            "person, or is upset, call transfer_to_a_person."
        )

    @function_tool
    async def transfer_to_a_person(self, context: RunContext[Any]) -> str:
        """Transfer the caller to a person."""
        outcome = await WarmTransfer(
            PERSON, announcement="One moment, I am getting a colleague."
        ).run(context)
        return str(outcome)


server = AgentServer()


@server.rtc_session(agent_name="receptionist")
async def entrypoint(ctx: JobContext) -> None:
    """Answer one call."""
    session: AgentSession[None] = AgentSession(
        stt="deepgram/nova-3", llm="openai/gpt-4.1-mini", tts="cartesia/sonic-2"
    )
    await session.start(Receptionist(), room=ctx.room)
    await session.generate_reply(instructions="Greet the caller.")


if __name__ == "__main__":
    cli.run_app(server)
