"""What can be checked of a set-up beside the server: credentials and hold music."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit

from livetransfer.errors import ConfigurationError
from livetransfer.finding import Finding, failed, ok, warning

__all__ = ["VARIABLES", "check_credentials", "check_hold"]

VARIABLES = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
FETCH_WITHIN = 10.0
RATE = 24000
SHORT = 10.0
"""Seconds below which callers hear that a clip begins again."""
_SHORTEST_SECRET = 32


def check_credentials() -> Finding:
    """Look at the three environment variables that a worker has."""
    name = "credentials"
    values = {variable: os.environ.get(variable, "").strip() for variable in VARIABLES}
    missing = [variable for variable, value in values.items() if not value]
    if missing:
        return failed(
            name,
            f"not set: {', '.join(missing)}",
            "export them as for the worker, or load its file: set -a; . ./.env",
        )
    try:
        url = urlsplit(values["LIVEKIT_URL"])
        usable = url.scheme in ("ws", "wss", "http", "https") and bool(url.hostname)
    except ValueError:
        usable = False
    if not usable:
        return failed(
            name,
            "LIVEKIT_URL is no address of a server",
            "write wss://<project>.livekit.cloud, or ws://<host>:7880",
        )
    if len(values["LIVEKIT_API_SECRET"]) < _SHORTEST_SECRET:
        return warning(
            name,
            f"the secret has fewer than {_SHORTEST_SECRET} characters",
            "livekit-server generate-keys",
        )
    return ok(name, f"{url.hostname}, key {values['LIVEKIT_API_KEY']}")


async def check_hold(source: str | None) -> Finding:
    """Decode the hold music, and measure it as a call will play it. None: the built-in clip."""
    name = "hold music"
    from livetransfer.hold import BUILTIN, AudioError
    from livetransfer.hold.sources.accepted_sources import program

    try:
        track = program(BUILTIN if source is None else source).tracks[0]
        seconds, loudness = await _measured(track)
    except (ConfigurationError, TypeError) as error:
        remedy = getattr(error, "remedy", None) or "give a file or a URL"
        return failed(name, f"{source}: {remedy}", "the built-in clip plays instead; --hold FILE")
    except (AudioError, OSError, asyncio.TimeoutError) as error:
        why = "it did not come in time" if isinstance(error, asyncio.TimeoutError) else str(error)
        return failed(
            name, f"{source}: {why}", "ffmpeg -i FILE hold.ogg; the built-in clip plays instead"
        )
    return _told(name, track.label, seconds, loudness)


async def _measured(track: object) -> tuple[float, float]:
    """Return the seconds of a track, and its loudness in LUFS."""
    from livetransfer.hold import AudioError, FetchLimits
    from livetransfer.hold.sources.accepted_sources import Track, Url
    from livetransfer.hold.sources.clips import FileClip
    from livetransfer.hold.sources.fetch import Fetched, Fetcher, FetchError

    assert isinstance(track, Track)
    clip = track.source
    if isinstance(clip, Url):
        came: asyncio.Future[Fetched | FetchError] = asyncio.get_running_loop().create_future()
        lease = Fetcher(FetchLimits()).lease(clip.url)
        lease.on_done(came.set_result)
        try:
            fetched = await asyncio.wait_for(came, FETCH_WITHIN)
        finally:
            lease.release()
        if isinstance(fetched, FetchError):
            raise AudioError(str(fetched))
        clip = FileClip(fetched.data, track.label, fetched.digest)
    assert hasattr(clip, "whole")
    return await asyncio.to_thread(_decoded, clip)


def _decoded(clip: object) -> tuple[float, float]:
    from livetransfer.hold.sound.leveling import loudness
    from livetransfer.hold.sources.clips import ArrayClip, FileClip

    assert isinstance(clip, (ArrayClip, FileClip))
    samples = clip.whole(RATE)
    return len(samples) / RATE, loudness(samples, RATE)


def _told(name: str, label: str, seconds: float, loudness: float) -> Finding:
    from livetransfer.hold.sound.leveling import MAX_GAIN_DB, TARGET_LUFS

    if loudness == float("-inf"):
        return failed(name, f"{label}: it is silent", "give another clip")
    gain = TARGET_LUFS - loudness
    detail = f"{label}: {seconds:.1f} s, {loudness:.0f} LUFS, played at {TARGET_LUFS:.0f}"
    if gain > MAX_GAIN_DB:
        return warning(
            name,
            f"{detail} less {gain - MAX_GAIN_DB:.0f}: it is too soft to be raised that far",
            "raise it: sox IN OUT norm -3",
        )
    if seconds < SHORT:
        return warning(name, f"{detail}; so short a loop is tiring", "give a longer clip")
    return ok(name, detail)
