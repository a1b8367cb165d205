"""The caller of a simulated call, and the phones that are called."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from livetransfer.control import KeyPressed, Leg, LegAnswered, LegLeft, LegReturned, LegRinging
from livetransfer.errors import DialFailed
from livetransfer.sip_status_codes import status_for_sip
from livetransfer.status import TransferStatus

from .exchange import Exchange
from .parties import (
    HangUp,
    Human,
    Press,
    Say,
    Step,
    Wait,
    WaitForBridge,
    WaitForSpeech,
    Web,
    scripts_of,
)
from .party import Party

__all__ = ["Caller", "Phone", "Ring"]


class Caller(Party):
    """The caller, or another party that is in the room when the simulation begins.

    Attributes:
        leg: Its leg; its kind is ``"web"`` for one with no telephone.
        referred_to: Where a REFER sent it, or None.
    """

    def __init__(
        self, simulation: Exchange, who: str | Web, *, other: bool = False, away: bool = False
    ) -> None:
        if isinstance(who, Web):
            self.leg = Leg(who.identity, kind="web")
            name, address = who.identity, ""
        else:
            self.leg = Leg(f"sip_{who}" if other else "caller")
            name = address = who
        pitch = 260.0 if other else 210.0
        super().__init__(simulation, name if other else "caller", address, pitch=pitch)
        self.referred_to: str | None = None
        if not away:
            simulation.joins.enter(self.leg.identity)

    @property
    def identities(self) -> list[str]:
        """The identity of its leg."""
        return [self.leg.identity]

    @property
    def talks_to_ai(self) -> bool:
        """Whether the caller's session, if there is one, both hears and speaks to the caller."""
        ear = self._simulation.ear(self.leg.identity)
        return self.on_the_line and ear is not None and ear.speaks

    def hang_up(self, reason: str = "the caller hung up") -> None:
        """Leave the call now, if the caller is there; an attached session is closed.

        For one on the web: he closes the page, or reloads it; see `comes_back`.
        """
        ear = self._simulation.caller_ear
        if self.leaves(reason) and ear is not None and self.name == "caller":
            ear.party_left()

    def comes_back(self) -> None:
        """One on the web who has left is there again, with the same identity.

        Raises:
            RuntimeError: It is a telephone, which would call anew, or has not left.
        """
        if self.leg.kind != "web":
            raise RuntimeError(
                f"{self.name} is on a telephone, which cannot come back into a call; "
                "use simulate(caller=Web())"
            )
        if self.on_the_line:
            raise RuntimeError(f"{self.name} has not left")
        self._simulation.joins.enter(self.leg.identity)
        self._simulation.emit(LegReturned(self.leg.identity))

    def leaves(self, reason: str) -> bool:
        """The leg ends; return whether it was there. The session is not told: it was hung up."""
        if not self.on_the_line:
            return False
        self._simulation.tape.leave(self.leg.identity)
        self._simulation.emit(LegLeft(self.leg.identity, reason))
        return True


@dataclass
class Ring:
    """One call to a human's phone: one INVITE, and what became of it.

    Attributes:
        leg: The leg that was dialled.
        human: The script that was followed.
        at: When the INVITE came, in seconds since the simulation began.
        ringing_at: When it began to ring, or None.
        answered_at: When it was answered, or None.
        ended_at: When it was over, or None.
        ended: How it ended, in words.
    """

    leg: Leg
    human: Human
    at: float
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    ended: str = ""
    answer: asyncio.Future[None] = field(default_factory=asyncio.Future, repr=False)
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def ringing(self) -> bool:
        """Whether it rings now."""
        return self.ringing_at is not None and self.answered_at is None and self.ended_at is None


