"""What hold music costs: HoldMusicPlayer beside livekit-agents' BackgroundAudioPlayer.

    python benchmarks/hold.py [--seconds 60] [--short 30]

All callers are put on hold at the same moment in a fresh process, and stay there for `--short`
seconds, 200 of them for `--seconds`. Both players play the same clip (livekit-agents' own hold
music, 55 s) into an `rtc.AudioSource` for each caller, ours with the rate and the queue that a
transfer uses, upstream's with its own. On a LiveKit server, from PATH or named by
LIVETRANSFER_E2E_URL (and _API_KEY, _API_SECRET), 20 rooms with one track each are measured too,
encoding included.

- CPU: user and system time of the whole process, native threads included, in percent of a core
  and per stream, while the music plays. What its beginning takes on top of that (ours decodes the
  whole clip, once in a process) is said in seconds, and is `start_s`. A source costs something
  even if nobody writes to it (a native thread that wakes up every 10 ms): that floor is measured
  too, and `cpu_ratio_20_net` is the ratio without it.
- Underruns: windows of 20 ms for which a source had nothing queued, from its first frame on.
- Threads and memory: growth of the process from one stream to all, per stream. Threads beyond the
  source's own, native one are `threads_per_stream`.

The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit import api, rtc
from livekit.agents import AudioConfig, BackgroundAudioPlayer, BuiltinAudioClip

from livetransfer._livekit.room_audio import MUSIC_QUEUE_MS, SAMPLE_RATE
from livetransfer.hold import HoldMusicPlayer, SourceSink

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e.stack import Stack, unavailable

RATE, QUEUE_MS = SAMPLE_RATE, MUSIC_QUEUE_MS
"""Of our sources: what a transfer uses. Upstream makes its own, with 48 kHz and 400 ms."""

WINDOW = 0.02
SETTLE = 3.0
URL = "LIVETRANSFER_E2E_URL"
KEYS = "LIVETRANSFER_E2E_API"


@dataclass
class Meter:
    """Follows what a source has queued, by the clock."""

    ends: float = 0.0
    windows: int = 0
    lowest: float = math.inf

    def wrote(self, seconds: float) -> None:
        now = time.monotonic()
        if self.ends:
            self.lowest = min(self.lowest, self.ends - now)
            if self.ends < now:
                self.windows += math.ceil((now - self.ends) / WINDOW)
        self.ends = max(self.ends, now) + seconds


class MeteredSource(rtc.AudioSource):
    """A source that keeps a meter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.meter = Meter()
        METERS.append(self.meter)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        self.meter.wrote(frame.duration)
        await super().capture_frame(frame)

    def clear_queue(self) -> None:
        self.meter.ends = 0.0
        super().clear_queue()


METERS: list[Meter] = []


@dataclass
class Nowhere:
    """Stands in for a room to which nothing is published."""

    async def publish_track(self, *_: Any) -> Any:
        return None

    async def unpublish_track(self, *_: Any) -> None:
        return None

    track_publications: dict[str, Any] = field(default_factory=dict)

    @property
    def local_participant(self) -> Nowhere:
        return self


async def connect(index: int) -> rtc.Room:
    """Connect to a room of its own on the server that the environment names."""
    token = (
        api.AccessToken(
            os.environ.get("LIVETRANSFER_E2E_API_KEY", "devkey"),
            os.environ.get("LIVETRANSFER_E2E_API_SECRET", "a-secret-for-tests-on-loopback-only"),
        )
        .with_identity("agent")
        .with_grants(api.VideoGrants(room_join=True, room=f"bench-hold-{os.getpid()}-{index}"))
        .with_ttl(datetime.timedelta(hours=1))
    )
    room = rtc.Room()
    await room.connect(os.environ[URL], token.to_jwt(), rtc.RoomOptions(auto_subscribe=False))
    return room


async def start_ours(room: Any) -> Any:
    """Start one stream of ours and return what keeps it alive."""
    source = MeteredSource(RATE, 1, queue_size_ms=QUEUE_MS)
    track = None
    if isinstance(room, rtc.Room):
        track = rtc.LocalAudioTrack.create_audio_track("hold-music", source)
        await room.local_participant.publish_track(track, rtc.TrackPublishOptions())
    return track, PLAYER.play(SourceSink(source, queue_size_ms=QUEUE_MS))


async def start_upstream(room: Any) -> Any:
    """Start one stream of livekit-agents' player and return what keeps it alive."""
    rtc.AudioSource = MeteredSource  # type: ignore[misc]
    player = BackgroundAudioPlayer(ambient_sound=AudioConfig(BuiltinAudioClip.HOLD_MUSIC))
    await player.start(room=room)
    return player


async def start_nobody(_: Any) -> Any:
    """Make a source to which nobody writes."""
    return rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)


PLAYER = HoldMusicPlayer()
STARTERS: dict[str, Callable[[Any], Any]] = {
    "nobody": start_nobody,
    "ours": start_ours,
    "upstream": start_upstream,
}


