"""prewarm: makes a worker's process ready for its first call, before there is one."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import threading
from collections.abc import Iterable

from livekit.agents import JobProcess
from livekit.agents.tts import TTS

from ._checks import check_text
from .briefing import BriefingAgent
from .briefing.spoken_cache import spoken_words, voice_of
from .briefing.words import GOODBYES
from .errors import ConfigurationError
from .hold import BUILTIN, HoldMusicPlayer, HoldSource

__all__ = ["prewarm"]

logger = logging.getLogger("livetransfer")

DECODE_LIMIT = 5.0
"""Seconds that decoding the music may take; livekit-agents gives a process 10 s to be ready."""

MODULES = (
    "livekit.agents.voice.room_io",
    "livekit.api",
    "livetransfer._livekit.livekit_control",
    "livetransfer.hold.play.player",
)
"""What the first call would import."""


def prewarm(
    proc: JobProcess | None = None,
    *,
    hold_music: HoldSource | HoldMusicPlayer = BUILTIN,
    tts: TTS[object] | None = None,
    briefing: BriefingAgent | None = None,
    words: Iterable[str] = (),
) -> None:
    """Make this process ready: imports, the hold music, and the words that were spoken before.

    For a worker's ``prewarm_fnc``, or called in one's own. A transfer works without it; the first
    call of a process then waits a little longer for the first note and the first word. It returns
    within a few seconds, and what cannot be made ready is logged.

    Args:
        proc: The process, as livekit-agents passes it.
        hold_music: What the transfers play. A URL is fetched by the first call.
        tts: The voice of the briefing, made as the calls make it. What it has said before, on
            this machine, is read into memory; nothing is synthesised here.
        briefing: The BriefingAgent of the transfers. Default: BriefingAgent().
        words: More sentences that are always the same, such as the `introduction`.

    Raises:
        ConfigurationError: An argument cannot be used.
    """
    if proc is not None and not isinstance(proc, JobProcess):
        raise ConfigurationError("proc", proc, "pass it as prewarm_fnc=prewarm")
    sentences = [text for each in words if (text := check_text("words", each))]
    player = hold_music if isinstance(hold_music, HoldMusicPlayer) else HoldMusicPlayer(hold_music)
    for name in MODULES:
        importlib.import_module(name)
    _decode(player)
    voice = None if tts is None else voice_of(tts)
    if voice is None:
        return
    agent = briefing or BriefingAgent()
    with contextlib.suppress(Exception):  # words of one's own may need a call
        sentences.append(agent.opening())
    for reason in GOODBYES:
        with contextlib.suppress(Exception):
            sentences.append(agent.farewell(reason) or "")
    for text in sentences:
        spoken_words.load(voice, text)


def _decode(player: HoldMusicPlayer) -> None:
    """Decode the music; in a thread, for there may be an event loop in this one."""

    def decode() -> None:
        try:
            asyncio.run(player.warm())
        except Exception:
            logger.warning("hold music could not be made ready; the first call does it")

    thread = threading.Thread(target=decode, name="livetransfer-prewarm", daemon=True)
    thread.start()
    thread.join(DECODE_LIMIT)
