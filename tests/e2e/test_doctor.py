"""`livetransfer doctor` on real servers: it says what is wrong, and only that."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from .backoffice import Backoffice
from .behaviour import Answer, OnRefer, Reject
from .call import Call
from .conftest import PhoneFactory, WorkerFactory
from .network import free_ports
from .phone import Phone
from .process import Process
from .stack import Stack

KEY, SECRET = "devkey", "a-secret-for-tests-on-loopback-only"
NUMBER = "+15550300"
QUICK, SLACK = 3.0, 0.5
"""Seconds that doctor takes when all is well, and slack."""

IMPORTS = 2.0
"""On a slow machine: how much longer it takes than the import of livekit-agents alone (measured:
2.1 where that takes 1.4 s, 1.4 where it takes 3.3 s)."""


@dataclass(frozen=True)
class Report:
    """What the doctor said."""

    code: int
    found: dict[str, dict[str, str | None]]
    seconds: float

    def status(self, name: str) -> str | None:
        return self.found[name]["status"]

    def detail(self, name: str) -> str:
        return self.found[name]["detail"] or ""

    @property
    def failed(self) -> list[str]:
        return [name for name, each in self.found.items() if each["status"] == "failed"]


async def quick() -> float:
    """How many seconds the doctor may take on this machine, now."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import livekit.agents")
    assert await process.wait() == 0
    return max(QUICK, IMPORTS * (time.monotonic() - began)) + SLACK


async def doctor(env: dict[str, str], *options: str) -> Report:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LIVEKIT_")}
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "livetransfer", "doctor", "--json", *options),
        env={**clean, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 100)
    took = time.monotonic() - began
    assert process.returncode in (0, 1), err.decode()
    listed = json.loads(out)
    assert all(set(each) == {"name", "status", "detail", "remedy"} for each in listed)
    assert all(each["remedy"] for each in listed if each["status"] == "failed")
    assert SECRET not in out.decode() + err.decode()
    return Report(process.returncode or 0, {each["name"]: each for each in listed}, took)


async def press(call: Call, key: str) -> None:
    """Press a key, in the middle of which the doctor may hang up."""
    with contextlib.suppress(asyncio.CancelledError):
        await call.press(key)


@pytest.fixture(scope="module")
def without_sip(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Iterator[dict[str, str]]:
    """A server with no Redis, and so with no SIP service."""
    folder = tmp_path_factory.mktemp("without-sip")
    port, tcp, udp = free_ports(3)
    config = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "keys": {KEY: SECRET},
        "rtc": {
            "node_ip": "127.0.0.1",
            "tcp_port": tcp,
            "udp_port": udp,
            "enable_loopback_candidate": True,
            "interfaces": {"includes": ["lo"]},
            "stun_servers": [f"127.0.0.1:{udp}"],
        },
    }
    (folder / "livekit.yaml").write_text(json.dumps(config))

    def answers() -> bool:
        import socket

        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    server = Process(
        "livekit-server",
        ["livekit-server", "--config", str(folder / "livekit.yaml")],
        folder / "livekit.log",
        ready=answers,
        stop_signal=signal.SIGKILL,
    )
    server.start()
    yield {
        "LIVEKIT_URL": f"ws://127.0.0.1:{port}",
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
    }
    server.stop()


@pytest_asyncio.fixture
async def desk(phone: PhoneFactory) -> AsyncIterator[Phone]:
    yield await phone(Answer(after=0.4, tone=1000))


async def test_a_server_without_sip(without_sip: dict[str, str]) -> None:
    report = await doctor(without_sip)
    assert report.code == 1
    assert report.failed == ["SIP service"]
    assert "Redis" in report.detail("SIP service")
    assert report.status("outbound trunk") == "skipped"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIVEKIT_API_SECRET", "another-secret-that-is-long-enough-too"),
        ("LIVEKIT_API_KEY", "nobodys"),
    ],
    ids=["secret", "key"],
)
async def test_a_wrong_secret_and_a_wrong_key(stack: Stack, variable: str, value: str) -> None:
    report = await doctor({**stack.env, variable: value})
    assert report.code == 1
    assert report.failed == ["key"]
    assert report.found["key"]["remedy"] == f"set {variable}"
    assert report.status("SIP service") == "skipped"


async def test_a_missing_trunk(stack: Stack) -> None:
    report = await doctor(stack.env, "--trunk", "ST_nobodys")
    assert report.code == 1
    assert report.failed == ["outbound trunk"]
    assert "ST_nobodys" in report.detail("outbound trunk")


