"""An agent with no name: servers send it to every room that names no agent. It speaks at once."""

from __future__ import annotations

from livekit import rtc
from livekit.agents import JobContext

from . import cast, tones
from .worker import report


async def entrypoint(ctx: JobContext) -> None:
    """Say something for five seconds, to whoever is there."""
    report("sent to", room=ctx.room.name or ctx.job.room.name)
    await ctx.connect()
    source = rtc.AudioSource(24_000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("nameless", source)
    await ctx.room.local_participant.publish_track(track)
    report("speaks", room=ctx.room.name)
    frame = tones.tone(cast.ANNOUNCED, 0.05, rate=24_000)
    for _ in range(100):
        await source.capture_frame(rtc.AudioFrame(frame.tobytes(), 24_000, 1, len(frame)))
