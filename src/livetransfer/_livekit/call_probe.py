"""Call probe: one real call, with a sentence, a key and figures; and whether a REFER is taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from livekit import rtc

from livetransfer.control import ControlEvent, KeyPressed, LegAnswered, LegLeft, LegRinging
from livetransfer.destination import Destination
from livetransfer.errors import CallControlError, ConfigurationError, ReferFailed
from livetransfer.finding import Finding, failed, not_checked, ok, warning

from .room_audio import RoomAudio
from .server_checks import NOBODY, Access, bounded, leave, said
from .signalling.dial import Dial, hang_up
from .signalling.dial_request import complete, dial_request
from .signalling.refer_request import refer
from .signalling.room_events import RoomEvents
from .signalling.server_api import Wire
from .tasks import Tasks

__all__ = ["Sentence", "probe_call", "probe_refer"]

PHONE = "livetransfer-doctor-phone"
RING = 45.0
"""Seconds that the phone may ring."""
KEY_WITHIN = 20.0
"""Seconds, after the sentence, in which a key has to be pressed."""
REFER_WITHIN = 20.0
LOOK_EVERY = 0.03
SLOW = 1.0
"""Seconds after the answer from which a person says hello twice."""


@dataclass(frozen=True)
class Sentence:
    """What the phone hears.

    Attributes:
        samples: int16, mono, as bytes.
        rate: In Hz.
    """

    samples: bytes
    rate: int

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.samples) / 2 / self.rate

    def pieces(self) -> Iterator[bytes]:
        """Return it in pieces of 0.1 s."""
        size = self.rate // 10 * 2
        return (self.samples[at : at + size] for at in range(0, len(self.samples), size))


class _Call:
    """One call to a phone, from a room of its own."""

    def __init__(self, access: Access, room_name: str, destination: Destination) -> None:
        self._wire: Wire = access.wire(room_name)
        self._trunk_id = access.trunk_id
        self._destination = destination
        self._tasks = Tasks()
        self._at: dict[str, float] = {}
        self._key: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.room = rtc.Room()
        self.events = RoomEvents(self.room, self._wire)
        self._unsubscribe: Callable[[], None] = self.events.subscribe(self._on_event)
        self.room.on("track_subscribed", self._on_track)

    async def dial(self) -> None:
        """Ring the phone until it is answered.

        Raises:
            CallControlError: It was not.
            ConfigurationError: There is no way to dial it.
        """
        request = dial_request(self._destination, self._trunk_id)
        # The server keeps an empty room for that long, should this process die.
        await bounded(self._wire.create_room(NOBODY, empty_timeout=10))
        await asyncio.wait_for(self.room.connect(self._wire.url, self._wire.token(NOBODY)), 10.0)
        complete(
            request,
            room_name=self._wire.room_name,
            identity=PHONE,
            ring_timeout=RING,
            attributes={},
        )
        self._at["dial"] = time.monotonic()
        dial = Dial(
            self._wire,
            self.events,
            self._tasks,
            request,
            ring_timeout=RING,
            on_answer=lambda: self._note("answered"),
        )
        await dial.run()
        self._note("answered")

    async def talk(self, sentence: Sentence) -> list[Finding]:
        """Play the sentence and wait for a key; return the figures."""
        sink = await RoomAudio.open(self.room, [PHONE], "doctor")
        try:
            await sink.ready()
            self._note("spoken to")
            for piece in sentence.pieces():
                if self._key.done():
                    break
                await sink.write(rtc.AudioFrame(piece, sentence.rate, 1, len(piece) // 2))
            await asyncio.wait([self._key], timeout=KEY_WITHIN)
        finally:
            await sink.aclose()
        return self._figures(sentence)

    def _figures(self, sentence: Sentence) -> list[Finding]:
        rang = self._since("dial", "ringing")
        up = self._since("dial", "answered")
        first = self._since("answered", "heard")
        spoken = self._since("answered", "spoken to")
        ringing = "no ringing was told" if rang is None else f"rang after {rang:.2f} s"
        found = [ok("call", f"{ringing}, answered after {up:.2f} s")]
        if first is None:
            found.append(
                failed(
                    "call audio",
                    "nothing was heard of the phone",
                    "open livekit-sip's rtp_port range for UDP, and let it tell the address that "
                    "the trunk can send to (nat_1_to_1_ip, use_external_ip)",
                )
            )
        else:
            detail = f"heard {_delay(first)}, spoken to {_delay(spoken)}"
            slow = max(first, spoken or 0.0) > SLOW
            found.append((warning if slow else ok)("call audio", detail))
        key = self._since("spoken to", "key")
        if key is None:
            found.append(
                failed(
                    "call key",
                    "no key came",
                    "if one was pressed: the trunk has to send telephone-event (RFC 4733)",
                )
            )
        else:
            after = key - sentence.seconds
            found.append(
                ok(
                    "call key",
                    f"the key {self._key.result()}, {abs(after):.1f} s "
                    f"{'after the sentence' if after > 0 else 'before its end'}",
                )
            )
        return found

    async def refer(self, address: str) -> None:
        """Send the phone to `address`.

        Raises:
            ReferFailed: It was refused, or it failed.
        """
        await refer(
            self._wire,
            self.events,
            self._tasks,
            PHONE,
            address,
            headers={},
            timeout=REFER_WITHIN,
            play_dialtone=False,
        )

    async def aclose(self) -> None:
        """Hang up, and delete the room."""
        try:
            await hang_up(self._wire, PHONE, None, 3.0)
            await asyncio.wait_for(self.room.disconnect(), 5.0)
        except Exception:
            pass  # the room is deleted, which ends all of it
        finally:
            self._unsubscribe()
            self.events.close()
            await self._tasks.aclose(0.0)
            await leave(self._wire)

    def _on_event(self, event: ControlEvent) -> None:
        if isinstance(event, LegRinging):
            self._note("ringing")
        elif isinstance(event, LegAnswered):
            self._note("answered")
        elif isinstance(event, KeyPressed) and not self._key.done():
            self._note("key")
            self._key.set_result(event.digit)
        elif isinstance(event, LegLeft) and not self._key.done():
            self._key.cancel()

    def _on_track(self, track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == PHONE:
            self._tasks.start(self._listen(track), "doctor-listen")

    async def _listen(self, track: rtc.Track) -> None:
        # A stream of the track gives silence from the beginning, whether the phone sends or not.
        while True:
            if any(_received(stats) for stats in await track.get_stats()):
                self._note("heard")
                return
            await asyncio.sleep(LOOK_EVERY)

    def _note(self, what: str) -> None:
        self._at.setdefault(what, time.monotonic())

    def _since(self, start: str, end: str) -> float | None:
        if start not in self._at or end not in self._at:
            return None
        return max(0.0, self._at[end] - self._at[start])


def _received(stats: Any) -> bool:
    """Whether a packet of the phone has come."""
    return bool(stats.HasField("inbound_rtp") and stats.inbound_rtp.received.packets_received > 0)


def _delay(seconds: float | None) -> str:
    return "at an unknown time" if seconds is None else f"{seconds:.2f} s after the answer"


async def probe_call(
    access: Access, room_name: str, destination: Destination, sentence: Sentence
) -> list[Finding]:
    """Dial `destination`, say `sentence`, wait for a key, and hang up.

    On cancellation the phone stops ringing.
    """
    call = _Call(access, room_name, destination)
    try:
        try:
            await call.dial()
        except (CallControlError, ConfigurationError) as error:
            return [_no_call(error)]
        except Exception as error:
            return [failed("call", f"no call was made: {said(error)}", "see the server's log")]
        return await call.talk(sentence)
    finally:
        await asyncio.shield(call.aclose())


def _no_call(error: CallControlError | ConfigurationError) -> Finding:
    if isinstance(error, ConfigurationError):
        return failed("call", str(error), "set LIVEKIT_SIP_OUTBOUND_TRUNK, or give --trunk")
    if error.sip_code is None:
        remedy = "see whether livekit-sip runs, with this server's redis, and its log"
    elif error.sip_code in (401, 403, 407):
        remedy = "the trunk's user name, password, or the number that is shown (caller_id)"
    else:
        remedy = "the number, and the trunk's log at the carrier"
    return failed("call", str(error), remedy)


async def probe_refer(
    access: Access, room_name: str, destination: Destination, to: str, scheme: str
) -> Finding:
    """Dial `destination`, and once it is answered send it to `to` by REFER.

    Args:
        access: The server.
        room_name: Of a throw-away room.
        destination: Whom to dial.
        to: The whole address: ``tel:...`` or ``sip:...``.
        scheme: What the finding calls it.
    """
    name = f"REFER {scheme}"
    call = _Call(access, room_name, destination)
    try:
        await call.dial()
        await call.refer(to)
    except ReferFailed as error:
        if error.target_reached:
            return ok(name, f"the trunk takes it; the target answered {error.sip_code}")
        if error.indeterminate:
            return not_checked(name, f"the trunk did not say how it ended: {error}")
        return failed(
            name,
            str(error),
            "let the carrier switch call transfer (SIP REFER) on, or use method='dial'",
        )
    except (CallControlError, ConfigurationError) as error:
        return not_checked(name, f"the phone was not reached: {error}")
    except Exception as error:
        return not_checked(name, f"no call was made: {said(error)}")
    finally:
        await asyncio.shield(call.aclose())
    return ok(name, "the trunk took it, and the target was reached")
