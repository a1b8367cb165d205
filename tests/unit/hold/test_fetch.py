"""URLs: fetched once, within bounds, from allowed hosts; otherwise the built-in clip plays."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from livetransfer.hold import (
    FetchLimits,
    HoldMusicPlayer,
    HoldSourceFailed,
    HoldSourceLate,
    HoldSourceReady,
)
from livetransfer.hold.sources.accepted_sources import program
from livetransfer.hold.sources.allowed_addresses import (
    CheckedResolver,
    ForbiddenAddress,
    check_address,
)
from livetransfer.hold.sources.download import FetchError, _check_literal, download
from livetransfer.hold.sources.fetch import Fetched, Fetcher
from livetransfer.hold.sources.fetch_cache import Store, Stored, cache_folder, store

from .hold_kit import RATE, Events, FakeSink, encoded, pitch, rms, tone, until, written

AUDIO = encoded(tone(2, 600), kind="FLAC")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A web server on 127.0.0.1.

    Attributes:
        requests: The requests that came.
    """

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self._routes: dict[str, Handler] = {}
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app, host="127.0.0.1")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self._routes[request.path](request)

    def url(self, path: str = "/hold.flac") -> str:
        return f"http://127.0.0.1:{self.server.port}{path}"

    def serve(self, handler: Handler, path: str = "/hold.flac") -> str:
        self._routes[path] = handler
        return self.url(path)

    def give(self, data: bytes = AUDIO, kind: str = "audio/flac", /, **headers: Any) -> str:
        async def handler(request: web.Request) -> web.Response:
            tag = headers.get("ETag")
            if tag is not None and request.headers.get("If-None-Match") == tag:
                return web.Response(status=304, headers=headers)
            return web.Response(body=data, headers={"Content-Type": kind, **headers})

        return self.serve(handler)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store.clear()
    site = Site()
    await site.server.start_server()
    yield site
    await site.server.close()
    store.clear()


async def fetched(
    url: str, limits: FetchLimits | None = None, kept: Store | None = None
) -> Fetched | FetchError:
    result: list[Fetched | FetchError] = []
    lease = Fetcher(limits or FetchLimits(seconds=2.0), kept).lease(url)
    lease.on_done(result.append)
    await until(lambda: bool(result))
    before = time.monotonic()
    while not lease.released and time.monotonic() < before + 2:
        await asyncio.sleep(0.005)
    lease.release()
    return result[0]


async def refused(url: str, limits: FetchLimits | None = None) -> str:
    result = await fetched(url, limits)
    assert isinstance(result, FetchError)
    return str(result)


async def data_of(url: str, kept: Store | None = None) -> bytes:
    result = await fetched(url, kept=kept)
    assert isinstance(result, Stored), result
    return result.data


async def play(url: str, seconds: float, **options: Any) -> tuple[FakeSink, Events]:
    events, sink = Events(), FakeSink()
    player = HoldMusicPlayer(url, on_event=events.append, **options)
    began = time.monotonic()
    handle = player.play(sink)
    await asyncio.sleep(seconds)
    handle.stop(0.03)
    await handle.wait()
    assert sink.frames
    assert sink.began - began < 0.35, "0.2 s and some slack for a busy machine"
    return sink, events


