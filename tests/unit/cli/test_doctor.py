"""`livetransfer doctor`: each fault has a message and a remedy of its own, and no check guesses."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from livekit.protocol import sip as proto_sip
from typer.testing import CliRunner

from livetransfer.__main__ import app
from livetransfer.stores import LocalStore

from .fake_server import INBOUND, RULE, TRUNK, FakeServer, answer, refusal

SECRET = "a-secret-for-tests-on-loopback-only"
SERVER = ("server", "clock", "key", "server version", "token grants")
TELEPHONY = ("SIP service", "outbound trunk", "inbound dispatch")


@dataclass(frozen=True)
class Report:
    """What the doctor said."""

    code: int
    found: dict[str, dict[str, Any]]

    @property
    def failed(self) -> list[str]:
        return [name for name, each in self.found.items() if each["status"] == "failed"]

    def status(self, name: str) -> str:
        return str(self.found[name]["status"])

    def said(self, name: str) -> str:
        return f"{self.found[name]['detail']} -> {self.found[name]['remedy']}"


async def doctor(*options: str) -> Report:
    def run() -> Any:
        return CliRunner().invoke(app, ["doctor", "--json", *options])

    result = await asyncio.to_thread(run)
    assert result.exit_code in (0, 1), result.output
    assert SECRET not in result.output
    listed = json.loads(result.stdout)
    for each in listed:
        assert set(each) == {"name", "status", "detail", "remedy"}
        assert each["status"] in ("ok", "warning", "failed", "skipped")
        assert each["status"] in ("ok", "skipped") or each["remedy"], each
    report = Report(result.exit_code, {each["name"]: each for each in listed})
    assert len(report.found) == len(listed), "two findings have one name"
    assert (report.code == 1) == bool(report.failed)
    return report


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LIVEKIT_")]:
        monkeypatch.delenv(name)


@pytest_asyncio.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeServer]:
    started = await FakeServer().start()
    monkeypatch.setenv("LIVEKIT_URL", started.url)
    monkeypatch.setenv("LIVEKIT_API_KEY", "devkey")
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)
    monkeypatch.setenv("LIVEKIT_SIP_OUTBOUND_TRUNK", "ST_1")
    yield started
    await started.stop()


async def test_nothing_at_all() -> None:
    report = await doctor()
    assert report.failed == ["credentials"]
    assert "LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET" in report.said("credentials")
    assert {report.status(name) for name in (*SERVER, *TELEPHONY)} == {"skipped"}
    assert report.status("hold music") == "ok"


async def test_all_is_well(server: FakeServer) -> None:
    began = time.monotonic()
    report = await doctor()
    assert time.monotonic() - began < 3.0
    assert report.code == 0
    assert {report.status(name) for name in ("credentials", *SERVER, *TELEPHONY)} == {"ok"}
    assert "1.13.5" in report.said("server version")
    assert "sip.example.com, TLS, +15550100" in report.said("outbound trunk")
    assert "front-desk" in report.said("inbound dispatch")
    # Made, and deleted again; nobody is called and nobody dispatched.
    assert server.asked.count("CreateRoom") == server.asked.count("DeleteRoom") == 1
    assert set(server.asked) <= {
        *("CreateRoom", "DeleteRoom", "ListParticipants", "ListSIPOutboundTrunk"),
        *("ListSIPInboundTrunk", "ListSIPDispatchRule"),
    }


async def test_what_only_a_call_can_tell_is_never_green(server: FakeServer) -> None:
    report = await doctor()
    assert report.status("SIP bridge") == "skipped"
    assert "not checked" in report.said("SIP bridge")
    assert "--call" in report.said("SIP bridge")
    for name in ("Redis", "database"):
        assert report.status(name) == "skipped"
        assert "not configured" in report.said(name)


async def test_a_port_where_nobody_listens(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LIVEKIT_URL", f"ws://127.0.0.1:{free.getsockname()[1]}")
        report = await doctor()
    assert report.failed == ["server"]
    assert "cannot be reached" in report.said("server")


async def test_a_server_that_does_not_answer(server: FakeServer) -> None:
    server.silent = True
    report = await doctor()
    assert report.failed == ["server"]
    assert "did not answer" in report.said("server")


async def test_a_host_that_is_none(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "wss://there-is-no-such-host.invalid")
    report = await doctor()
    assert report.failed == ["server"]


@pytest.mark.parametrize("url", ["livekit", "ftp://example.com", "wss://", "wss://[::1"])
async def test_an_address_that_is_none(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("LIVEKIT_URL", url)
    report = await doctor()
    assert report.failed == ["credentials"]


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("invalid API key: devkey", "LIVEKIT_API_KEY"),
        ("invalid token: TOKEN, error: error in cryptographic primitive", "LIVEKIT_API_SECRET"),
        ("invalid token: TOKEN, error: validation failed, token is expired (exp)", "clock"),
    ],
    ids=["key", "secret", "clock"],
)
async def test_a_key_that_is_refused(server: FakeServer, said: str, remedy: str) -> None:
    server.refuses = said
    report = await doctor()
    assert report.failed == ["key"]
    assert remedy in report.said("key")
    assert "eyJ" not in report.said("key")
    assert {report.status(name) for name in TELEPHONY} == {"skipped"}


@pytest.mark.parametrize("status", [204, 302, 404, 503])
async def test_what_stands_before_the_server_is_not_taken_for_it(
    server: FakeServer, status: int
) -> None:
    server.validates = status
    report = await doctor()
    assert report.failed == ["key"]
    assert str(status) in report.said("key")


@pytest.mark.parametrize(("skew", "status"), [(30, "warning"), (-30, "warning"), (300, "failed")])
async def test_clocks_that_differ(server: FakeServer, skew: float, status: str) -> None:
    server.skew = skew
    report = await doctor()
    assert report.status("clock") == status
    assert ("behind" if skew > 0 else "ahead of") in report.said("clock")


@pytest.mark.parametrize("method", ["CreateRoom", "ListParticipants"])
async def test_a_key_that_may_not_administer_rooms(server: FakeServer, method: str) -> None:
    server.answers[method] = refusal("permission_denied", "permissions denied", 403)
    report = await doctor()
    assert report.failed == ["token grants"]
    assert "roomAdmin" in report.said("token grants")


async def test_an_old_server_warns_and_a_cloud_of_its_own_numbers_does_not(
    server: FakeServer,
) -> None:
    server.version = "1.9.11"
    report = await doctor()
    assert report.code == 0
    assert report.status("server version") == "warning"
    assert "twice" in report.said("server version")
    server.cloud = True
    report = await doctor()
    assert report.status("server version") == "ok"


async def test_a_server_without_sip(server: FakeServer) -> None:
    for method in ("ListSIPOutboundTrunk", "ListSIPInboundTrunk", "ListSIPDispatchRule"):
        server.answers[method] = refusal("internal", "sip not connected (redis required)", 500)
    report = await doctor()
    assert report.failed == ["SIP service"]
    assert "redis" in report.said("SIP service")
    assert report.status("outbound trunk") == "skipped"


async def test_a_key_that_may_not_look_at_trunks(server: FakeServer) -> None:
    server.answers["ListSIPInboundTrunk"] = refusal("permission_denied", "permissions denied", 403)
    report = await doctor()
    assert report.failed == ["SIP service"]
    assert "SIP admin" in report.said("SIP service")


def trunk(**changes: Any) -> proto_sip.SIPOutboundTrunkInfo:
    made = proto_sip.SIPOutboundTrunkInfo()
    made.CopyFrom(TRUNK)
    for name, value in changes.items():
        if name == "numbers":
            del made.numbers[:]
            made.numbers.extend(value)
        else:
            setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("trunks", "option", "status", "said"),
    [
        ([], None, "failed", "create"),
        ([], "ST_1", "failed", "has no trunk 'ST_1'; it has none"),
        ([TRUNK], "ST_2", "failed", "it has ST_1"),
        ([TRUNK], None, "warning", "LIVEKIT_SIP_OUTBOUND_TRUNK=ST_1"),
        ([trunk(numbers=[])], "ST_1", "failed", "number"),
        ([trunk(address="")], "ST_1", "failed", "address"),
        ([trunk(numbers=["*"])], "ST_1", "warning", "caller_id="),
        ([trunk(numbers=["15550100"])], "ST_1", "warning", "E.164"),
        ([trunk(auth_username="a")], "ST_1", "warning", "password"),
    ],
    ids=[
        *("none", "none at all", "another", "not set", "no number", "no address", "any number"),
        *("no plus sign", "no password"),
    ],
)
async def test_a_trunk(
    *,
    server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    trunks: list[proto_sip.SIPOutboundTrunkInfo],
    option: str | None,
    status: str,
    said: str,
) -> None:
    monkeypatch.delenv("LIVEKIT_SIP_OUTBOUND_TRUNK")
    server.answers["ListSIPOutboundTrunk"] = answer(
        proto_sip.ListSIPOutboundTrunkResponse(items=trunks)
    )
    report = await doctor(*(["--trunk", option] if option else []))
    assert report.status("outbound trunk") == status
    assert said in report.said("outbound trunk")


def rule(*trunk_ids: str, direct: str | None = None) -> proto_sip.SIPDispatchRuleInfo:
    made = proto_sip.SIPDispatchRuleInfo()
    made.CopyFrom(RULE)
    del made.trunk_ids[:]
    made.trunk_ids.extend(trunk_ids)
    if direct is not None:
        made.rule.dispatch_rule_direct.room_name = direct
    return made


@pytest.mark.parametrize(
    ("trunks", "rules", "status", "said"),
    [
        ([], [], "warning", "nobody can call in"),
        ([INBOUND], [], "failed", "no rule"),
        ([INBOUND], [rule("ST_gone")], "failed", "ST_gone"),
        ([INBOUND], [rule("ST_in", direct="lobby")], "warning", "'lobby'"),
        ([INBOUND, proto_sip.SIPInboundTrunkInfo(sip_trunk_id="ST_x")], [RULE], "warning", "ST_x"),
        ([INBOUND], [rule()], "ok", "1 rule"),
    ],
    ids=["nothing", "no rule", "a trunk that is gone", "one room", "no rule for one", "for all"],
)
async def test_inbound_dispatch(
    server: FakeServer,
    trunks: list[proto_sip.SIPInboundTrunkInfo],
    rules: list[proto_sip.SIPDispatchRuleInfo],
    status: str,
    said: str,
) -> None:
    server.answers["ListSIPInboundTrunk"] = answer(
        proto_sip.ListSIPInboundTrunkResponse(items=trunks)
    )
    server.answers["ListSIPDispatchRule"] = answer(
        proto_sip.ListSIPDispatchRuleResponse(items=rules)
    )
    report = await doctor()
    assert report.status("inbound dispatch") == status
    assert said in report.said("inbound dispatch")


def tone(seconds: float, level: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    t = np.arange(round(seconds * 16000)) / 16000
    made: np.ndarray[Any, np.dtype[np.float64]] = level * np.sin(2 * np.pi * 440 * t)
    return made


@pytest.mark.parametrize(
    ("seconds", "level", "status", "said"),
    [
        (12.0, 0.1, "ok", "12.0 s"),
        (12.0, 0.0, "failed", "silent"),
        (12.0, 0.0005, "warning", "too soft"),
        (2.0, 0.1, "warning", "short"),
    ],
)
async def test_hold_music(
    tmp_path: Path, seconds: float, level: float, status: str, said: str
) -> None:
    path = tmp_path / "hold.wav"
    soundfile.write(path, tone(seconds, level), 16000, subtype="FLOAT")
    report = await doctor("--hold", str(path))
    assert report.status("hold music") == status
    assert said in report.said("hold music")


@pytest.mark.parametrize("content", [None, b"", b"this is no sound"])
async def test_hold_music_that_cannot_be_played(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "hold.wav"
    if content is not None:
        path.write_bytes(content)
    report = await doctor("--hold", str(path))
    assert report.status("hold music") == "failed"
    assert "the built-in clip" in report.said("hold music")


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    if shutil.which("redis-server") is None:
        pytest.skip("NO REDIS IS TESTED: not on PATH: redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = f"--port {port} --bind 127.0.0.1 --appendonly no --maxmemory 100mb"
    process = subprocess.Popen(
        ["redis-server", *options.split(), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


async def test_redis(redis_port: int) -> None:
    redis = pytest.importorskip("redis.asyncio")
    url = f"redis://127.0.0.1:{redis_port}/0"
    report = await doctor("--redis", url)
    assert report.status("Redis") == "ok", report.said("Redis")
    async with redis.Redis.from_url(url) as client:
        assert await client.dbsize() == 0
        for policy in ("allkeys-lru", "volatile-ttl"):
            await client.config_set("maxmemory-policy", policy)
            report = await doctor("--redis", url)
            assert report.status("Redis") == "warning"
            assert "noeviction" in report.said("Redis")


@pytest.mark.parametrize("wrong", ["full", "a replica", "read-only"])
async def test_a_redis_that_takes_no_writes(redis_port: int, wrong: str) -> None:
    redis = pytest.importorskip("redis.asyncio")
    url = f"redis://127.0.0.1:{redis_port}/0"
    async with redis.Redis.from_url(url) as client:
        if wrong == "full":
            await client.config_set("maxmemory", "1")
        elif wrong == "a replica":
            await client.replicaof("127.0.0.1", 1)
        else:
            reads: Any = {"categories": ["+@read", "+@connection"], "commands": ["+info", "+eval"]}
            await client.acl_setuser("reader", enabled=True, nopass=True, keys=["*"], **reads)
            url = f"redis://reader:any@127.0.0.1:{redis_port}/0"
        report = await doctor("--redis", url)
    assert report.status("Redis") == "failed", report.said("Redis")
    assert "no writes" in report.said("Redis")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "http://example.com", "redis"])
async def test_a_redis_that_is_none(url: str) -> None:
    pytest.importorskip("redis")
    report = await doctor("--redis", url)
    assert report.status("Redis") == "failed"


async def test_a_database(tmp_path: Path) -> None:
    pytest.importorskip("aiosqlite")
    path = tmp_path / "callbacks.sqlite"
    report = await doctor("--database", f"sqlite+aiosqlite:///{path}")
    assert report.status("database") == "ok", report.said("database")
    assert "not there" in report.said("database")
    assert not path.exists(), "it was mistyped, perhaps"
    sqlite3.connect(path).close()
    report = await doctor("--database", f"sqlite+aiosqlite:///{path}")
    assert report.status("database") == "ok", report.said("database")
    assert "sqlite 3" in report.said("database")


async def test_a_database_that_takes_no_writes(tmp_path: Path) -> None:
    pytest.importorskip("aiosqlite")
    path = tmp_path / "callbacks.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE x (y)")
    report = await doctor("--database", f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true")
    assert report.status("database") == "failed", report.said("database")
    assert "readonly" in report.said("database")


async def test_a_database_of_a_newer_livetransfer(tmp_path: Path) -> None:
    pytest.importorskip("aiosqlite")
    from livetransfer.callbacks import SqlCallbackStore

    url = f"sqlite+aiosqlite:///{tmp_path}/callbacks.sqlite"
    await SqlCallbackStore(url).find()
    assert (await doctor("--database", url)).status("database") == "ok"
    with sqlite3.connect(tmp_path / "callbacks.sqlite") as connection:
        connection.execute("UPDATE livetransfer_callback_schema SET version = 9")
    report = await doctor("--database", url)
    assert report.status("database") == "failed"
    assert "of version 9" in report.said("database")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://nobody:hush@127.0.0.1:1/none",
        "sqlite+aiosqlite:////there/is/no/such/folder/file",
        "oracle+none://a/b",
        "nonsense",
    ],
)
async def test_a_database_that_is_none(url: str) -> None:
    pytest.importorskip("sqlalchemy")
    report = await doctor("--database", url)
    assert report.status("database") == "failed"
    assert "hush" not in report.said("database")


async def test_without_the_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    report = await doctor("--redis", "redis://127.0.0.1", "--database", "sqlite+aiosqlite://")
    assert "livetransfer[redis]" in report.said("Redis")
    assert "livetransfer[callbacks]" in report.said("database")


async def test_what_needs_a_server_is_not_tried_without_one() -> None:
    report = await doctor("--dispatch", "a", "--call", "+15550100")
    assert report.status("dispatch") == report.status("call") == "skipped"
    refused = CliRunner().invoke(app, ["doctor", "--refer"])
    assert refused.exit_code == 2


async def test_a_number_that_is_none(server: FakeServer) -> None:
    report = await doctor("--call", "12345")
    assert report.failed == ["call"]
    assert "E.164" in report.said("call")


async def test_the_table_says_the_same_as_the_json(server: FakeServer) -> None:
    server.answers["ListSIPOutboundTrunk"] = answer(proto_sip.ListSIPOutboundTrunkResponse())

    def run() -> Any:
        return CliRunner().invoke(app, ["doctor", "--no-color"], env={"COLUMNS": "200"})

    shown = await asyncio.to_thread(run)
    report = await doctor()
    assert shown.exit_code == report.code == 1
    for name, each in report.found.items():
        line = next(line for line in shown.output.splitlines() if f" {name} " in line)
        word = "not checked" if each["status"] == "skipped" else each["status"]
        assert line.startswith(word)
    assert "-> set LIVEKIT_SIP_OUTBOUND_TRUNK" in shown.output or "lk sip outbound" in shown.output
    assert "1 failed" in shown.output


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LIVETRANSFER_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


TEAM = """
timezone: Europe/Berlin
country: DE
members:
  - {name: anna, destination: "+4930123456"}
  - {name: ben, destination: "+4930123457", hours: "Mo-Fr 09:00-17:00"}
