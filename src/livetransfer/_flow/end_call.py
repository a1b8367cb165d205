"""A model's `end_call` beside a transfer: it may not end the call of the two who talk.

livekit-agents' EndCallTool adds a listener to the session's close, which deletes the room and shuts
the job down. A model calls it in one turn with the transfer, in either order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from livekit.agents import CloseEvent, FunctionToolsExecutedEvent
from livekit.agents.beta.tools import EndCallTool

from .caller_session import CallerSession

__all__ = ["EndCalls"]

from livetransfer._logged import logged

logger = logging.getLogger("livetransfer")

GOES_ON = "The call goes on between the caller and the person, without you."
"""What a model's `end_call` answers to while the caller talks with a person."""

NOT_ENDED = "The call was not ended: the transfer did not work, and the caller is with you."
"""What it answers to where the transfer of the same turn has failed."""

Listener = Callable[[Any], object]


class EndCalls:
    """Takes what `end_call` has put on a session off, while its caller talks with a person.

    Args:
        session: The caller's session.
    """

    def __init__(self, session: CallerSession) -> None:
        self._caller, self._session = session, session.session
        self._taken: list[Listener] = []
        self._closed: CloseEvent | None = None
        self._watching = False

    def hold_off(self) -> None:
        """From now on no `end_call` ends the call, until `let_go`."""
        if self._watching:
            return
        self._watching = True
        self._take_off()
        self._session.on("function_tools_executed", self._on_tools)
        self._session.on("close", self._on_close)

    def let_go(self, *, ended: bool) -> None:
        """The call between the two is over.

        Args:
            ended: Whether the whole call is, so that what `end_call` had asked for is done now.
        """
        if not self._watching:
            return
        self._watching = False
        self._session.off("function_tools_executed", self._on_tools)
        self._session.off("close", self._on_close)
        taken, self._taken = self._taken, []
        if not ended:
            return  # the AI has the caller again, and may end the call anew
        for listener in taken:
            if self._closed is None:
                self._session.once("close", listener)
                continue
            try:
                listener(self._closed)
            except Exception:
                logger.warning("what end_call had asked for could not be done", **logged())

    def call_off(self) -> None:
        """A transfer has failed: an `end_call` of the turn that made it does not end the call.

        The model has called it for a call that is with somebody else; the caller is with the AI.
        """
        session, turn = self._session, self._caller.turn
        if turn is None:
            return

        def take_off() -> None:
            for done in list(getattr(turn, "_done_callbacks", ())):
                if _made_by_end_call(done):
                    turn.remove_done_callback(done)
                    logger.info("the model's end_call beside a transfer that failed is not done")
            for listener in self._listeners():
                session.off("close", listener)

        def on_tools(event: FunctionToolsExecutedEvent) -> None:
            calls = event.zipped()
            if self._caller.call_id in [call.call_id for call, _ in calls]:
                take_off()
                for call, output in calls:
                    if call.name == "end_call":
                        output.output = NOT_ENDED

        take_off()
        session.on("function_tools_executed", on_tools)
        turn.add_done_callback(lambda _: session.off("function_tools_executed", on_tools))

    def _on_tools(self, event: FunctionToolsExecutedEvent) -> None:
        self._take_off()
        for call, output in event.zipped():
            if call.name == "end_call":
                output.output = GOES_ON

    def _on_close(self, event: CloseEvent) -> None:
        self._closed = event

    def _take_off(self) -> None:
        for listener, found in self._listeners().items():
            self._session.off("close", listener)
            self._taken.append(found)
            self._caller.forget_room()
            logger.info("the model's end_call waits for the end of the call")

    def _listeners(self) -> dict[Any, Listener]:
        """Return what `end_call` has put on the session, and what of it is wrapped in that."""
        # An emitter has no reader for its listeners, and `once` wraps them: read with care, and
        # tested against the version that is installed.
        registered = getattr(self._session, "_events", {}).get("close", {})
        found = {listener: _end_call_of(listener) for listener in list(registered)}
        return {listener: method for listener, method in found.items() if method is not None}


def _enclosed(function: object) -> list[object]:
    cells = getattr(function, "__closure__", None) or ()
    found = []
    for cell in cells:
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue  # an empty cell
    return found


def _made_by_end_call(callback: object) -> bool:
    return any(isinstance(one, EndCallTool) for one in _enclosed(callback))


def _end_call_of(listener: object) -> Listener | None:
    """Return the EndCallTool's method that `listener` is, or wraps."""
    for one in (listener, *_enclosed(listener)):
        if isinstance(getattr(one, "__self__", None), EndCallTool) and callable(one):
            found: Listener = one
            return found
    return None