class Phone(Party):
    """A human's phone.

    Attributes:
        rings: Every call to it, in order.
    """

    def __init__(
        self, simulation: Exchange, address: str, scripts: Human | Sequence[Human]
    ) -> None:
        super().__init__(simulation, address, address, pitch=130.0)
        self._scripts = scripts_of(address, scripts)
        self.rings: list[Ring] = []

    @property
    def scripts(self) -> Sequence[Human]:
        """What happens at each call to it; the last stands for all that follow. May be replaced."""
        return self._scripts

    @scripts.setter
    def scripts(self, scripts: Human | Sequence[Human]) -> None:
        self._scripts = scripts_of(self.address, scripts)

    @property
    def identities(self) -> list[str]:
        """The identities of all calls to this phone."""
        return [ring.leg.identity for ring in self.rings]

    @property
    def ringing(self) -> bool:
        """Whether it rings now."""
        return any(ring.ringing for ring in self.rings)

    def ring(self, leg: Leg) -> Ring:
        """An INVITE arrives.

        Raises:
            DialFailed: It is in another call.
        """
        simulation = self._simulation
        script = self.scripts[min(len(self.rings), len(self.scripts) - 1)]
        if any(ring.ended_at is None for ring in self.rings):
            raise _refused(self.address, 486, "Busy Here")
        ring = Ring(leg, script, simulation.now)
        self.rings.append(ring)
        if script.ring is None or script.ring > 0:
            ring.ringing_at = simulation.now
            simulation.emit(LegRinging(leg.identity))
        if script.ring is not None:
            ring.timer = simulation.later(script.ring, lambda: self._act(ring))
        return ring

    def _act(self, ring: Ring) -> None:
        if ring.human.code is None:
            ring.answered_at = self._simulation.now
            self._simulation.tape.arrive(ring.leg.identity)
            self._simulation.emit(LegAnswered(ring.leg.identity))
            ring.task = self._simulation.spawn(self._follow(ring))
            if not ring.answer.done():
                ring.answer.set_result(None)
        else:
            self.end(ring, "refused", code=ring.human.code, phrase=ring.human.reason)

    def end(self, ring: Ring, how: str, *, code: int = 487, phrase: str = "") -> None:
        """End one call to this phone; nothing happens if it is over."""
        if ring.ended_at is not None:
            return
        simulation = self._simulation
        ring.ended_at, ring.ended = simulation.now, how
        if ring.timer is not None:
            ring.timer.cancel()
        if ring.answered_at is None:
            if not ring.answer.done():
                ring.answer.set_exception(_refused(self.address, code, phrase))
                ring.answer.exception()  # it may be that nobody waits for it any more
            return
        simulation.tape.leave(ring.leg.identity)
        simulation.emit(LegLeft(ring.leg.identity, how))
        if ring.task is not None and ring.task is not asyncio.current_task():
            ring.task.cancel()

    def hang_up(self, reason: str = "the human hung up") -> None:
        """The human hangs up now, or refuses (603) while it rings."""
        for ring in self.rings:
            self.end(ring, reason, code=603, phrase="Decline")

    async def _follow(self, ring: Ring) -> None:
        for step in ring.human.script:
            await self._do(ring, step)
            if ring.ended_at is not None:
                return

    async def _do(self, ring: Ring, step: Step) -> None:
        identity = ring.leg.identity
        if isinstance(step, Say):
            await self._utter(identity, step)
        elif isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Press):
            for i, digit in enumerate(step.digits):
                if i:
                    await asyncio.sleep(0.1)
                self._simulation.emit(KeyPressed(identity, digit))
        elif isinstance(step, WaitForSpeech):
            await self._listen(identity, step)
        elif isinstance(step, WaitForBridge):
            await self._simulation.joins.joined(identity)
        elif isinstance(step, HangUp):
            self.end(ring, "the human hung up")

    async def _listen(self, identity: str, step: WaitForSpeech) -> None:
        tape, answered = self._simulation.tape, self._simulation.now
        deadline = answered + step.timeout
        while True:
            now = self._simulation.now
            until = tape.busy_until(identity)
            if until is None or until <= answered:
                if now >= deadline:
                    return
                event = tape.sounded(identity)
                event.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(event.wait(), deadline - now)
            elif now - until >= step.pause - 1e-9:
                return
            else:
                await asyncio.sleep(until + step.pause - now)


def _refused(address: str, code: int, phrase: str) -> DialFailed:
    if code == 0:
        return DialFailed(f"the call to {address} was lost", status=TransferStatus.FAILED)
    return DialFailed(
        f"{address} answered {code} {phrase}".rstrip(),
        status=status_for_sip(code),
        sip_code=code,
        sip_reason=phrase or None,
    )
