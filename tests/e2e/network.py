"""Free ports, and an interface beside loopback where there is none."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import random
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable

_SIOCGIFADDR = 0x8915


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def _search(accept: Callable[[int], bool]) -> int:
    """A port below the range from which the system gives out ports, so that it stays free."""
    for _ in range(1000):
        port = random.randrange(10000, 32000)
        if accept(port):
            return port
    raise RuntimeError("no free ports")


def free_ports(count: int) -> list[int]:
    """Ports that are free for TCP and for UDP."""
    found: set[int] = set()
    while len(found) < count:
        found.add(_search(_is_free))
    return list(found)


def free_range(count: int) -> int:
    """The first of `count` free ports in a row."""

    def accept(first: int) -> bool:
        last = first + count
        return last < 32000 and all(_is_free(port) for port in range(first, last, 10))

    return _search(accept)


def connected() -> bool:
    """Whether an interface beside loopback has an IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
                if not ipaddress.IPv4Address(answer[20:24]).is_loopback:
                    return True
    return False


def can_add_interface() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None


def add_interface() -> str:
    """A veth pair with an address, both ends here; the name of one end."""
    mark = random.randrange(1 << 16)
    name = f"lte{mark:04x}"
    address = str(ipaddress.IPv4Address("198.18.0.1") + mark)
    for command in (
        "ip link set lo up",
        f"ip link add {name} type veth peer name {name}p",
        f"ip addr add {address}/32 dev {name}",
        f"ip link set {name} up",
        f"ip link set {name}p up",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    return name


def drop_interface(name: str) -> None:
    """Remove what `add_interface` made."""
    subprocess.run(["ip", "link", "del", name], check=False)
