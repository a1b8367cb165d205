"""The cold protocol: send the caller on by SIP REFER, or dial the destination and bridge."""

from __future__ import annotations

import contextlib
import logging
from functools import partial

from livetransfer.answering import AnswerDetector
from livetransfer.control import BridgeMode
from livetransfer.errors import CallControlError, ConfigurationError, ReferFailed
from livetransfer.phases import Phase
from livetransfer.privacy import Privacy
from livetransfer.status import TransferStatus

from .attempt import LiveAttempt
from .dial_refer_bridge import bridge, dial, refer
from .endings import AttemptOver
from .leg import HumanLeg
from .refer_address import Ways
from .ring_group import RingGroup
from .screen_pop import ScreenPop
from .who_answered_cold import check_answer

__all__ = ["NO_PHONE", "ColdProtocol"]

logger = logging.getLogger("livetransfer")

NO_PHONE = "the caller is not on a telephone, and only a telephone can be referred"


class ColdProtocol:
    """Refers the caller, or dials and bridges; all state is that of one run.

    Args:
        ways: The ways in which somebody is reached.
        play_dialtone: Whether a dial tone is played while a REFER is under way.
        privacy: What a PBX may be told of the caller.
        talking: Whether the AI has gone on talking with a caller who is not on hold.
        detector: Finds out what has answered, before it is joined with the caller; None: whoever
            answers is joined at once.
    """

    def __init__(
        self,
        ways: Ways,
        *,
        play_dialtone: bool,
        privacy: Privacy,
        talking: bool = False,
        detector: AnswerDetector | None = None,
    ) -> None:
        self._detector = detector
        self._ways, self._play_dialtone, self._talking = ways, play_dialtone, talking
        self._screen_pop = ScreenPop(privacy)

    def prepare(self, attempt: LiveAttempt) -> None:
        """Write the summary that goes with the call, where one does."""
        self._screen_pop.begin(attempt)

    async def attempt(self, attempt: LiveAttempt) -> BridgeMode | None:
        """Refer the caller to one destination, or dial the phones of the offer and bridge one."""
        call = attempt.call
        self._screen_pop.begin(attempt)
        plan = self._plan(attempt)
        if plan[0] == "refer":
            try:
                await self._refer(attempt)
            except ReferFailed as error:
                if len(plan) == 1 or error.indeterminate or error.target_reached:
                    raise AttemptOver.by(error) from error
                logger.info("the REFER was refused; the destination is dialled instead")
                self._check(attempt, error)
            except CallControlError as error:
                raise AttemptOver.by(error) from error
            else:
                return None
        call.holding()
        await self._hold(attempt)
        human = await RingGroup(attempt).race(partial(self._dial, attempt))
        return await bridge(attempt, human)

    async def _hold(self, attempt: LiveAttempt, *, music: bool = True) -> None:
        call = attempt.call
        if self._talking and not call.on_hold:
            await attempt.guard(call.hold_when_quiet())
        await attempt.guard(call.hold(music=music))

    async def _dial(self, attempt: LiveAttempt, human: HumanLeg) -> None:
        await self._screen_pop.ready(attempt, human.destination, human)
        await dial(attempt, human)
        await check_answer(attempt, human, self._detector)

    def _plan(self, attempt: LiveAttempt) -> tuple[str, ...]:
        if len(attempt.offer.destinations) > 1:
            return ("dial",)  # the caller can be referred to one only
        plan = self._ways.plan(attempt.destination)
        if attempt.call.control.caller.kind != "web" or plan[0] != "refer":
            return plan
        if len(plan) == 1:
            raise AttemptOver(TransferStatus.FAILED, NO_PHONE)
        return plan[1:]

    async def _refer(self, attempt: LiveAttempt) -> None:
        call, destination = attempt.call, attempt.destination
        address = self._ways.refer_address(destination)
        assert address is not None
        if self._talking:
            call.holding()
        call.phases.move(Phase.REFERRING)
        # Not over the music that plays since an attempt before.
        dialtone = self._play_dialtone and call.hold_line.handle is None
        await self._hold(attempt, music=not dialtone)
        await self._screen_pop.ready(attempt, destination)
        try:
            referred = await refer(
                attempt,
                address,
                headers=call.completed(destination).headers,
                timeout=destination.ring_timeout or attempt.ring_timeout,
                play_dialtone=dialtone,
            )
            attempt.confirmed = referred.confirmed
        except (AttemptOver, CallControlError):
            # Where a dial tone has ended, music plays until there is a voice. That the time on hold
            # is over says nothing of what became of the REFER.
            with contextlib.suppress(AttemptOver):
                await attempt.guard(call.hold())
            raise

    @staticmethod
    def _check(attempt: LiveAttempt, refused: ReferFailed) -> None:
        try:
            attempt.call.control.check(attempt.destination)
        except ConfigurationError as error:
            raise AttemptOver(
                refused.status,
                f"{refused}; it cannot be dialled instead: {error}",
                sip_code=refused.sip_code,
                sip_reason=refused.sip_reason,
            ) from error
