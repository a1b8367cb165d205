"""The SIP dialogue of a call: its requests in both directions once the INVITE is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine

from .behaviour import CallFailed, OnRefer, Referred
from .rtp import RtpStream
from .sip_messages import (
    REASONS,
    Headers,
    Media,
    Message,
    address_of,
    parameter,
    read_sdp,
    token,
    uri_of,
    write_sdp,
)
from .sip_transport import Addr, SipEndpoint
from .timeline import Timeline, in_time

SDP = [("Content-Type", "application/sdp")]
_MIRROR = {"sendonly": "recvonly", "recvonly": "sendonly"}
_ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY, INFO")


class Dialogue(Timeline):
    """Both ends' tags, addresses and counters, and the audio path that goes with them."""

    def __init__(self, endpoint: SipEndpoint, peer: Addr, call_id: str) -> None:
        super().__init__()
        self.call_id = call_id
        self.refers: list[Referred] = []
        self.on_refer = OnRefer()
        self.sends_rtp = True
        self.held_by_peer = False
        self.ended_by: str | None = None
        self.ended_with = ""
        self.media = RtpStream(endpoint.ip, lambda at: self.note("rtp_in", at=at))
        self._endpoint = endpoint
        self._peer = peer
        self._local = ""
        self._remote = ""
        self._target = ""
        self._tag = token()
        self._cseq = 1
        self._version = 1
        self._direction = "sendrecv"
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ended(self) -> bool:
        return self.at("ended") is not None

    @property
    def answered(self) -> bool:
        return self.at("answered") is not None

    # What this phone asks for.

    async def bye(self, within: float = 5.0) -> None:
        """End an answered call; returns when the other side has confirmed."""
        done = self.ask("BYE")
        self._over("us", "BYE")
        await in_time(done, within, "no answer to the BYE")

    async def hold(self, within: float = 5.0) -> None:
        """re-INVITE with a=sendonly; TimeoutError if it is not answered.

        livekit-sip 1.2.0 answers it in a call that it has received. In a call that it has placed
        it takes it for a new call, rings, and never answers.
        """
        await self._reinvite("sendonly", "held", within)

    async def resume(self, within: float = 5.0) -> None:
        """re-INVITE with a=sendrecv."""
        await self._reinvite("sendrecv", "resumed", within)

    async def _reinvite(self, direction: str, event: str, within: float) -> None:
        self._direction = direction
        asked = self.ask("INVITE", SDP, self._sdp())
        response = await in_time(asked, within, "no answer to the re-INVITE")
        if response.status >= 300:
            raise CallFailed(response.status, response.reason)
        self._acknowledge(response)
        self._take_media(response.body)
        self.note(event)

    def vanish(self) -> None:
        """Be gone without a word: no audio, no BYE, no answer to anything."""
        self._endpoint.deaf_to.add(self.call_id)
        self._over("us", "vanished")

    def close(self) -> None:
        """Give everything back, say nothing."""
        self.media.close()
        for task in self._tasks:
            task.cancel()

    # What the other side asks for.

    def request(self, message: Message) -> None:
        """Answer a request of this dialogue."""
        method = message.method
        if method == "ACK":
            self._take_media(message.body)
        elif self.ended:
            self._respond(message, 481)
        elif method == "BYE":
            self._respond(message, 200)
            self._over("them", "BYE")
        elif method == "INVITE":
            self._reinvited(message)
        elif method == "REFER":
            self._spawn(self._refer(message))
        elif method in ("OPTIONS", "INFO", "NOTIFY", "UPDATE"):
            self._respond(message, 200)
        else:
            self._respond(message, 501)

    def _reinvited(self, message: Message) -> None:
        media = read_sdp(message.body)
        theirs = media.direction if media else "sendrecv"
        self.held_by_peer = theirs in ("sendonly", "inactive")
        self._direction = _MIRROR.get(theirs, theirs)
        self.note("reinvited", theirs)
        self._take_media(message.body)
        self._respond(message, 200, body=self._sdp())

    async def _refer(self, message: Message) -> None:
        script = self.on_refer
        target = uri_of(message.get("Refer-To"))
        referred = Referred(time.monotonic(), target, message)
        self.refers.append(referred)
        self.note("refer", target)
        if script.after > 0:
            await asyncio.sleep(script.after)
        self._respond(message, script.response)
        if script.response >= 300:
            return
        for code in script.notify:
            await asyncio.sleep(script.every)
            if self.ended:
                return
            state = "active;expires=60" if code < 200 else "terminated;reason=noresource"
            headers = [
                ("Event", f"refer;id={message.cseq}"),
                ("Subscription-State", state),
                ("Content-Type", "message/sipfrag;version=2.0"),
            ]
            body = f"SIP/2.0 {code} {REASONS.get(code, 'Unknown')}\r\n".encode()
            if code >= 200 and script.bye is not None:
                self._spawn(self._leave(script.bye))
            response = await self.ask("NOTIFY", headers, body)
            self.note("notified", f"{code}: {response.status}")
        if script.bye is not None and max(script.notify, default=0) < 200:
            self._spawn(self._leave(script.bye))

    async def _leave(self, after: float) -> None:
        await asyncio.sleep(after)
        await self.bye()

    # The means.

    def _respond(self, message: Message, code: int, reason: str = "", body: bytes = b"") -> None:
        headers = [self._contact(), _ALLOW] if code < 300 else []
        self._endpoint.respond(
            message,
            code,
            reason,
            to_tag=self._tag,
            headers=[*headers, *SDP] if body else headers,
            body=body,
            on_unacknowledged=(lambda: self._over("us", "no ACK")) if code < 300 else None,
        )

    def belongs(self, message: Message) -> bool:
        """Whether a request inside a dialogue is of this one, not of one with its Call-ID."""
        return message.call_id == self.call_id and self._tag == parameter(message.get("To"), "tag")

    def _over(self, by: str, how: str) -> None:
        if not self.ended:
            self.ended_by, self.ended_with = by, how
            self.media.stop_sending()
            self.note("ended", how)

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _sdp(self) -> bytes:
        self._version += 1
        ip, port = self._endpoint.ip, self.media.port
        media = Media(ip, port, self._direction, self.media.event_payload)
        return write_sdp(media, self._version)

    def _take_media(self, body: bytes) -> None:
        media = read_sdp(body)
        if media is None:
            return
        self.media.event_payload = media.event_payload
        if self.sends_rtp and not self.ended:
            self.media.start((media.ip, media.port))

    def _contact(self) -> tuple[str, str]:
        return "Contact", f"<sip:phone@{self._endpoint.ip}:{self._endpoint.port}>"

    def _message(self, method: str, cseq: int, headers: Headers = (), body: bytes = b"") -> Message:
        basic = [
            ("Max-Forwards", "70"),
            ("From", self._local),
            ("To", self._remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            self._contact(),
            _ALLOW,
        ]
        return Message(f"{method} {self._target} SIP/2.0", [*basic, *headers], body)

    def ask(self, method: str, headers: Headers = (), body: bytes = b"") -> asyncio.Future[Message]:
        """Send a request in the dialogue; the future gets its final response, or a 408."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def answered(response: Message) -> None:
            if response.status >= 200 and not future.done():
                future.set_result(response)

        def silent() -> None:
            if not future.done():
                future.set_result(Message("SIP/2.0 408 Request Timeout"))

        self._cseq += 1
        message = self._message(method, self._cseq, headers, body)
        self._endpoint.request(message, self._peer, answered, silent)
        return future

    def _acknowledge(self, response: Message) -> None:
        contact = uri_of(response.get("Contact"))
        if contact:
            self._target = contact
            self._peer = address_of(contact)
        self._endpoint.send(self._message("ACK", response.cseq), self._peer)