async def test_it_is_fetched_and_played(site: Site) -> None:
    url = site.give()
    player = HoldMusicPlayer(url, on_event=(events := Events()).append)
    player.prefetch()
    await until(lambda: len(site.requests) == 1)
    await until(lambda: store.recall(url) is not None)
    sink = FakeSink()
    handle = player.play(sink)
    await asyncio.sleep(0.6)
    handle.stop(0.03)
    await handle.wait()
    assert events == []
    assert pitch(sink.heard[RATE // 4 : RATE // 2]) == pytest.approx(600, abs=5)
    assert len(site.requests) == 1


async def test_concurrent_calls_share_one_fetch(site: Site) -> None:
    url = site.give()
    players = [HoldMusicPlayer(url) for _ in range(5)]
    for player in players:
        player.prefetch()
    handles = [player.play(FakeSink()) for player in players * 3]
    await asyncio.sleep(0.5)
    for handle in handles:
        handle.stop(0.03)
        await handle.wait()
    assert len(site.requests) == 1


async def test_one_that_comes_late_takes_over_from_the_built_in_clip(site: Site) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.Response(body=AUDIO, content_type="audio/flac")

    sink, events = await play(site.serve(slow), 2.2)
    assert [type(event) for event in events] == [HoldSourceLate, HoldSourceReady]
    assert all(gap < 0.005 for _, gap in sink.gaps)
    assert rms(sink.heard[RATE // 8 : RATE // 2]) > -45
    assert pitch(sink.heard[-RATE // 4 : -RATE // 12]) == pytest.approx(600, abs=10)


async def test_one_that_never_answers(site: Site) -> None:
    async def never(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    sink, events = await play(site.serve(never), 1.0, limits=FetchLimits(seconds=0.5))
    assert [type(event) for event in events] == [HoldSourceLate, HoldSourceFailed]
    assert "0.5 s" in str(events[1])
    assert rms(sink.heard[RATE // 4 :]) > -45


async def test_a_fetch_that_nobody_waits_for_is_given_up(site: Site) -> None:
    gone = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "audio/flac"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.01)
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise

    url = site.serve(never)
    tasks = len(asyncio.all_tasks())
    player = HoldMusicPlayer(url)
    player.prefetch()
    other = HoldMusicPlayer(url)
    other.prefetch()
    await until(lambda: len(site.requests) == 1)
    player.close()
    await asyncio.sleep(0.05)
    assert not gone.is_set()
    other.close()
    await asyncio.wait_for(gone.wait(), 2)
    other.close()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


def test_prefetch_needs_no_event_loop() -> None:
    player = HoldMusicPlayer("http://127.0.0.1:9/hold.mp3")
    player.prefetch()
    player.close()


# Limits.


async def test_a_length_that_is_too_large_is_refused_at_once(site: Site) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "audio/mpeg", "Content-Length": str(10 * 1024**3)}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await asyncio.sleep(5)
        return response

    began = time.monotonic()
    assert "10737418240 bytes" in await refused(site.serve(large))
    assert time.monotonic() - began < 1


async def test_a_stream_with_no_end_is_cut_off(site: Site) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "audio/mpeg"})
        await response.prepare(request)
        while True:
            await response.write(bytes(100_000))
            sent += 100_000

    reason = await refused(site.serve(endless), FetchLimits(max_bytes=1_000_000, seconds=5))
    assert "more than 1000000 bytes" in reason
    assert sent < 10_000_000


async def test_a_slow_stream_is_cut_off_too(site: Site) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "audio/mpeg"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    assert "0.3 s" in await refused(site.serve(trickle), FetchLimits(seconds=0.3))


async def test_a_file_that_is_cut_short(site: Site) -> None:
    async def short(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "audio/flac", "Content-Length": str(len(AUDIO))}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(AUDIO[: len(AUDIO) // 2])
        assert request.transport is not None
        request.transport.abort()
        return response

    assert await refused(site.serve(short))


@pytest.mark.parametrize("kind", ["text/html", "image/png", "application/json; charset=utf-8"])
async def test_what_is_not_audio_is_refused(site: Site, kind: str) -> None:
    assert "not audio" in await refused(site.give(b"<html>", kind))


@pytest.mark.parametrize("kind", ["audio/mpeg", "AUDIO/X-WAV; a=b", "application/octet-stream"])
async def test_audio_is_taken(site: Site, kind: str) -> None:
    assert await data_of(site.give(AUDIO, kind)) == AUDIO


@pytest.mark.parametrize("status", [404, 403, 500, 204])
async def test_an_error_status_is_told(site: Site, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status)

    assert str(status) in await refused(site.serve(handler))


async def test_compressed_and_empty_answers_are_refused(site: Site) -> None:
    gzip = {"Content-Encoding": "gzip"}
    assert "compressed" in await refused(site.give(AUDIO, "audio/flac", **gzip))
    assert "empty" in await refused(site.give(b""))


async def test_nobody_answers() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "Connect" in await refused(f"http://127.0.0.1:{port}/hold.mp3")


async def test_a_file_that_is_no_audio_after_all(site: Site) -> None:
    url = site.give(b"words, words, words", "audio/mpeg", **{"Cache-Control": "max-age=3600"})
    sink, events = await play(url, 0.8)
    assert "decoded" in events.of(HoldSourceFailed)[0].reason
    assert rms(sink.heard[RATE // 4 :]) > -45
    # It is not kept, so that the next call gets one that has been mended.
    await until(lambda: store.load(url) is None)
    site.give()
    assert await data_of(url) == AUDIO


# Redirects.


def redirect(to: str, status: int = 302) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": to})

    return handler


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_within_the_host_is_followed(site: Site, status: int) -> None:
    site.give()
    assert await data_of(site.serve(redirect("/hold.flac", status), "/old")) == AUDIO


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("http://127.0.0.2:{port}/hold.flac", "not a public address"),
        ("http://localhost:{port}/hold.flac", "not a public address"),
        ("http://[::1]:{port}/hold.flac", "not a public address"),
        ("http://[::ffff:127.0.0.1]:{port}/hold.flac", "not a public address"),
        ("http://10.0.0.1/hold.flac", "not a public address"),
        ("http://192.168.1.1/hold.flac", "not a public address"),
        ("http://169.254.169.254/latest/meta-data", "metadata"),
        ("http://2130706433:{port}/hold.flac", "no address as it is usually written"),
        ("http://0x7f000001:{port}/hold.flac", "no address as it is usually written"),
        ("http://0:{port}/hold.flac", "no address as it is usually written"),
        ("file:///etc/passwd", "no http"),
        ("gopher://example.com/", "no http"),
        ("http://10.0.0.1\\@127.0.0.1:{port}/hold.flac", "no http"),
        ("http://user@127.0.0.1:{port}/hold.flac", "no http"),
        ("http://127.0.0.1:{port} .example.com/", "no http"),
        ("http://", "more than 5 times"),  # the same page again
        ("", "no http"),
    ],
)
async def test_a_redirect_to_where_it_must_not_lead_is_refused(
    site: Site, target: str, says: str
) -> None:
    site.give()
    url = site.serve(redirect(target.format(port=site.server.port)), "/old")
    assert says in await refused(url)
    assert {request.path for request in site.requests} == {"/old"}


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "127.0.1",
        "2130706433",
        "0",
        "0177.0.0.1",
        "127.0.0.1.",
        "0x7f.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "0X7F.0x0.0X0.0x1",
        "2852039166",
    ],
)
async def test_a_number_that_a_socket_takes_for_an_address_is_never_left_to_it(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """aiohttp before 3.14 connects to some of them without asking the resolver."""

    def connected(*_: Any, **__: Any) -> None:
        raise AssertionError("it was left to aiohttp")

    monkeypatch.setattr("aiohttp.ClientSession.get", connected)
    with pytest.raises(FetchError, match="no address as it is usually written"):
        await download(f"http://{host}/hold.mp3", FetchLimits(), None)


@pytest.mark.parametrize("host", ["cdn.example.com", "0x.example.com", "1.example", "8.8.8.8"])
def test_names_with_digits_and_public_addresses_are_fine(host: str) -> None:
    _check_literal(f"http://{host}/hold.mp3", "named.example")


async def test_redirects_are_counted(site: Site) -> None:
    url = site.serve(redirect("/hold.flac"))
    assert "more than 2 times" in await refused(url, FetchLimits(redirects=2))
    assert len(site.requests) == 3


@pytest.mark.parametrize("to", ["/hold.flac", "http://127.0.0.1:{port}/hold.flac"])
async def test_a_redirect_does_not_pass_on_what_is_secret(site: Site, to: str) -> None:
    site.give()
    site.serve(redirect(to.format(port=site.server.port)), "/old")
    url = site.url("/old").replace("http://", "http://user:secret@")
    assert await data_of(url) == AUDIO
    first, second = site.requests
    assert "Authorization" in first.headers
    assert "Authorization" not in second.headers
    assert "Cookie" not in second.headers


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_address(address, trusted=False)
    check_address(address, trusted=True)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
    ],
)
def test_metadata_addresses_are_never_allowed(address: str) -> None:
    for trusted in (True, False):
        with pytest.raises(ForbiddenAddress, match="metadata"):
            check_address(address, trusted=trusted)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_public_addresses(address: str) -> None:
    check_address(address, trusted=False)


async def test_every_address_of_a_name_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a public and a private address, as in DNS rebinding, is refused."""
    answers = [["8.8.8.8"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1"]]

    async def resolve(self: Any, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [{"host": address, "port": port} for address in answers[0]]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve)
    resolver = CheckedResolver(frozenset(["named.example"]))
    assert len(await resolver.resolve("other.example", 80)) == 1
    for bad in answers[1:]:
        answers[0] = bad
        with pytest.raises(ForbiddenAddress):
            await resolver.resolve("other.example", 80)
        await resolver.resolve("NAMED.example", 80)


async def test_what_is_connected_to_is_what_was_checked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def resolve(self: Any, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        asked.append(host)
        result = {"hostname": host, "host": "127.0.0.1", "port": port}
        return [{**result, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve)
    site.give()
    port = site.server.port
    assert await data_of(f"http://named.example:{port}/hold.flac") == AUDIO
    assert asked == ["named.example"]
    site.serve(redirect(f"http://other.example:{port}/hold.flac"), "/old")
    reason = await refused(f"http://named.example:{port}/old")
    assert "not a public address" in reason


# Keeping.


async def test_a_fresh_file_is_not_asked_for_again(site: Site) -> None:
    url = site.give(**{"Cache-Control": "max-age=60"})
    for _ in range(3):
        assert await data_of(url) == AUDIO
    store.clear()  # as in another process
    assert await data_of(url) == AUDIO
    assert len(site.requests) == 1


async def test_an_older_file_is_used_and_asked_for_again(site: Site) -> None:
    url = site.give(ETag='"one"', **{"Cache-Control": "no-cache"})
    assert await data_of(url) == AUDIO
    store.clear()
    assert await data_of(url) == AUDIO
    assert [r.headers.get("If-None-Match") for r in site.requests] == [None, '"one"']
    changed = encoded(tone(2, 900), kind="FLAC")
    site.give(changed, ETag='"two"', **{"Cache-Control": "no-cache"})
    assert await data_of(url) == AUDIO  # at once, for nobody should wait
    assert await data_of(url) == changed


async def test_last_modified_is_asked_with_too(site: Site) -> None:
    when = "Wed, 21 Oct 2015 07:28:00 GMT"
    url = site.give(**{"Last-Modified": when, "Cache-Control": "max-age=0"})
    for _ in range(2):
        assert await data_of(url) == AUDIO
    assert site.requests[1].headers["If-Modified-Since"] == when


async def test_an_older_file_serves_when_the_server_does_not(site: Site) -> None:
    url = site.give(**{"Cache-Control": "max-age=0"})
    assert await data_of(url) == AUDIO

    async def down(request: web.Request) -> web.Response:
        return web.Response(status=503)

    site.serve(down)
    assert await data_of(url) == AUDIO
    assert await data_of(url) == AUDIO


async def test_what_must_not_be_stored_is_not_on_disk(site: Site) -> None:
    url = site.give(**{"Cache-Control": "no-store"})
    assert await data_of(url) == AUDIO
    assert list(cache_folder().glob("*")) == []


async def test_a_disk_that_cannot_be_used_is_done_without(site: Site, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert await data_of(site.give(), Store(blocked / "cache")) == AUDIO


def test_the_disk_is_bounded(tmp_path: Path) -> None:
    kept = Store(tmp_path, max_disk=2500)
    for i in range(5):
        kept.save(f"http://example.com/{i}", _stored(bytes([i]) * 1000))
        for age, path in enumerate(
            sorted(tmp_path.glob("*.audio"), key=lambda p: p.stat().st_mtime_ns)
        ):
            os.utime(path, (age, age))
    kept.clear()
    assert kept.load("http://example.com/0") is None
    assert kept.load("http://example.com/4") is not None
    assert sum(p.stat().st_size for p in tmp_path.glob("*.audio")) <= 2500


def test_what_a_killed_process_left_half_written_goes_in_the_end(tmp_path: Path) -> None:
    left = written(tmp_path, ".part-left", b"abc")
    os.utime(left, (0, 0))
    others = written(tmp_path, ".part-of-another-process-that-lives", b"abc")
    Store(tmp_path).save("http://example.com/a", _stored(b"abc"))
    assert not left.exists()
    assert others.exists()


def test_memory_is_bounded(tmp_path: Path) -> None:
    kept = Store(tmp_path, max_memory=2500)
    for i in range(5):
        kept.save(f"http://example.com/{i}", _stored(bytes([i]) * 1000))
    assert [kept.recall(f"http://example.com/{i}") is not None for i in range(5)] == [
        *[False] * 3,
        *[True] * 2,
    ]


def test_a_damaged_cache_is_ignored(tmp_path: Path) -> None:
    kept, url = Store(tmp_path), "http://example.com/a"
    kept.save(url, _stored(b"abc"))
    for path in tmp_path.glob("*.audio"):
        path.write_bytes(b"abd")
    kept.clear()
    assert kept.load(url) is None
    kept.save(url, _stored(b"abc"))
    for path in tmp_path.glob("*.json"):
        path.write_text("{")
    kept.clear()
    assert kept.load(url) is None


def _stored(data: bytes) -> Stored:
    return Stored(data, hashlib.sha256(data).hexdigest(), fresh_until=time.time() + 60)


def test_limits_are_checked() -> None:
    for bad in (
        {"max_bytes": 0},
        {"max_bytes": 1e6},
        {"max_bytes": True},
        {"seconds": -1},
        {"seconds": True},
        {"seconds": float("nan")},
        {"redirects": -1},
        {"redirects": 2.5},
        {"redirects": float("inf")},
        {"redirects": False},
    ):
        with pytest.raises(ValueError, match="limits"):
            FetchLimits(**bad)
    FetchLimits(max_bytes=1, seconds=1, redirects=0)


def test_what_could_be_secret_is_not_in_the_label() -> None:
    (track,) = program("https://user:pw@cdn.example.com:8443/a/b.mp3?token=x#y").tracks
    assert track.label == "https://cdn.example.com:8443/a/b.mp3"