@pytest.mark.alone
async def test_all_is_well_and_quickly_said(stack: Stack, office: Backoffice, desk: Phone) -> None:
    trunk = await office.trunk(desk.address)
    await office.line("+15550400", "somebody")
    before = set(await office.rooms())
    reports = [await doctor(stack.env | {"LIVEKIT_SIP_OUTBOUND_TRUNK": trunk}) for _ in range(2)]
    for report in reports:
        assert report.code == 0, report.found
        assert not report.failed
        looked_at = ("server", "clock", "key", "server version", "token grants", "SIP service")
        assert {report.status(name) for name in looked_at} == {"ok"}
        assert report.status("outbound trunk") == "ok"
        assert desk.address in report.detail("outbound trunk")
        assert report.status("inbound dispatch") == "ok"
        assert "somebody" in report.detail("inbound dispatch")
        assert report.status("SIP bridge") == "skipped"
        assert report.detail("SIP bridge").startswith("not checked")
    assert min(report.seconds for report in reports) < await quick()
    assert set(await office.rooms()) == before
    assert not desk.invites


TEAM = """
timezone: Europe/Berlin
country: DE
members:
  - {name: anna, destination: "+15550300"}
queues:
  - {name: sales, members: [anna]}
"""


@pytest.mark.slow  # what it says of a team is tested without servers, too
async def test_a_team_beside_all_that_is_well(
    stack: Stack, office: Backoffice, desk: Phone, tmp_path: Path
) -> None:
    trunk = await office.trunk(desk.address)
    (tmp_path / "team.yaml").write_text(TEAM)
    env = stack.env | {
        "LIVEKIT_SIP_OUTBOUND_TRUNK": trunk,
        "LIVETRANSFER_STATE": str(tmp_path / "state"),
    }
    reports = [await doctor(env, "--team", str(tmp_path / "team.yaml")) for _ in range(2)]
    for report in reports:
        assert report.code == 0, report.found
        assert report.status("team file") == "ok"
        assert report.detail("hours") == "sales is open"
        assert report.status("state folder") == "ok"
    assert min(report.seconds for report in reports) < await quick()
    assert not desk.invites


async def test_a_worker_that_takes_a_job_and_one_that_is_not_there(
    stack: Stack, worker: WorkerFactory
) -> None:
    await worker(f"{__package__}.smoke_agent", "smoke-of-the-doctor")
    there, nobody = await asyncio.gather(
        doctor(stack.env, "--dispatch", "smoke-of-the-doctor"),
        doctor(stack.env, "--dispatch", "nobody-is-called-so"),
    )
    assert there.status("dispatch") == "ok", there.found["dispatch"]
    assert nobody.code == 1
    assert "dispatch" in nobody.failed


async def test_a_real_call(stack: Stack, office: Backoffice, desk: Phone) -> None:
    trunk = await office.trunk(desk.address)
    calling = asyncio.create_task(doctor(stack.env, "--trunk", trunk, "--call", NUMBER))
    call = await desk.next_call(within=30)
    await asyncio.sleep(1.5)
    await press(call, "5")
    report = await calling
    assert report.code == 0, report.found
    assert "rang after" in report.detail("call")
    assert report.status("call audio") == "ok", report.detail("call audio")
    assert "the key 5" in report.detail("call key")
    assert abs(call.recording.samples()).max() > 1000
    assert call.ended


async def test_a_phone_that_sends_no_sound_and_no_key(
    stack: Stack, office: Backoffice, phone: PhoneFactory
) -> None:
    mute = await phone(Answer(after=0.2, rtp=False))
    trunk = await office.trunk(mute.address)
    calling = asyncio.create_task(doctor(stack.env, "--trunk", trunk, "--call", NUMBER))
    call = await mute.next_call(within=30)
    await asyncio.sleep(1.0)
    await call.hang_up()
    report = await calling
    assert report.code == 1
    assert {"call audio", "call key"} <= set(report.failed)


async def test_a_phone_that_is_busy(stack: Stack, office: Backoffice, phone: PhoneFactory) -> None:
    busy = await phone(Reject(486))
    trunk = await office.trunk(busy.address)
    report = await doctor(stack.env, "--trunk", trunk, "--call", NUMBER, "--refer")
    assert report.code == 1
    assert report.failed == ["call"]
    assert "486" in report.detail("call")
    assert report.status("REFER") == "skipped"


@pytest.mark.parametrize(
    ("on_refer", "status"),
    [
        (OnRefer(), "ok"),
        (OnRefer(603), "failed"),
        pytest.param(OnRefer(notify=(100, 486)), "ok", marks=pytest.mark.slow),
    ],
    ids=["taken", "refused", "busy"],
)
async def test_whether_the_trunk_takes_a_refer(
    stack: Stack, office: Backoffice, phone: PhoneFactory, on_refer: OnRefer, status: str
) -> None:
    desk = await phone(Answer(after=0.2, tone=1000), on_refer=on_refer)
    trunk = await office.trunk(desk.address)
    calling = asyncio.create_task(
        doctor(stack.env, "--trunk", trunk, "--call", NUMBER, "--refer", "--refer-to", "+15550301")
    )
    call = await desk.next_call(within=30)
    await asyncio.sleep(1.0)
    await press(call, "1")
    report = await calling
    assert report.status("REFER tel:") == status, report.found
    assert report.status("REFER sip:") == status, report.found
    referred = [each.refer_to for one in desk.calls for each in one.refers]
    assert any("tel:+15550301" in to for to in referred)
    assert any(f"sip:+15550301@{desk.address}" in to for to in referred)
