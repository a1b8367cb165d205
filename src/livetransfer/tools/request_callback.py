"""request_callback: the step in which the AI agrees on a callback, begun by the model itself."""

from __future__ import annotations

import logging
from typing import Any

from livekit.agents import RunContext, ToolError

from livetransfer._flow.choose_control import Bridge, connect
from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask
from livetransfer.briefing.summary import plain_summary
from livetransfer.fallback import OfferCallback
from livetransfer.instead.callback_step import confirm_number, promised
from livetransfer.instead.facts import Facts
from livetransfer.instead.step import Step
from livetransfer.instead.tools import tools_for
from livetransfer.privacy import Privacy
from livetransfer.privacy.conversation import filtered

__all__ = ["CANNOT", "CallbackRequests", "NoCallbackHere"]

logger = logging.getLogger("livetransfer")

LOOK_LIMIT = 5.0
"""Seconds that it may take to see who is calling."""

CANNOT = "A callback cannot be agreed on in this call; nothing was promised."


class NoCallbackHere(ToolError):
    """No callback can be agreed on in this call."""

    def __init__(self) -> None:
        super().__init__(CANNOT)


class CallbackRequests:
    """Begins the step that `OfferCallback` begins after a transfer, where none was tried.

    Args:
        offer: What is offered.
        privacy: What may be told of the caller.
        caller: The identity of the caller, where it cannot be found by itself.
        bridge: As the transfers have it.
        trunk_id: As the transfers have it.
    """

    def __init__(
        self,
        offer: OfferCallback,
        *,
        privacy: Privacy,
        caller: str | None,
        bridge: Bridge,
        trunk_id: str | None,
    ) -> None:
        self.offer, self._privacy = offer, privacy
        self._caller, self._bridge, self._trunk_id = caller, bridge, trunk_id

    async def begin(self, context: RunContext[Any], department: str) -> str:
        """Give the AI the tools for it, and read the caller's number back; return what it is told.

        In a call that was promised a callback already, that is what it is told.

        Raises:
            NoCallbackHere: It cannot be agreed on.
            ToolError: The caller has to say a number.
        """
        session = context.session
        if (already := promised(session)) is not None:
            return already
        try:
            facts: Facts = await ask("caller", lambda: self._facts(context, department), LOOK_LIMIT)
        except CodeFailed as failed:
            logger.warning("a callback cannot be agreed on", **logged(failed))
            raise NoCallbackHere from failed
        step = Step(session, self.offer, facts)
        if not await step.open(tools_for(self.offer)):
            raise NoCallbackHere
        return confirm_number(step, "", confirmed=False, turn=context.speech_handle)

    async def _facts(self, context: RunContext[Any], department: str) -> Facts:
        session = context.session
        control = await connect(
            session, caller=self._caller, bridge=self._bridge, trunk_id=self._trunk_id
        )
        try:
            return Facts(
                call=control.name,
                privacy=self._privacy,
                call_id=control.call_id(control.caller),
                number=control.caller_number,
                department=department,
                summary=plain_summary(filtered(session.history, self._privacy)) or None,
            )
        finally:
            await control.aclose()
