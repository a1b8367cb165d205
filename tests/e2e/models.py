"""Scripted models for livekit-agents with the delays of the usual cloud ones.

On a phone line of tones a voice is a frequency: ScriptedTTS speaks a text as a tone, ScriptedSTT
hears one tone as "yes" and another as "no", and ScriptedLLM answers by rules. Turns are taken with
`turn_detection="stt"`; no voice activity detection is needed (`vad=None`).
"""

from .scripted_llm import Fail, Prompt, Reply, Rule, Script, ScriptedLLM, ToolCall, read_prompt
from .scripted_stt import ClipSTT, ScriptedSTT
from .scripted_tts import ScriptedTTS

__all__ = [
    "ClipSTT",
    "Fail",
    "Prompt",
    "Reply",
    "Rule",
    "Script",
    "ScriptedLLM",
    "ScriptedSTT",
    "ScriptedTTS",
    "ToolCall",
    "read_prompt",
]