def threads() -> int:
    """Threads of the process, native ones included where that can be seen."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


def memory() -> float:
    """Resident memory in kB."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1000
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


async def measure(who: str, count: int, seconds: float, published: bool) -> dict[str, float]:
    """Put `count` callers on hold at once, for `seconds`, and return what it took."""
    rooms: list[Any] = [await connect(i) if published else Nowhere() for i in range(count)]
    rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)  # loads the library
    await asyncio.sleep(SETTLE)
    begun = time.process_time()
    kept = await asyncio.gather(*(STARTERS[who](room) for room in rooms))
    await asyncio.sleep(SETTLE)
    cpu, clock = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    used, clock = time.process_time() - cpu, time.monotonic() - clock
    assert len(kept) == count
    per_second = used / clock
    return {
        "cpu": 100 * per_second / count,
        "start": cpu - begun - SETTLE * per_second,
        "underruns": sum(meter.windows for meter in METERS),
        "lowest": min((meter.lowest for meter in METERS), default=math.inf),
    }


async def grow(who: str, count: int) -> dict[str, float]:
    """Return by how much each stream after the first makes the process grow."""
    kept = [await STARTERS[who](Nowhere())]
    await asyncio.sleep(SETTLE)
    tasks, used = threads(), memory()
    kept += [await STARTERS[who](Nowhere()) for _ in range(count - 1)]
    await asyncio.sleep(SETTLE)
    tasks, used = threads() - tasks, memory() - used
    return {"threads": tasks / (count - 1), "kb": used / (count - 1)}


async def work(task: str, who: str, count: int, seconds: float) -> None:
    """Be one of the processes that measure."""
    if task == "grow":
        result = await grow(who, count)
    else:
        result = await measure(who, count, seconds, task == "published")
    print(json.dumps(result), flush=True)
    os._exit(0)  # nothing is measured while it ends


def run(task: str, who: str, count: int, seconds: float) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--worker", task, who, str(count), str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if task == "grow":
        text = f"{result['threads']:7.2f} threads {result['kb']:7.0f} kB for one more stream"
    else:
        text = f"{result['cpu']:7.3f} % of a core each"
        if who != "nobody":
            least = max(0.0, 1000 * result["lowest"])
            text += f"{result['underruns']:7.0f} underruns, least queued {least:4.0f} ms"
            text += f", start {result['start']:.2f} s"
    print(f"{who:>9} {task:9} {count:4} streams {seconds:4.0f} s {text}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="that 200 are on hold")
    parser.add_argument("--short", type=float, default=30.0, help="that the others are on hold")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        task, who, count, seconds = args.worker
        asyncio.run(work(task, who, int(count), float(seconds)))
        return
    floor = run("queue", "nobody", 20, args.short)["cpu"]
    counts = {1: args.short, 20: args.short, 200: args.seconds}
    ours = {n: run("queue", "ours", n, counts[n]) for n in counts}
    upstream = {n: run("queue", "upstream", n, args.short) for n in (1, 20)}
    growth = {who: run("grow", who, 20 if who == "upstream" else 200, 0.0) for who in STARTERS}
    figures: dict[str, float | None] = {
        "cpu_ratio_20": round(upstream[20]["cpu"] / ours[20]["cpu"], 1),
        "underruns_200": ours[200]["underruns"],
        "threads_per_stream": round(growth["ours"]["threads"] - growth["nobody"]["threads"], 2),
        "kb_per_stream": round(growth["ours"]["kb"], 1),
        "cpu_ratio_20_net": round((upstream[20]["cpu"] - floor) / (ours[20]["cpu"] - floor), 1),
        "cpu_floor": round(floor, 3),
        "start_s": round(ours[1]["start"], 2),
        **{f"cpu_{n}": round(ours[n]["cpu"], 3) for n in ours},
        **{f"upstream_cpu_{n}": round(upstream[n]["cpu"], 3) for n in upstream},
        "upstream_underruns_20": upstream[20]["underruns"],
        "upstream_kb_per_stream": round(growth["upstream"]["kb"], 1),
        "published_underruns_20": None,
        "published_cpu_20": None,
        "published_upstream_cpu_20": None,
    }
    if reason := unavailable():
        print(f"Nothing was published, so there are no figures for that. {reason}")
    else:
        with server():
            real = {who: run("published", who, 20, args.short) for who in ("ours", "upstream")}
        figures["published_underruns_20"] = real["ours"]["underruns"]
        figures["published_cpu_20"] = round(real["ours"]["cpu"], 3)
        figures["published_upstream_cpu_20"] = round(real["upstream"]["cpu"], 3)
    print(json.dumps(figures))


@contextmanager
def server() -> Iterator[None]:
    """A LiveKit server, named by the environment meanwhile."""
    if Stack.from_environment() is not None:
        yield
        return
    stack = Stack.start(Path(tempfile.mkdtemp(prefix="hold-")))
    names = {URL: stack.url, f"{KEYS}_KEY": stack.api_key, f"{KEYS}_SECRET": stack.api_secret}
    os.environ.update(names)
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        stack.stop()


if __name__ == "__main__":
    main()
