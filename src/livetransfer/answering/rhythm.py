"""Rhythm: when somebody speaks, for how long without a pause, and how long it has been quiet."""

from __future__ import annotations

from collections import deque

from .spectrum import HOP_SECONDS, Hop

__all__ = ["Rhythm"]

FAINTEST = -45.0
"""dBFS below which nothing is taken for speech."""

ABOVE_NOISE = 7.0
"""dB by which speech is louder than what lies beneath it."""

MEMORY = 250
"""Hops (5 s) over which the noise is looked for."""

LOST = -75.0
"""dBFS below which there was no packet."""

PAUSE = 0.45
"""Seconds of quiet that end a stretch of speech; between two words there is less."""

TURN = 1.1
"""Seconds of quiet that end a turn: who waits that long waits for us."""

SHORTEST = 0.12
"""Seconds of sound that are taken for a voice; a click is shorter."""

HELD = 6.0
"""Hz by which the pitch of a note that is held may move in 20 ms; a voice's moves more."""

WINDOW = 100
"""Hops (2 s) over which voice and music are told apart."""

DYNAMIC = 13.0
"""dB between the loud and the quiet moments of 2 s of speech, at least: it pauses within words.
Music and noise have less."""

MUSIC = 0.66
"""The share of hops with a held pitch from which on it is music, where it has not much dynamic."""

MUSIC_DYNAMIC = 18.0


class Rhythm:
    """Follows the speech of one leg.

    Attributes:
        stretch: Seconds of the present or latest stretch, from its begin to its last sound.
        turn: The same of the present or latest turn.
        voiced: Seconds of sound in the latest stretch.
        turns: How many turns have begun.
        turn_begin: When the latest did, in seconds since the answer; 0 without one.
        last: Seconds since the answer at which a voice was heard last; negative if never.
        spoken: Seconds of speech so far.
        threshold: dBFS above which something sounds.
        music: Whether what sounds is music or noise, and no speech.
    """

    def __init__(self) -> None:
        self.stretch = self.turn = self.voiced = self.spoken = 0.0
        self.turns = 0
        self.last = -1.0
        self._levels: deque[float] = deque(maxlen=MEMORY)
        self._held: deque[bool] = deque(maxlen=WINDOW)
        self.threshold = FAINTEST
        self.music = False
        self._pitch = 0.0
        self._sound = 0.0
        self._begin = self.turn_begin = 0.0
        self._sounded = self._gap = 0.0
        self._blocks = self._musical = 0
        self._above = False

    def settle(self) -> None:
        """Look for the noise again, and whether it is a voice that sounds; for each block."""
        if not self._levels:
            return
        # A lost packet is no silence of the line.
        sounded = [level for level in self._levels if level > LOST] or list(self._levels)
        ordered = sorted(sounded)
        noise, loud = ordered[len(ordered) // 25], ordered[-1 - len(ordered) // 25]
        # Speech that is not much louder than what lies beneath it: a finer line.
        above = min(ABOVE_NOISE, max(4.0, 0.33 * (loud - noise)))
        self.threshold = max(FAINTEST, noise + above)
        latest = sorted(sounded[-WINDOW:])
        dynamic = latest[-1 - len(latest) // 20] - latest[len(latest) // 20]
        held = sum(self._held) > MUSIC * len(self._held)
        self.music = dynamic < DYNAMIC or (held and dynamic < MUSIC_DYNAMIC)
        self._blocks += 1
        self._musical += self.music

    def push(self, at: float, hop: Hop, tone: bool) -> None:
        """Take the hop that ends at `at`; `tone`: it belongs to a tone, which is no speech."""
        self._levels.append(hop.level)
        self._held.append(abs(hop.pitch - self._pitch) <= HELD)
        self._pitch = hop.pitch
        above = hop.level > self.threshold
        twice, self._above = above and self._above, above
        if not twice:  # one hop alone is the noise
            if self._sound < SHORTEST:
                self._sound = max(0.0, self._sound - HOP_SECONDS / 4)
            return
        gap = at - self._sounded
        self._gap = max(self._gap, gap)
        self._sounded = at
        if gap > PAUSE:
            self._sound = 0.0
            self._blocks = self._musical = 0
            self._begin = at - HOP_SECONDS
        if tone:
            return
        self._sound += HOP_SECONDS
        if self._sound < SHORTEST:
            return
        if self.last < 0 or self._gap > TURN:
            self.turns += 1
            self.turn_begin = self._begin
        self._gap = 0.0
        self.spoken += HOP_SECONDS
        self.voiced = self._sound
        self.last = at
        self.stretch = at - self._begin
        self.turn = at - self.turn_begin

    @property
    def musical(self) -> bool:
        """Whether the present stretch was music, for a good part of it."""
        return self._musical > 0.25 * self._blocks

    def quiet(self, now: float) -> float:
        """Return for how many seconds nothing was heard."""
        return now - self._sounded
