"""Addresses: which hosts a fetch may connect to, checked on the very addresses it connects to."""

from __future__ import annotations

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

__all__ = ["CheckedResolver", "ForbiddenAddress", "check_address"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Google, Azure, DigitalOcean, Oracle, OpenStack
        "169.254.170.2",  # AWS ECS tasks
        "169.254.170.23",  # AWS EKS pods
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",
        "fd20:ce::254",  # Google over IPv6
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's host; a public address by its range
        "192.0.0.192",  # Oracle, older
    )
)
"""Where clouds answer a machine's questions for its secrets."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ForbiddenAddress(OSError):
    """A host has an address that must not be connected to."""


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address.teredo is not None:
            return address.teredo[1]
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def check_address(text: str, *, trusted: bool) -> None:
    """Allow an address or raise.

    Args:
        text: The address, as text.
        trusted: Whether the code named its host: then it may be a private one.

    Raises:
        ForbiddenAddress: A cloud's metadata address, or, of a host that is not trusted, one that
            is not of the public internet.
    """
    address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    if address in METADATA:
        raise ForbiddenAddress(f"{text} is a cloud's metadata address")
    if not trusted and (not address.is_global or address.is_multicast or address.is_reserved):
        raise ForbiddenAddress(f"it leads to {text}, which is not a public address")


class CheckedResolver(AbstractResolver):
    """Resolves names for aiohttp, which then connects to what was checked and to nothing else.

    A name that is resolved again and has another address by then (DNS rebinding) is checked again.

    Args:
        trusted: Names, in lower case, that the code has given.
    """

    def __init__(self, trusted: frozenset[str]) -> None:
        self._trusted = trusted
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve `host`, all of whose addresses have to be allowed."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            check_address(result["host"], trusted=host.lower() in self._trusted)
        return found

    async def close(self) -> None:
        """Release what it holds."""
        await self._resolver.close()
