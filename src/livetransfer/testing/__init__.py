"""A phone call in memory, for tests of agents that transfer calls.

With no server, no account and no waiting: time is virtual, the people are scripted, and what each
party hears is on record.

    async with simulate(humans={"+15550100": Human.accepts(after=2)}) as call:
        await session.start(MyAgent())
        await session.run(user_input="I want to talk to a person")
        assert call.caller.talks_to("+15550100")

With `call.attach(session)` the caller also hears what the AI says, and the AI what the caller says.
"""

from __future__ import annotations

from .clock import Clock, virtual_time
from .exchange import Latency, Verb
from .faults import Faults
from .models import Reply, Request, Rules, Script, ScriptedLLM, ScriptedTTS, ToolCall
from .parties import HangUp, Human, Press, Refer, Say, Step, Wait, WaitForBridge, WaitForSpeech, Web
from .party import Party
from .people import Caller, Phone, Ring
from .realtime import ScriptedRealtimeModel
from .sim_control import SimControl
from .simulation import Simulation, simulate
from .tape import Heard

__all__ = [
    "Caller",
    "Clock",
    "Faults",
    "HangUp",
    "Heard",
    "Human",
    "Latency",
    "Party",
    "Phone",
    "Press",
    "Refer",
    "Reply",
    "Request",
    "Ring",
    "Rules",
    "Say",
    "Script",
    "ScriptedLLM",
    "ScriptedRealtimeModel",
    "ScriptedTTS",
    "SimControl",
    "Simulation",
    "Step",
    "ToolCall",
    "Verb",
    "Wait",
    "WaitForBridge",
    "WaitForSpeech",
    "Web",
    "simulate",
    "virtual_time",
]
