"""One call of a phone, placed or received: how it begins, and what is said and heard in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from . import tones
from .behaviour import Answer, Behaviour, Ignore, NeverAnswer, Reject
from .dialogue import SDP, Dialogue
from .recording import Recording
from .sip_messages import Headers, Message, address_of, parameter, uri_of, user_of
from .sip_transport import Addr, SipEndpoint
from .tones import LOUD, WINDOW_S, Samples

T = TypeVar("T")


class Call(Dialogue):
    """A call, from its INVITE to its end and, for what was heard, beyond.

    `events` has what happened with its time: invited, trying, ringing, early_media, answered,
    cancelled, rejected, rtp_in, dtmf, refer, notified, held, resumed, reinvited, ended.
    `await wait(kind)` waits for one. `ended_by` is "us" or "them" and `ended_with` what did it:
    BYE, CANCEL, vanished, a status code.
    """

    def __init__(self, endpoint: SipEndpoint, peer: Addr, call_id: str, *, incoming: bool) -> None:
        super().__init__(endpoint, peer, call_id)
        self.incoming = incoming
        self.invite: Message | None = None
        self.status = 0
        self.digits = ""
        self.media.on_digit = self._digit
        self._branch = ""
        self._playing: asyncio.Task[None] | None = None

    @property
    def from_user(self) -> str:
        """The user or number of the calling party."""
        return user_of(uri_of(self._remote if self.incoming else self._local))

    @property
    def to_user(self) -> str:
        """The user or number of the called party."""
        return user_of(uri_of(self._local if self.incoming else self._remote))

    # What is said and heard.

    @property
    def recording(self) -> Recording:
        """What this phone heard."""
        return self.media.recording

    def tone(self, frequency: int, amplitude: float = LOUD) -> None:
        """Send a tone without end whenever nothing else is queued."""
        self.media.background(tones.tone(frequency, WINDOW_S, amplitude))

    def quiet(self) -> None:
        """Send silence again, and forget what is queued."""
        self.media.background(None)
        self.media.hush()

    def say(self, samples: Samples) -> asyncio.Future[float]:
        """Queue audio; await the result for the time at which its last packet was sent."""
        return self.media.say(samples)

    async def say_until(self, samples: Samples, answer: Awaitable[T], every: float) -> T:
        """Say something, and again as people do who get no answer, until there is one: return it.

        `every` is how many seconds of silence go by before it is said again.
        """
        waiting = asyncio.ensure_future(answer)
        try:
            while not waiting.done():
                await self.say(samples)
                await asyncio.wait({waiting}, timeout=every)
            return waiting.result()
        finally:
            waiting.cancel()

    def mute(self, muted: bool = True) -> None:
        """Send no packets at all."""
        self.media.muted = muted

    async def press(self, digits: str, seconds: float = 0.16, gap: float = 0.1) -> float:
        """Press keys (RFC 4733); returns when they and the gap after them have been sent."""
        return await self.media.press(digits, seconds, gap)

    def _digit(self, digit: str, at: float) -> None:
        self.digits += digit
        self.note("dtmf", digit, at)

    async def hears(self, frequency: int, within: float = 5.0, windows: int = 2) -> float:
        """Wait for a tone: the time at which it was first heard."""
        return await self.recording.hears(frequency, within=within, windows=windows)

    async def stops_hearing(self, frequency: int, within: float = 5.0, windows: int = 10) -> float:
        """Wait for a tone to stop (audio must keep coming): the time at which it was gone."""
        return await self.recording.stops_hearing(frequency, within=within, windows=windows)

    def save(self, path: str | Path) -> None:
        """Write what was heard as a WAV file."""
        self.recording.save(path)

    # How it ends before it begins.

    async def hang_up(self, within: float = 5.0) -> None:
        """End the call: BYE, or CANCEL of a call that has not been answered."""
        if self.ended:
            return
        if self.answered:
            await self.bye(within)
        else:
            await self.cancel(within)

    async def cancel(self, within: float = 5.0) -> None:
        """CANCEL an outgoing call; if the answer was faster, BYE."""
        if self.incoming or self.invite is None:
            raise RuntimeError("an incoming call is refused by its behaviour, not cancelled")
        await self.wait("trying", within)
        self.note("cancelled")
        keep = ("from", "to", "call-id", "max-forwards")
        headers = [(k, v) for k, v in self.invite.headers if k.lower() in keep]
        headers.append(("CSeq", f"{self.invite.cseq} CANCEL"))
        message = Message(f"CANCEL {self.invite.uri} SIP/2.0", headers)
        self._endpoint.request(message, self._peer, lambda _: None, branch=self._branch)
        await self.wait("ended", within)

    # A call that is placed.

    def place(self, uri: str, from_user: str, headers: Headers, patience: float) -> None:
        """Send the INVITE."""
        here = f"{self._endpoint.ip}:{self._endpoint.port}"
        self._local = f"<sip:{from_user}@{here}>;tag={self._tag}"
        self._remote, self._target = f"<{uri}>", uri
        message = self._message("INVITE", self._cseq, [*headers, *SDP], self._sdp())
        self.invite = message
        self.note("invited")
        self._branch = self._endpoint.request(
            message,
            self._peer,
            self._progress,
            lambda: self._refused(408, "nobody answered the INVITE"),
            patience=patience,
        )

    def _progress(self, response: Message) -> None:
        code = response.status
        if self.at("trying") is None:
            self.note("trying")
        if code >= 300:
            self._refused(code, response.reason)
        elif code >= 200:
            self._accepted(response)
        elif not self.ended:
            if code in (180, 183):
                self.note("ringing" if code == 180 else "early_media")
            self._take_media(response.body)

    def _accepted(self, response: Message) -> None:
        self._remote = response.get("To")
        self._acknowledge(response)
        if self.answered:
            return
        self.status = response.status
        self.note("answered")
        if self.at("cancelled") is not None or self.ended:
            self._spawn(self.bye())
            return
        self._take_media(response.body)

    def _refused(self, code: int, reason: str) -> None:
        if self.ended:
            return
        self.status = code
        self.note("rejected", f"{code} {reason}")
        self._over("us" if self.at("cancelled") is not None else "them", str(code))

    # A call that is received.

    def accept(self, invite: Message, behaviour: Behaviour) -> None:
        """Play a behaviour to an INVITE."""
        self.invite = invite
        self._local = f"{invite.get('To')};tag={self._tag}"
        self._remote = invite.get("From")
        self._target = uri_of(invite.get("Contact")) or uri_of(self._remote)
        self._peer = address_of(self._target)
        self.note("invited")
        self._playing = self._spawn(self._play(invite, behaviour))

    async def _play(self, invite: Message, behaviour: Behaviour) -> None:
        if isinstance(behaviour, Ignore):
            return
        self._respond(invite, 100)
        if isinstance(behaviour, Reject):
            if behaviour.after > 0:
                self._ring(invite)
                await asyncio.sleep(behaviour.after)
            self.status = behaviour.code
            self._respond(invite, behaviour.code, behaviour.reason)
            self.note("rejected", str(behaviour.code))
            self._over("us", str(behaviour.code))
            return
        if behaviour.early_media:
            if behaviour.early_tone is not None:
                self.tone(behaviour.early_tone)
            self._respond(invite, 183, body=self._sdp())
            self.note("early_media")
            self._take_media(invite.body)
        elif isinstance(behaviour, NeverAnswer) or behaviour.after > 0:
            self._ring(invite)
        if isinstance(behaviour, Answer):
            await asyncio.sleep(behaviour.after)
            self._answer(invite, behaviour)

    def _ring(self, invite: Message) -> None:
        self._respond(invite, 180)
        self.note("ringing")

    def _answer(self, invite: Message, behaviour: Answer) -> None:
        self.status = 200
        self.sends_rtp = behaviour.rtp
        if behaviour.tone is not None:
            self.tone(behaviour.tone)
        elif behaviour.early_tone is not None:
            self.quiet()
        self._respond(invite, 200, body=self._sdp())
        self.note("answered")
        self._take_media(invite.body)

    def cancelled(self, cancel: Message) -> None:
        """Take a CANCEL of the INVITE."""
        self._respond(cancel, 200)
        if self.answered or self.ended or self.invite is None:
            return
        if self._playing is not None:
            self._playing.cancel()
        self.status = 487
        self.note("cancelled")
        self._respond(self.invite, 487)
        self._over("them", "CANCEL")

    def belongs(self, message: Message) -> bool:
        if message.method == "CANCEL":
            same = self.invite is not None and self.invite.branch == message.branch
            return same and not parameter(message.get("To"), "tag")
        return super().belongs(message)
