"""redis-server, livekit-server and livekit-sip on loopback, for the length of a test run.

The programs are taken from PATH and get free ports, so that runs in parallel do not collide.
livekit-sip refuses to start on a host whose only interface is loopback, whatever it is told to
listen on, and a second address on `lo` does not help. There the stack adds a veth pair with an
address of the benchmarking range 198.18.0.0/15, which needs root and `ip` (Debian: iproute2), and
removes it at the end; nothing is ever sent over it. (A dummy interface would do as well, but many
small kernels come without that driver.)

A stack that runs already is used instead if LIVETRANSFER_E2E_URL is set: compose.yaml says how.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from .network import (
    add_interface,
    can_add_interface,
    connected,
    drop_interface,
    free_ports,
    free_range,
)
from .process import Process

PROGRAMS = {
    "redis-server": "Debian: apt-get install redis-server",
    "livekit-server": "github.com/livekit/livekit, cmd/server",
    "livekit-sip": "github.com/livekit/sip, cmd/livekit-sip",
}
NO_REAL_CALLS = "NO REAL CALLS ARE TESTED"
"""How the reason begins for which a test is skipped that needs the servers."""

_PREFIX = "LIVETRANSFER_E2E_"
_HOST = "127.0.0.1"
_KEY = "devkey"
_SECRET = "a-secret-for-tests-on-loopback-only"
_RTP_PORTS = 600


def missing() -> list[str]:
    """The programs that are not on PATH; nothing if a running stack is named."""
    if os.environ.get(_PREFIX + "URL"):
        return []
    return [program for program in PROGRAMS if shutil.which(program) is None]


def unavailable() -> str | None:
    """Why there can be no stack here, in one line, or None."""
    absent = missing()
    if absent:
        wanted = "; ".join(f"{program} ({PROGRAMS[program]})" for program in absent)
        return (
            f"{NO_REAL_CALLS}: not on PATH: {wanted}. "
            f"Or set {_PREFIX}URL, see tests/e2e/compose.yaml"
        )
    if not os.environ.get(_PREFIX + "URL") and not connected() and not can_add_interface():
        return (
            f"{NO_REAL_CALLS}: livekit-sip needs an interface beside loopback; "
            "this host has none, and adding one takes root and `ip` (iproute2)"
        )
    return None


def server_version() -> tuple[int, ...] | None:
    """The livekit-server on PATH, as (1, 13, 5); None where a running stack is named.

    It stands for the pair: livekit-sip does not tell its own.
    """
    if os.environ.get(_PREFIX + "URL"):
        return None
    told = subprocess.run(["livekit-server", "--version"], capture_output=True, check=True).stdout
    return tuple(int(each) for each in told.decode().split()[-1].split("."))


class Stack:
    """The three servers, or a running stack with `redis`, `server` and `sip` set to None."""

    def __init__(self) -> None:
        self.url = ""
        self.api_key = ""
        self.api_secret = ""
        self.sip_host = _HOST
        self.sip_port = 5060
        self.phone_ip = _HOST
        self.redis: Process | None = None
        self.server: Process | None = None
        self.sip: Process | None = None
        self._interface = ""

    @property
    def env(self) -> dict[str, str]:
        """What an agent or the API client takes from the environment."""
        return {
            "LIVEKIT_URL": self.url,
            "LIVEKIT_API_KEY": self.api_key,
            "LIVEKIT_API_SECRET": self.api_secret,
        }

    @property
    def processes(self) -> list[Process]:
        return [each for each in (self.redis, self.server, self.sip) if each is not None]

    def uri(self, number: str) -> str:
        """What a phone dials to reach a number of the stack."""
        return f"sip:{number}@{self.sip_host}:{self.sip_port}"

    @classmethod
    def from_environment(cls) -> Stack | None:
        """The running stack that the environment names."""
        url = os.environ.get(_PREFIX + "URL")
        if not url:
            return None
        stack = cls()
        stack.url = url
        stack.api_key = os.environ.get(_PREFIX + "API_KEY", _KEY)
        stack.api_secret = os.environ.get(_PREFIX + "API_SECRET", _SECRET)
        stack.sip_host = os.environ.get(_PREFIX + "SIP_HOST", _HOST)
        stack.sip_port = int(os.environ.get(_PREFIX + "SIP_PORT", "5060"))
        stack.phone_ip = os.environ.get(_PREFIX + "PHONE_IP", _HOST)
        return stack

    @classmethod
    def start(
        cls, folder: Path, *, ice_lite: bool | None = None, log_level: str = "debug"
    ) -> Stack:
        """Start all three; configurations and logs go to `folder`.

        Over loopback a full ICE agent is often too fast for its peer: the first DTLS packet is
        lost and sent again after a second, so that about every second leg joins or publishes a
        second late. ICE-lite does not do this and is the default; `ice_lite=False`, or
        LIVETRANSFER_E2E_ICE_LITE=0, is for tests of that delay.
        """
        if ice_lite is None:
            ice_lite = os.environ.get(_PREFIX + "ICE_LITE", "1") != "0"
        stack = cls()
        folder.mkdir(parents=True, exist_ok=True)
        if not connected():
            stack._interface = add_interface()
        ports = free_ports(6)
        redis_port, port, tcp, udp, stack.sip_port, health = ports
        stack.url = f"ws://{_HOST}:{port}"
        stack.api_key, stack.api_secret = _KEY, _SECRET
        redis = {"address": f"{_HOST}:{redis_port}"}
        first = free_range(_RTP_PORTS)
        server_config = {
            "port": port,
            "bind_addresses": [_HOST],
            "redis": redis,
            "keys": {_KEY: _SECRET},
            "logging": {"level": log_level},
            "node_selector": {"kind": "any", "sysload_limit": 1000},
            "rtc": {
                "node_ip": _HOST,
                "use_external_ip": False,
                "use_ice_lite": ice_lite,
                "tcp_port": tcp,
                "udp_port": udp,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
                # Without one of its own, clients would ask a public STUN server.
                "stun_servers": [f"{_HOST}:{udp}"],
            },
        }
        sip_config = {
            "api_key": _KEY,
            "api_secret": _SECRET,
            "ws_url": stack.url,
            "redis": redis,
            "sip_port": stack.sip_port,
            "rtp_port": f"{first}-{first + _RTP_PORTS - 1}",
            "use_external_ip": False,
            "nat_1_to_1_ip": _HOST,
            "listen_ip": _HOST,
            "health_port": health,
            "max_cpu_utilization": 1.0,  # a busy test machine must not refuse calls
            "logging": {"level": log_level},
        }
        (folder / "livekit.yaml").write_text(json.dumps(server_config))  # JSON is YAML
        (folder / "sip.yaml").write_text(json.dumps(sip_config))
        redis_options = f"--port {redis_port} --bind {_HOST} --save --appendonly no".split()
        stack.redis = Process(
            "redis-server",
            ["redis-server", *redis_options, "--dir", str(folder)],
            folder / "redis.log",
            ready=lambda: _redis_answers(redis_port),
        )
        stack.server = Process(
            "livekit-server",
            ["livekit-server", "--config", str(folder / "livekit.yaml")],
            folder / "livekit.log",
            ready=lambda: _http_answers(port),
            stop_signal=signal.SIGKILL,  # it has nothing to save, and takes its time otherwise
        )
        stack.sip = Process(
            "livekit-sip",
            ["livekit-sip", "--config", str(folder / "sip.yaml")],
            folder / "sip.log",
            ready=lambda: _http_answers(health) and _sip_answers(stack.sip_port),
            stop_signal=signal.SIGINT,  # SIGTERM waits for the calls to end
        )
        try:
            for process in stack.processes:
                process.start()
        except BaseException:
            stack.stop()
            raise
        return stack

    def stop(self) -> None:
        """End all that `start` started."""
        for process in reversed(self.processes):
            process.stop()
        if self._interface:
            drop_interface(self._interface)
            self._interface = ""


# Whether they answer.


def _redis_answers(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), 0.2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _http_answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{_HOST}:{port}/", timeout=0.2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _sip_answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        probe.bind((_HOST, 0))
        here = f"{_HOST}:{probe.getsockname()[1]}"
        branch = f"z9hG4bK{random.getrandbits(48):x}"
        lines = [
            f"OPTIONS sip:{_HOST}:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};branch={branch}",
            f"From: <sip:probe@{here}>;tag=probe",
            f"To: <sip:{_HOST}:{port}>",
            f"Call-ID: {branch}",
            "CSeq: 1 OPTIONS",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        try:
            probe.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), (_HOST, port))
            return probe.recv(2048).startswith(b"SIP/2.0 200")
        except OSError:
            return False
