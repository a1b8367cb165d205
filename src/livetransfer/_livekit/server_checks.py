"""Inspection: what can be known of a LiveKit server and its telephony without a call."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from livekit.api.twirp_client import ServerError
from livekit.protocol import rtc as proto_rtc
from livekit.protocol import sip as proto_sip

from livetransfer.finding import Finding, failed, not_checked, ok, skipped, warning

from .signalling.server_api import Wire
from .trunks_and_rules import inspect_inbound, inspect_trunk

__all__ = [
    "NOBODY",
    "Access",
    "bounded",
    "inspect_server",
    "leave",
    "not_reached",
    "said",
    "trunk_address",
]

T = TypeVar("T")

NOBODY = "livetransfer-doctor"
"""The agent name that no worker has: a room that asks for it gets no agent."""

WITHIN = 2.0
"""Seconds that one request may take."""
SKEW_TOLD = 5.0
SKEW_REFUSED = 60.0
"""Seconds that the clocks may differ: go-jose, which checks the tokens, allows one minute."""
OLDEST = (1, 9, 12)
"""Older servers repeat a dial request after 3 s: two phones ring."""

_TELEPHONY = ("SIP service", "outbound trunk", "inbound dispatch", "SIP bridge")
_LATER = ("server version", "token grants", *_TELEPHONY)
_SELF_HOSTED = "docs.livekit.io/transport/self-hosting/sip-server"


@dataclass(frozen=True)
class Access:
    """Where the server is, and with what.

    Attributes:
        url: Of the server: ``wss://...`` or ``ws://...``.
        key: The API key.
        secret: Its secret.
        trunk_id: The outbound trunk to dial through, where one is set.
    """

    url: str
    key: str
    secret: str
    trunk_id: str | None = None

    def wire(self, room_name: str) -> Wire:
        """Return the server API, bound to a room."""
        return Wire(self.url, self.key, self.secret, room_name, NOBODY, owner=NOBODY)

    def http(self, path: str) -> str:
        """Return the address of `path` on the server."""
        parts = urlsplit(self.url)
        scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + path, "", ""))


async def inspect_server(access: Access, room_name: str) -> list[Finding]:
    """Look at the server, the rights that the key gives, and the telephony.

    For a second there is an empty room called `room_name`, without agents; it is deleted again.
    """
    reached, skew = await _reach(access)
    if reached.status == "failed":
        return [reached, *not_reached("the server was not reached", ("clock", "key", *_LATER))]
    refused = await _refused(access)
    if refused is not None:
        return [reached, skew, refused, *not_reached("the server refused the key", _LATER)]
    wire = access.wire(room_name)
    try:
        admitted, telephony = await asyncio.gather(_enter(access, wire), _telephony(access, wire))
    finally:
        await asyncio.shield(leave(wire))
    return [reached, skew, ok("key", "the server takes it"), *admitted, *telephony]


def not_reached(
    why: str, names: tuple[str, ...] = ("server", "clock", "key", *_LATER)
) -> list[Finding]:
    """Return what nothing is known of."""
    return [skipped(name, why) for name in names]


async def _reach(access: Access) -> tuple[Finding, Finding]:
    name = "server"
    where = urlsplit(access.url).netloc
    began = time.monotonic()
    try:
        async with _http() as http, http.get(access.http("/")) as response:
            took = time.monotonic() - began
            now = time.time()
            date = response.headers.get("Date")
            status = response.status
    except asyncio.TimeoutError:
        lost = failed(
            name,
            f"{where} did not answer in {WITHIN:g} s",
            "see whether the server runs, and whether a firewall is between; LIVEKIT_URL",
        )
    except aiohttp.ClientConnectorDNSError:
        lost = failed(name, f"there is no host {where}", "set LIVEKIT_URL")
    except aiohttp.ClientSSLError as error:
        lost = failed(
            name,
            f"{where} has no certificate that is trusted here: {_plain(error)}",
            "ws:// for a server without TLS, or install its certificate authority",
        )
    except (aiohttp.ClientError, OSError, ValueError) as error:
        lost = failed(
            name,
            f"{where} cannot be reached: {_plain(error)}",
            "start the server (livekit-server --dev), or set LIVEKIT_URL",
        )
    else:
        if status >= 500:
            lost = failed(name, f"{where} answers {status}", "see the server's log")
        else:
            return ok(name, f"{where} answers in {took * 1000:.0f} ms"), _skew(date, now)
    return lost, skipped("clock", "the server was not reached")


def _skew(date: str | None, now: float) -> Finding:
    name = "clock"
    try:
        there = email.utils.parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return not_checked(name, "the server does not tell its time")
    # The header has whole seconds.
    apart = now - (there + 0.5)
    remedy = "set the clock of this machine: timedatectl set-ntp true"
    detail = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the server"
    if abs(apart) > SKEW_REFUSED:
        return failed(name, f"{detail}; its tokens are refused", remedy)
    if abs(apart) > SKEW_TOLD:
        return warning(name, detail, remedy)
    return ok(name, "the same as the server's")


async def _refused(access: Access) -> Finding | None:
    """Return why the server refuses the key, or None."""
    token = access.wire("livetransfer-doctor").token(NOBODY)
    try:
        async with (
            _http() as http,
            http.get(access.http("/rtc/validate"), params={"access_token": token}) as response,
        ):
            if response.status == 200:
                return None
            if response.status not in (401, 403):
                return failed(
                    "key",
                    f"it answers {response.status} to the check of the key",
                    "set LIVEKIT_URL to a LiveKit server; see what stands before it",
                )
            # It repeats the token.
            why = (await response.text()).replace(token, "...").lower()
    except (asyncio.TimeoutError, aiohttp.ClientError, OSError) as error:
        return failed("key", f"the server did not check it: {_plain(error)}", "try again")
    if "invalid api key" in why:
        return failed(
            "key", f"the server does not know the key {access.key!r}", "set LIVEKIT_API_KEY"
        )
    if "expired" in why or "not valid yet" in why:
        return failed("key", "the server takes the token for outdated", "set both clocks")
    return failed(
        "key", f"the secret is not that of the key {access.key!r}", "set LIVEKIT_API_SECRET"
    )


async def _enter(access: Access, wire: Wire) -> list[Finding]:
    """Create a room, look into it, and join it for the server's version."""
    grants, version = "token grants", "server version"
    try:
        await bounded(wire.create_room(NOBODY, empty_timeout=5))
        await bounded(wire.participants())
    except Exception as error:
        finding = failed(
            grants,
            f"a room could not be made and looked into: {said(error)}",
            "the key needs roomCreate, roomAdmin and roomList",
        )
        return [skipped(version, "no room could be made"), finding]
    found = ok(grants, "rooms can be made and administered")
    try:
        told, cloud = await bounded(_version(access, wire))
    except Exception as error:
        return [not_checked(version, f"the room could not be joined: {said(error)}"), found]
    if not told:
        return [not_checked(version, "the server does not tell it"), found]
    if not cloud and _parsed(told) and _parsed(told) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return [
            warning(
                version,
                f"{told}: servers before {oldest} may ring a phone twice for one dial",
                f"update livekit-server to {oldest} or later",
            ),
            found,
        ]
    return [ok(version, f"{told}, LiveKit Cloud" if cloud else told), found]


