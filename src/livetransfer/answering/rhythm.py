"""Rhythm: when somebody speaks, for how long without a pause, and how long it has been quiet."""

from __future__ import annotations

from collections import deque

from .spectrum import HOP_SECONDS, Hop

__all__ = ["Rhythm"]

FAINTEST = -45.0
"""dBFS below which nothing is taken for speech."""

ABOVE_NOISE = 7.0
"""dB by which speech is louder than what lies beneath it."""

MEMORY = 150
"""Hops (3 s) over which the noise is looked for."""

PAUSE = 0.45
"""Seconds of quiet that end a stretch of speech; between two words there is less."""

TURN = 1.2
"""Seconds of quiet that end a turn: who waits that long waits for us."""

SHORTEST = 0.12
"""Seconds of sound that are taken for a voice; a click is shorter."""

STEADY = 6.0
"""Hz by which the pitch of a note that is held may move in 20 ms; a voice's moves more."""

MUSIC = 0.6
"""The share of sounding hops with a held pitch from which on it is music."""


class Rhythm:
    """Follows the speech of one leg.

    Attributes:
        stretch: Seconds of the present or latest stretch, from its begin to its last sound.
        turn: The same of the present or latest turn.
        voiced: Seconds of sound in the latest stretch.
        turns: How many turns have begun.
        last: Seconds since the answer at which a voice was heard last; negative if never.
        spoken: Seconds of speech so far.
    """

    def __init__(self) -> None:
        self.stretch = self.turn = self.voiced = self.spoken = 0.0
        self.turns = 0
        self.last = -1.0
        self._levels: deque[float] = deque(maxlen=MEMORY)
        self._held: deque[bool] = deque(maxlen=MEMORY)
        self._threshold = FAINTEST
        self._pitch = 0.0
        self._sound = 0.0
        self._begin = self._turn_begin = 0.0
        self._quiet_since = 0.0

    def settle(self) -> None:
        """Look for the noise again; called for each block."""
        if self._levels:
            ordered = sorted(self._levels)
            self._threshold = max(FAINTEST, ordered[len(ordered) // 10] + ABOVE_NOISE)

    def push(self, at: float, hop: Hop, tone: bool) -> None:
        """Take the hop that ends at `at`; `tone`: it belongs to a tone, which is no speech."""
        self._levels.append(hop.level)
        held = abs(hop.pitch - self._pitch) <= STEADY
        self._pitch = hop.pitch
        if tone or hop.level <= self._threshold:
            if self._sound < SHORTEST and at - self._quiet_since > 0.1:
                self._sound = 0.0
            return
        self._held.append(held)
        if at - self._quiet_since > PAUSE:
            self._sound = 0.0
            self._begin = at - HOP_SECONDS
        self._quiet_since = at
        self._sound += HOP_SECONDS
        if self._sound < SHORTEST:
            return
        if self.last < 0 or self._begin - self.last > TURN:
            self.turns += 1
            self._turn_begin = self._begin
        self.spoken += HOP_SECONDS
        self.voiced = self._sound
        self.last = at
        self.stretch = at - self._begin
        self.turn = at - self._turn_begin

    def quiet(self, now: float) -> float:
        """Return for how many seconds no voice was heard."""
        return now - self.last if self.last >= 0 else now

    @property
    def music(self) -> bool:
        """Whether what sounds holds its notes, and is no speech."""
        return len(self._held) >= 40 and sum(self._held) > MUSIC * len(self._held)
