"""SIP transactions on one UDP socket: the lost is sent again, the double is seen once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from .sip_messages import Headers, Message, response_to, token

Addr = tuple[str, int]
T1 = 0.5
T2 = 4.0
PATIENCE = 16.0


@dataclass(frozen=True)
class Logged:
    """One message that passed the socket."""

    at: float
    sent: bool
    peer: Addr
    message: Message

    def __str__(self) -> str:
        arrow = "->" if self.sent else "<-"
        return f"{self.at:.3f} {arrow} {self.message.start} [{self.message.get('CSeq')}]"


@dataclass
class _Client:
    """A request of ours that waits for its responses."""

    request: Message
    peer: Addr
    on_response: Callable[[Message], None]
    on_timeout: Callable[[], None]
    settled: bool = False
    resend: asyncio.TimerHandle | None = None
    interval: float = T1
    give_up: float = 0.0


@dataclass
class _Server:
    """A request of theirs and our last response to it."""

    request: Message
    peer: Addr
    response: Message | None = None
    acked: asyncio.Event = field(default_factory=asyncio.Event)


class SipEndpoint(asyncio.DatagramProtocol):
    """The socket of one phone."""

    def __init__(self, on_request: Callable[[Message, Addr], None]) -> None:
        self.log: list[Logged] = []
        self.deaf = False
        self.deaf_to: set[str] = set()
        self._on_request = on_request
        self._transport: asyncio.DatagramTransport | None = None
        self._clients: dict[tuple[str, str], _Client] = {}
        self._servers: dict[tuple[str, str], _Server] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.ip = ""
        self.port = 0

    @classmethod
    async def open(
        cls, ip: str, port: int, on_request: Callable[[Message, Addr], None]
    ) -> SipEndpoint:
        """Listen on `ip`; port 0 picks a free one."""
        loop = asyncio.get_running_loop()
        _, endpoint = await loop.create_datagram_endpoint(
            lambda: cls(on_request), local_addr=(ip, port)
        )
        return endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.ip, self.port = transport.get_extra_info("sockname")[:2]

    def error_received(self, exc: Exception) -> None:
        """A peer's port is closed: the retransmissions find out what that means."""

    def close(self) -> None:
        """Stop everything, send nothing."""
        for client in self._clients.values():
            if client.resend is not None:
                client.resend.cancel()
        self._clients.clear()
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.close()

    # Requests of ours.

    def request(
        self,
        message: Message,
        peer: Addr,
        on_response: Callable[[Message], None],
        on_timeout: Callable[[], None] = lambda: None,
        *,
        branch: str = "",
        patience: float = PATIENCE,
    ) -> str:
        """Send a request, with repeats, and pass on its responses; returns its branch."""
        branch = branch or token("z9hG4bK")
        via = f"SIP/2.0/UDP {self.ip}:{self.port};branch={branch};rport"
        message.headers.insert(0, ("Via", via))
        client = _Client(message, peer, on_response, on_timeout)
        client.give_up = time.monotonic() + patience
        self._clients[branch, message.method] = client
        self._send(message, peer)
        self._resend_later(client)
        return branch

    def send(self, message: Message, peer: Addr) -> None:
        """Send a request that has no response: an ACK."""
        via = f"SIP/2.0/UDP {self.ip}:{self.port};branch={token('z9hG4bK')};rport"
        message.headers.insert(0, ("Via", via))
        self._send(message, peer)

    def _resend_later(self, client: _Client) -> None:
        def again() -> None:
            if client.settled:
                return
            if time.monotonic() >= client.give_up:
                client.settled = True
                client.on_timeout()
                return
            self._send(client.request, client.peer)
            client.interval *= 2
            if client.request.method != "INVITE":
                client.interval = min(client.interval, T2)
            self._resend_later(client)

        client.resend = asyncio.get_running_loop().call_later(client.interval, again)

    def _response(self, message: Message) -> None:
        client = self._clients.get((message.branch, message.method))
        if client is None:
            return
        invite = message.method == "INVITE"
        if message.status >= 200 or invite:
            client.settled = True
        if invite and message.status >= 300:
            self._ack_refusal(client, message)
        client.on_response(message)

    def _ack_refusal(self, client: _Client, response: Message) -> None:
        keep = ("via", "from", "call-id", "max-forwards")
        headers = [(k, v) for k, v in client.request.headers if k.lower() in keep]
        headers += [("To", response.get("To")), ("CSeq", f"{client.request.cseq} ACK")]
        self._send(Message(f"ACK {client.request.uri} SIP/2.0", headers), client.peer)

    # Requests of theirs.

    def respond(
        self,
        request: Message,
        code: int,
        reason: str = "",
        *,
        to_tag: str = "",
        headers: Headers = (),
        body: bytes = b"",
        on_unacknowledged: Callable[[], None] | None = None,
    ) -> Message:
        """Answer a request; the final answer to an INVITE is repeated until its ACK."""
        response = response_to(request, code, reason, to_tag, headers)
        response.body = body
        server = self._servers.get((request.branch, request.method))
        if server is None:
            return response
        server.response = response
        self._send(response, server.peer)
        if request.method == "INVITE" and code >= 200:
            task = asyncio.ensure_future(self._until_acked(server, response, on_unacknowledged))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return response

    async def _until_acked(
        self, server: _Server, response: Message, on_unacknowledged: Callable[[], None] | None
    ) -> None:
        interval, give_up = T1, time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(server.acked.wait(), interval)
            if server.acked.is_set():
                return
            self._send(response, server.peer)
            interval = min(interval * 2, T2)
        if on_unacknowledged is not None:
            on_unacknowledged()

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        message = Message.parse(data)
        peer = (str(addr[0]), int(addr[1]))
        if message is None or self.deaf or message.call_id in self.deaf_to:
            return
        self.log.append(Logged(time.monotonic(), False, peer, message))
        if not message.is_request:
            self._response(message)
            return
        if message.method == "ACK":
            self._acknowledged(message)
            self._on_request(message, peer)
            return
        key = (message.branch, message.method)
        known = self._servers.get(key)
        if known is not None:
            if known.response is not None:
                self._send(known.response, peer)
            return
        self._servers[key] = _Server(message, peer)
        self._on_request(message, peer)

    def _acknowledged(self, ack: Message) -> None:
        for server in self._servers.values():
            request = server.request
            same = request.call_id == ack.call_id and request.cseq == ack.cseq
            if same and request.method == "INVITE":
                server.acked.set()

    def _send(self, message: Message, peer: Addr) -> None:
        if self.deaf or message.call_id in self.deaf_to or self._transport is None:
            return
        if not self._transport.is_closing():
            self.log.append(Logged(time.monotonic(), True, peer, message))
            self._transport.sendto(message.encode(), peer)
