"""A SIP phone for tests: it calls, rings, answers, refuses, transfers and listens as scripted.

    async with await Phone.open(behaviour=Answer(after=2, tone=1000)) as human:
        call = await human.next_call()
        await call.wait("answered")
        heard_at = await call.hears(600)

UDP and PCMU on one address, loopback unless told otherwise; no threads. All times are
time.monotonic, which is one clock for every process of a Linux machine.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType

from .behaviour import Answer, Behaviour, CallFailed, OnRefer, Script
from .call import Call
from .sip_messages import (
    Credentials,
    Headers,
    Message,
    address_of,
    parameter,
    token,
    uri_of,
    user_of,
)
from .sip_transport import Addr, Logged, SipEndpoint


@dataclass(frozen=True)
class Invite:
    """An INVITE that began, or tried to begin, a call. Retransmissions are not counted."""

    at: float
    call_id: str
    from_user: str
    to_user: str
    challenged: bool
    message: Message


class Phone:
    """One phone with one SIP port; each of its calls has its own RTP port."""

    def __init__(self) -> None:
        self.behaviour: Script = Answer()
        self.on_refer = OnRefer()
        self.credentials: Credentials | None = None
        self.calls: list[Call] = []
        self.invites: list[Invite] = []
        self._arrivals: asyncio.Queue[Call] = asyncio.Queue()
        self._nonces: set[str] = set()
        self._endpoint: SipEndpoint | None = None

    @classmethod
    async def open(
        cls,
        ip: str = "127.0.0.1",
        port: int = 0,
        *,
        behaviour: Script | None = None,
        on_refer: OnRefer | None = None,
        auth: Credentials | None = None,
    ) -> Phone:
        """Plug a phone in. `behaviour` is what it does with calls; a function decides for each.

        `auth` makes it challenge every INVITE, as a trunk that wants a user and a password does.
        """
        phone = cls()
        phone.behaviour = behaviour or Answer()
        phone.on_refer = on_refer or OnRefer()
        phone.credentials = auth
        phone._endpoint = await SipEndpoint.open(ip, port, phone._request)
        return phone

    async def close(self, within: float = 2.0) -> None:
        """Hang up what is still up, and unplug."""
        if self._endpoint is None:
            return
        live = [call for call in self.calls if call.answered and not call.ended]
        waits = [asyncio.ensure_future(call.bye(within)) for call in live]
        waits += [
            asyncio.ensure_future(call.cancel(within))
            for call in self.calls
            if not call.incoming and not call.ended and call not in live
        ]
        if waits and not self._endpoint.deaf:
            await asyncio.gather(*waits, return_exceptions=True)
        self.unplug()

    def unplug(self) -> None:
        """Close every port at once and say nothing."""
        for call in self.calls:
            call.close()
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    async def __aenter__(self) -> Phone:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # Where it is, and what came in.

    @property
    def endpoint(self) -> SipEndpoint:
        if self._endpoint is None:
            raise RuntimeError("the phone is unplugged")
        return self._endpoint

    @property
    def ip(self) -> str:
        return self.endpoint.ip

    @property
    def port(self) -> int:
        return self.endpoint.port

    @property
    def address(self) -> str:
        """`host:port`, as an outbound trunk takes it."""
        return f"{self.ip}:{self.port}"

    @property
    def log(self) -> list[Logged]:
        """Every SIP message in and out."""
        return self.endpoint.log

    def requests(self, method: str) -> list[Logged]:
        """The requests of a method that came in, retransmissions included."""
        return [
            entry
            for entry in self.log
            if not entry.sent and entry.message.is_request and entry.message.method == method
        ]

    @property
    def call_ids(self) -> list[str]:
        """The distinct Call-IDs among the INVITEs, in order: how often this phone was dialled."""
        return list(dict.fromkeys(invite.call_id for invite in self.invites))

    @property
    def duplicates(self) -> int:
        """INVITEs that began a call under a Call-ID that had one already."""
        begun = [invite.call_id for invite in self.invites if not invite.challenged]
        return len(begun) - len(set(begun))

    async def next_call(self, within: float = 10.0) -> Call:
        """The next incoming call, as soon as its INVITE is there; each call is given once."""
        try:
            return await asyncio.wait_for(self._arrivals.get(), within)
        except asyncio.TimeoutError:
            raise TimeoutError(f"no call within {within} s at {self.address}") from None

    # What it does.

    def dial(
        self, uri: str, from_user: str = "+15550001", *, headers: Headers = (), patience: float = 16
    ) -> Call:
        """Place a call and return at once; then `wait("ringing")`, `wait("answered")`, …"""
        call = Call(self.endpoint, address_of(uri), token() + "@" + self.ip, incoming=False)
        call.on_refer = self.on_refer
        self.calls.append(call)
        call.place(uri, from_user, headers, patience)
        return call

    async def call(
        self,
        uri: str,
        from_user: str = "+15550001",
        *,
        headers: Headers = (),
        within: float = 30.0,
    ) -> Call:
        """Place a call and return when it is answered; CallFailed if it is refused."""
        call = self.dial(uri, from_user, headers=headers)
        answered = asyncio.ensure_future(call.wait("answered", within))
        ended = asyncio.ensure_future(call.wait("ended", within))
        try:
            await asyncio.wait({answered, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not call.answered:
                if not call.ended:
                    await answered
                raise CallFailed(call.status, call.events[-2].detail)
        finally:
            answered.cancel()
            ended.cancel()
            await asyncio.gather(answered, ended, return_exceptions=True)
        return call

    def vanish(self) -> None:
        """Pull the plug without a word: nothing is sent or heard from here on."""
        for call in self.calls:
            if not call.ended:
                call.vanish()
        self.endpoint.deaf = True

    # What others ask of it.

    def _request(self, message: Message, peer: Addr) -> None:
        method = message.method
        inside = bool(parameter(message.get("To"), "tag"))
        if method == "INVITE" and not inside:
            self._invited(message, peer)
            return
        call = next((call for call in self.calls if call.belongs(message)), None)
        if call is not None and method == "CANCEL":
            call.cancelled(message)
        elif call is not None:
            call.request(message)
        elif method == "OPTIONS":
            self.endpoint.respond(message, 200, to_tag=token())
        elif method != "ACK":
            self.endpoint.respond(message, 481, to_tag=token())

    def _invited(self, message: Message, peer: Addr) -> None:
        challenged = self._challenged(message)
        invite = Invite(
            time.monotonic(),
            message.call_id,
            user_of(uri_of(message.get("From"))),
            user_of(message.uri),
            challenged,
            message,
        )
        self.invites.append(invite)
        if challenged:
            return
        choice: Behaviour = self.behaviour(message) if callable(self.behaviour) else self.behaviour
        call = Call(self.endpoint, peer, message.call_id, incoming=True)
        call.on_refer = self.on_refer
        self.calls.append(call)
        call.accept(message, choice)
        self._arrivals.put_nowait(call)

    def _challenged(self, message: Message) -> bool:
        if self.credentials is None or self.credentials.accepts(message, self._nonces):
            return False
        nonce = token()
        self._nonces.add(nonce)
        header = self.credentials.challenge(nonce)
        self.endpoint.respond(message, self.credentials.code, to_tag=token(), headers=[header])
        return True