queues:
  - {name: sales, members: [anna]}
"""


@pytest.mark.parametrize(
    ("queues", "status", "said"),
    [
        ("  - {name: support, members: [ben, anna]}", ("ok", "ok"), "support is open"),
        ("", ("warning", "ok"), "in no queue: ben"),
        (
            '  - {name: night, members: [ben], hours: "Mo-Fr 20:00-22:00"}',
            ("ok", "warning"),
            "nobody takes calls of night in the next 8 days",
        ),
        ("  - {name: night, members: [eve]}", ("failed", "skipped"), "team.yaml, line 9"),
        ("  - {name: night, membres: [ben]}", ("failed", "skipped"), "queues[1].membres"),
        ('  - {name: night, members: [ben], hours: "Mo 9-"}', ("failed", "skipped"), "line 9"),
    ],
    ids=["well", "unused", "never open", "nobody", "misspelt", "no hours"],
)
async def test_a_team(tmp_path: Path, queues: str, status: tuple[str, str], said: str) -> None:
    path = tmp_path / "team.yaml"
    path.write_text(TEAM + queues + "\n")
    report = await doctor("--team", str(path))
    assert (report.status("team file"), report.status("hours")) == status
    assert said in report.said("team file") + report.said("hours")


async def test_no_team(tmp_path: Path) -> None:
    report = await doctor()
    assert (report.status("team file"), report.status("hours")) == ("skipped", "skipped")
    report = await doctor("--team", str(tmp_path / "nothing.yaml"))
    assert report.status("team file") == "failed"
    assert "-> --team" in report.said("team file"), "there is no such file to look into"


async def test_a_team_of_many_queues(tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    path.write_text(TEAM + "".join(f"  - {{name: q{i}, members: [anna, ben]}}\n" for i in range(9)))
    report = await doctor("--team", str(path))
    assert report.said("hours").startswith("10 of 10 queues are open now")


async def test_the_state_folder(tmp_path: Path, state: Path) -> None:
    report = await doctor()
    assert "made at the first call" in report.said("state folder")
    assert not state.exists()
    store = LocalStore()
    await store.open()
    await store.aclose()
    report = await doctor()
    assert "answers in" in report.said("state folder")


@pytest.mark.parametrize("needed", [False, True])
async def test_a_state_folder_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: bool
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIVETRANSFER_STATE", str(tmp_path / "file" / "state"))
    path = tmp_path / "team.yaml"
    path.write_text(TEAM)
    report = await doctor(*(("--team", str(path)) if needed else ()))
    assert report.status("state folder") == ("failed" if needed else "warning")


async def test_a_store_that_is_no_store(state: Path) -> None:
    state.mkdir()
    (state / "store.sqlite3").write_bytes(b"this is no database" * 100)
    report = await doctor()
    assert report.status("state folder") == "warning"