async def _version(access: Access, wire: Wire) -> tuple[str, bool]:
    """Return the server's version, and whether it is LiveKit Cloud."""
    params = {"access_token": wire.token(NOBODY), "protocol": "12", "auto_subscribe": "0"}
    async with (
        _http() as http,
        http.ws_connect(access.http("/rtc"), params=params) as joined,
    ):
        first = proto_rtc.SignalResponse.FromString(await joined.receive_bytes())
    told = first.join.server_info
    return told.version or first.join.server_version, told.edition == told.Cloud


def _parsed(version: str) -> tuple[int, ...]:
    numbers = version.partition("-")[0].removeprefix("v").split(".")
    return tuple(int(n) for n in numbers) if all(n.isdigit() for n in numbers) else ()


async def _telephony(access: Access, wire: Wire) -> list[Finding]:
    sip = wire.api.sip
    try:
        outbound, inbound, rules = await asyncio.gather(
            bounded(sip.list_outbound_trunk(proto_sip.ListSIPOutboundTrunkRequest())),
            bounded(sip.list_inbound_trunk(proto_sip.ListSIPInboundTrunkRequest())),
            bounded(sip.list_dispatch_rule(proto_sip.ListSIPDispatchRuleRequest())),
        )
    except Exception as error:
        finding = failed("SIP service", *_no_sip(error))
        return [finding, *(skipped(name, "there is no SIP service") for name in _TELEPHONY[1:])]
    return [
        ok("SIP service", "the server keeps trunks and dispatch rules"),
        inspect_trunk(list(outbound.items), access.trunk_id),
        inspect_inbound(list(inbound.items), list(rules.items)),
        not_checked(
            "SIP bridge",
            "only a call tells whether livekit-sip runs",
            "livetransfer doctor --call +<your phone>",
        ),
    ]


def _no_sip(error: Exception) -> tuple[str, str]:
    if isinstance(error, ServerError):
        if "sip not connected" in error.message:
            return (
                "the server has no SIP service: it runs without Redis",
                f"give the server a redis: section, and run livekit-sip beside it: {_SELF_HOSTED}",
            )
        if error.status in (401, 403):
            return (
                f"the key may not look at trunks: {said(error)}",
                "the key needs the SIP admin grant",
            )
        if error.status == 404 or error.code in ("bad_route", "unimplemented"):
            return "the server knows no SIP", f"update livekit-server; {_SELF_HOSTED}"
    return f"trunks could not be listed: {said(error)}", "see the server's log"


async def trunk_address(access: Access) -> str | None:
    """Return the host that the trunk sends to, or None."""
    wire = access.wire("")
    request = proto_sip.ListSIPOutboundTrunkRequest(trunk_ids=[access.trunk_id or ""])
    try:
        listed = await bounded(wire.api.sip.list_outbound_trunk(request))
    except Exception:
        return None
    finally:
        await wire.aclose()
    return next((t.address for t in listed.items if t.sip_trunk_id == access.trunk_id), None)


async def leave(wire: Wire) -> None:
    """Delete the throw-away room, and close the connection."""
    try:
        await bounded(wire.delete_room())
    except Exception:
        pass  # it closes by itself, 5 s after the last has left
    finally:
        await wire.aclose()


def _http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN))


async def bounded(request: Awaitable[T]) -> T:
    """Return what `request` does, in `WITHIN` seconds."""
    return await asyncio.wait_for(request, WITHIN)


def said(error: Exception) -> str:
    """Return what an error of the server API says, for people."""
    if isinstance(error, ServerError):
        return error.message or f"{error.code} ({error.status})"
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer in {WITHIN:g} s"
    return _plain(error)


def _plain(error: BaseException) -> str:
    """Return what an error says, without addresses, in which a token may be."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
