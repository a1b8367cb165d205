"""A phone's audio path: one UDP socket that sends 20 ms of PCMU on the beat and records the rest.

Packets are sent on an absolute schedule: a late beat is followed by the ones it delayed, so the
stream neither drifts nor stretches on a busy machine. Arrival times are the kernel's where it
gives them, so a busy event loop does not shift what was heard.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from . import tones
from .recording import Recording
from .tones import WINDOW, WINDOW_S, Samples

Addr = tuple[str, int]

PCMU = 0
EVENT = 101
DIGITS = "0123456789*#ABCD"
_SO_TIMESTAMPNS = 35
_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")


def _decode_table() -> Samples:
    code = ~np.arange(256, dtype=np.uint8)
    exponent = ((code >> 4) & 7).astype(np.int32)
    mantissa = (code & 15).astype(np.int32)
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _encode_table() -> npt.NDArray[np.uint8]:
    values = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    sign = np.where(values < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(values), 32635) + 0x84
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    code: npt.NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return code


_DECODE = _decode_table()
_ENCODE = _encode_table()


def encode(samples: Samples) -> bytes:
    """16-bit samples to mu-law."""
    return _ENCODE[np.ascontiguousarray(samples, dtype=np.int16).view(np.uint16)].tobytes()


def decode(payload: bytes) -> Samples:
    """Mu-law to 16-bit samples."""
    return _DECODE[np.frombuffer(payload, dtype=np.uint8)]


_SILENCE = encode(tones.silence(WINDOW_S))


class RtpStream:
    """Sends and receives for one call, from `start()` to `close()`."""

    def __init__(self, ip: str, on_first: Callable[[float], None] | None = None) -> None:
        self.recording = Recording()
        self.remote: Addr | None = None
        self.event_payload = EVENT
        self.sent = 0
        self.late_worst = 0.0
        self.muted = False
        self.on_digit: Callable[[str, float], None] | None = None
        self._on_first = on_first
        self._background = _SILENCE
        self._queue: deque[tuple[bytes, asyncio.Future[float] | None]] = deque()
        self._keys: deque[tuple[int, int, int] | asyncio.Future[float] | None] = deque()
        self._key_timestamp = 0
        self._last_key: int | None = None
        self._seen: deque[int] = deque(maxlen=64)
        self._source: int | None = None
        self._ssrc = random.getrandbits(32)
        self._sequence = random.getrandbits(15)
        self._timestamp = random.getrandbits(31)
        self._marker = True
        self._next = 0.0
        self._beat: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if sys.platform.startswith("linux"):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((ip, 0))
        self.port: int = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket.fileno(), self._readable)

    # What is sent.

    def start(self, remote: Addr) -> None:
        """Send to `remote` from now on; a second call only redirects."""
        self.remote = remote
        if self._beat is None and self._socket.fileno() >= 0:
            self._next = time.monotonic()
            self._tick()

    def background(self, samples: Samples | None) -> None:
        """What is repeated whenever nothing else is to be sent: one window, or silence."""
        self._background = _SILENCE if samples is None else encode(samples[:WINDOW])

    def say(self, samples: Samples) -> asyncio.Future[float]:
        """Queue samples; the future gives the time at which the last of them was sent."""
        done: asyncio.Future[float] = self._loop.create_future()
        payload = encode(samples)
        chunks = [payload[i : i + WINDOW] for i in range(0, len(payload), WINDOW)] or [_SILENCE]
        chunks[-1] = chunks[-1].ljust(WINDOW, b"\xff")
        self._queue.extend((chunk, None) for chunk in chunks[:-1])
        self._queue.append((chunks[-1], done))
        return done

    def hush(self) -> None:
        """Forget what is queued."""
        for entry in (*(done for _, done in self._queue), *self._keys):
            if isinstance(entry, asyncio.Future):
                entry.cancel()
        self._queue.clear()
        self._keys.clear()

    def press(self, digits: str, seconds: float, gap: float) -> asyncio.Future[float]:
        """Queue telephone-events, each `seconds` long, with `gap` seconds of silence after each.

        The future gives the time at which the last of it was sent.
        """
        beats = max(1, round(seconds / WINDOW_S))
        for digit in digits.upper():
            event = DIGITS.index(digit)
            self._keys.extend((event, beat, beats) for beat in range(beats))
            self._keys.extend([None] * max(1, round(gap / WINDOW_S)))
        done: asyncio.Future[float] = self._loop.create_future()
        self._keys.append(done)
        return done

    def _tick(self) -> None:
        now = time.monotonic()
        self.late_worst = max(self.late_worst, now - self._next)
        while self._next <= now + 0.0005:
            self._send_window()
            self._next += WINDOW_S
            self._timestamp = (self._timestamp + WINDOW) & 0xFFFFFFFF
        self._beat = self._loop.call_at(self._next, self._tick)

    def _send_window(self) -> None:
        payload, done = self._background, None
        if self._keys:
            key = self._keys.popleft()
            if isinstance(key, tuple):
                self._send_key(*key)
                return
            payload, done = _SILENCE, key
        elif self._queue:
            payload, done = self._queue.popleft()
        if not self.muted:
            self._send(PCMU, self._marker, self._timestamp, payload)
            self._marker = False
        if done is not None and not done.done():
            done.set_result(time.monotonic())

    def _send_key(self, event: int, beat: int, beats: int) -> None:
        if beat == 0:
            self._key_timestamp = self._timestamp
        last = beat == beats - 1
        payload = _EVENT.pack(event, (0x80 if last else 0) | 10, (beat + 1) * WINDOW)
        for _ in range(3 if last else 1):
            self._send(self.event_payload, beat == 0, self._key_timestamp, payload)

    def _send(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> None:
        if self.remote is None:
            return
        kind = payload_type | (0x80 if marker else 0)
        header = _HEADER.pack(0x80, kind, self._sequence, timestamp, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        try:
            self._socket.sendto(header + payload, self.remote)
            self.sent += 1
        except OSError:
            pass  # refused or full: a lost packet, as on any network

    # What is received.

    def _readable(self) -> None:
        skew = time.monotonic() - time.time()
        for _ in range(64):
            try:
                packet, ancillary, _, _ = self._socket.recvmsg(2048, 64)
            except OSError:
                return
            arrived = time.monotonic()
            for _level, kind, data in ancillary:
                if kind == _SO_TIMESTAMPNS and len(data) >= 16:
                    seconds, nanoseconds = struct.unpack("qq", data[:16])
                    arrived = min(arrived, seconds + nanoseconds * 1e-9 + skew)
            self._received(packet, arrived)

    def _received(self, packet: bytes, arrived: float) -> None:
        if len(packet) < 12 or packet[0] >> 6 != 2:
            return
        first, kind, sequence, timestamp, source = _HEADER.unpack_from(packet)
        payload = packet[12 + 4 * (first & 15) :]
        if source != self._source:
            self._source = source
            self._seen.clear()
            self.recording.new_source()
        if sequence in self._seen:
            return
        self._seen.append(sequence)
        kind &= 0x7F
        if kind == PCMU and payload:
            begun = self.recording.first_at is not None
            self.recording.add(arrived, timestamp, decode(payload))
            if not begun and self._on_first is not None:
                self._on_first(arrived)
        elif kind == self.event_payload and len(payload) >= 4 and timestamp != self._last_key:
            self._last_key = timestamp
            event = payload[0]
            if self.on_digit is not None and event < len(DIGITS):
                self.on_digit(DIGITS[event], arrived)

    def stop_sending(self) -> None:
        """Send nothing more; what still arrives is recorded until `close`."""
        if self._beat is not None:
            self._beat.cancel()
        self._beat = None
        self.remote = None
        self.hush()

    def close(self) -> None:
        """Give the port back."""
        self.stop_sending()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
