"""TransferTools: a toolset with which a model transfers callers and asks how that stands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from livekit.agents import AgentSession, RunContext, ToolError
from livekit.agents.llm import (
    RawFunctionTool,
    RealtimeModel,
    Tool,
    ToolResult,
    Toolset,
    function_tool,
)
from livekit.agents.voice import SpeechHandle
from typing_extensions import Unpack

from livetransfer._checks import check_choice, check_text
from livetransfer._flow.caller_session import CallerSession
from livetransfer._flow.claim import is_claimed
from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask_now
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, TransferInProgressError
from livetransfer.fallback import OfferCallback, Otherwise, TakeMessage
from livetransfer.fallback.policy import actions_of
from livetransfer.instead import FallbackTools
from livetransfer.outcome import Offered, TransferOutcome
from livetransfer.routing.department_opening import Kind, Opening
from livetransfer.routing.router import Router
from livetransfer.status import TransferStatus

from .options import Making, ToolOptions
from .progress import Progress
from .request_callback import CANNOT, NoCallbackHere
from .truth_after_failure import Apology, SaysSo, say, sentence, silence, silent_result
from .wording import (
    BROKEN,
    CALLBACK,
    HEARD,
    HOW,
    NO_CALLBACK,
    NOT_HEARD,
    REASON,
    STATUS,
    TELL,
    WHO_CALLS,
    apology,
    listed,
    nobody_to_transfer_to,
    spoken_reason,
    transfer_description,
)

__all__ = ["TransferTools"]

logger = logging.getLogger("livetransfer")

OFFERS = (OfferCallback, TakeMessage)


class TransferTools(Toolset):
    """The tools with which a model transfers callers: ``Agent(tools=[TransferTools(router)])``.

    ``transfer_call(department, reason)`` lists the departments that are open at that turn, and
    ``transfer_status`` tells how the transfer stands and which are open. Where none is,
    ``transfer_call`` names none and calls nobody. With `callbacks` there is
    ``request_callback(department)``, also for those that are closed. A model names departments,
    never numbers.

    Parallel and repeated calls make one transfer. When it has failed, or was refused because the
    department is closed or there is none of that name, the caller hears `apology`, and the model
    is not asked to reply to that turn, so that it cannot tell another story; it knows what
    happened when the caller speaks next.

    Args:
        router: The departments, and who takes their calls; or a map, as a Router takes one.
        kind: How they are transferred: ``"warm"``, ``"cold"``, or ``"either"``, as the model
            chooses; one for all, or one for each name. What the router says of a department
            comes first.
        when: What is added to the description of ``transfer_call``: when to transfer, and when
            not.
        apology: Returns what the caller hears when a transfer has failed, unless the fallback has
            said something; of one that was refused it is given an outcome with no attempts. None,
            or a function that returns None, leaves it to the model, which may say what is not so.
        callbacks: A CallbackStore, or an `OfferCallback` with one: what the callers are offered
            who do not want to wait, or ask for somebody who is not there.
        fixed_tools: For a model whose tools cannot change during a session, such as most realtime
            models: all departments are listed, and one that is closed is refused when it is
            called. What the fallback may offer has its tools from the start. A toolset is not
            told whose it is; where such a model calls it without this, that is logged once.
        **options: Those of `WarmTransfer`; those of `ColdTransfer` where a department is cold.
            What is for both is given to both.

    Raises:
        ConfigurationError: An option cannot be used; the message names it.
        DestinationError: A destination cannot be dialled, or is not allowed.
    """

    def __init__(
        self,
        router: Router | Mapping[str, str | Destination | Sequence[str | Destination]],
        *,
        kind: Kind | Mapping[str, Kind] = "warm",
        when: str | None = None,
        apology: Apology | None = apology,
        callbacks: OfferCallback | Any | None = None,
        fixed_tools: bool = False,
        **options: Unpack[ToolOptions],
    ) -> None:
        self._router = router if isinstance(router, Router) else Router(router)
        self._openings: Mapping[str, Opening] = {}
        self._kinds = _check_kinds(kind, self._router.departments)
        self._when = check_text("when", when)
        if apology is not None and not callable(apology):
            raise ConfigurationError("apology", apology, "give a function of an outcome, or None")
        self._apology = apology
        self._fixed = self._fits = fixed_tools
        now = self._now()
        kinds = {self._kind_of(name, opening) for name, opening in now.items()} or {"warm"}
        if "either" in kinds:
            kinds = {"warm", "cold"}
        self._making = Making(self._router, options, kinds)
        self._progress: WeakKeyDictionary[AgentSession[Any], Progress] = WeakKeyDictionary()
        self._refusals: WeakKeyDictionary[SpeechHandle, set[str]] = WeakKeyDictionary()
        self._callbacks = self._making.callbacks(callbacks)
        self._made: tuple[tuple[tuple[str, Opening], ...], list[Tool | Toolset]] | None = None
        super().__init__(id="livetransfer", tools=self._fixed_tools() if fixed_tools else None)
        self._made = None  # it looks at every attribute, before it has found a subclass's own tools

    @property
    def tools(self) -> Sequence[Tool | Toolset]:
        """The tools as they are now; livekit-agents reads them at every turn."""
        now = self._now()
        key = tuple(now.items())
        if self._made is None or self._made[0] != key:
            # The same objects for as long as they are the same: a session compares them.
            self._made = (key, [*self._tools, *self._make(now), *self._of_callbacks(now)])
        return self._made[1]

    def _fixed_tools(self) -> list[Tool | Toolset]:
        """Return the tools of what may be offered, for a model that cannot be given them later."""
        offers = [each for each in actions_of(self._making.fallback) if isinstance(each, OFFERS)]
        if self._callbacks is not None:
            offers.append(self._callbacks.offer)
        return [FallbackTools([Otherwise(each) for each in offers])] if offers else []

    def _make(self, now: Mapping[str, Opening]) -> list[RawFunctionTool[..., Any]]:
        made = [
            function_tool(
                self._status,
                raw_schema={
                    "name": "transfer_status",
                    "description": f"{STATUS}\n\nDepartments:\n{listed(now)}",
                    "parameters": _object({}),
                },
            )
        ]
        names = [name for name, opening in now.items() if opening.open or self._fixed]
        parameters: dict[str, object] = {}
        if names:
            who = {"type": "string", "enum": names, "description": "Who is to take it."}
            parameters = {
                "department": who,
                "reason": {"type": "string", "description": REASON},
            }
        if any(self._kind_of(name, now[name]) == "either" for name in names):
            parameters["how"] = {"type": "string", "enum": ["warm", "cold"], "description": HOW}
        transfer = function_tool(
            self._transfer,
            raw_schema={
                "name": "transfer_call",
                "description": (
                    transfer_description(now, self._when) if names else nobody_to_transfer_to(now)
                ),
                "parameters": _object(parameters),
            },
        )
        return [transfer, *made]

    def _of_callbacks(self, now: Mapping[str, Opening]) -> list[Tool | Toolset]:
        if self._callbacks is None or not now:
            return []
        department = {"type": "string", "enum": list(now), "description": WHO_CALLS}
        request = function_tool(
            self._request_callback,
            raw_schema={
                "name": "request_callback",
                "description": CALLBACK,
                "parameters": _object({"department": department}),
            },
        )
        return [request]

    def _now(self) -> Mapping[str, Opening]:
        """Return how the departments stand; where the router fails, how they stood last."""
        try:
            found = ask_now("openings", self._router.openings)
            if not isinstance(found, Mapping) or not all(
                isinstance(name, str) and isinstance(opening, Opening)
                for name, opening in found.items()
            ):
                raise CodeFailed("openings", "returned no map of names to an Opening each")
            self._openings = dict(found)
        except CodeFailed:
            logger.warning("a router could not say which departments are open", **logged())
            if not self._openings:
                self._openings = {name: Opening() for name in self._router.departments}
        return self._openings

    def _kind_of(self, name: str, opening: Opening) -> Kind:
        return opening.kind or self._kinds.get(name, self._kinds[""])

    def _look_at_the_model(self, context: RunContext[Any]) -> None:
        """Log, once, that the model's tools cannot change as ours do."""
        if self._fits:
            return
        model = CallerSession(context).llm
        if isinstance(model, RealtimeModel) and not model.capabilities.mutable_tools:
            logger.warning(
                "this model's tools cannot change during a session: it knows the departments "
                "that were open when it began; give TransferTools(fixed_tools=True)"
            )
        self._fits = True

    # -- transfer_call ---------------------------------------------------------------------

    async def _transfer(
        self, raw_arguments: dict[str, object], context: RunContext[Any]
    ) -> str | ToolResult:
        session = context.session
        self._look_at_the_model(context)
        if is_claimed(session):
            raise ToolError(
                "This call did nothing: a transfer of this call is under way already, or has been "
                "made. Do not call it again; say nothing of it."
            )
        name, opening = self._asked_for(raw_arguments.get("department"), context)
        kind = self._kind_of(name, opening)
        if kind == "either":
            kind = "cold" if raw_arguments.get("how") == "cold" else "warm"
        progress = Progress(name)
        own: dict[str, Any] = {
            "fallback": SaysSo(policy=self._making.fallback, apologise=self._apology),
            "on_event": progress.listener(self._making.on_event),
        }
        if kind == "warm":
            own["instructions"] = self._making.stressing(spoken_reason(raw_arguments.get("reason")))
        self._progress[session] = progress
        try:
            outcome = await self._making.transfer(kind, name, **own).run(context)
        except TransferInProgressError as error:
            progress.result = error.message
            raise
        except ToolError as error:
            progress.result = error.message
            status = TransferStatus.INVALID_DESTINATION
            raise self._refused(context, status, error.message) from error
        except Exception as error:
            logger.error("a transfer that a model has asked for could not be made", **logged(error))
            broken = TransferOutcome(TransferStatus.FAILED)
            return self._failed(context, progress, broken, BROKEN)
        except BaseException:
            progress.result = "It was broken off."
            raise
        if outcome.caller_present:
            return self._failed(context, progress, outcome, None)
        progress.result = str(outcome)
        return progress.result

    def _asked_for(self, department: object, context: RunContext[Any]) -> tuple[str, Opening]:
        """Return the department that a model has named.

        Raises:
            ToolError: There is none of that name, or it is closed.
        """
        now = self._now()
        usable = ", ".join(name for name, opening in now.items() if opening.open)
        instead = f"Open now: {usable}." if usable else "No department is open now."
        wanted = _named(department, now)
        if wanted is None and not usable:
            text = f"{instead} Nobody was called."
            raise self._refused(context, TransferStatus.UNAVAILABLE, text)
        if wanted is None:
            text = f"There is no such department; nobody was called. {instead}"
            raise self._refused(context, TransferStatus.INVALID_DESTINATION, text)
        opening = now[wanted]
        if not opening.open:
            when = f" It opens {opening.opens}." if opening.opens else ""
            text = f"{wanted} is closed now; nobody was called.{when} {instead}"
            raise self._refused(context, TransferStatus.UNAVAILABLE, text)
        return wanted, opening

    def _refused(self, context: RunContext[Any], status: TransferStatus, text: str) -> ToolError:
        """Tell the caller, once in a turn, that nobody was called; return what a model is told."""
        told = self._refusals.get(context.speech_handle, set())
        offered = self._callbacks is not None and "callback" not in told
        offers: Offered | None = "callback" if offered else None
        refused = TransferOutcome(status, reason=text, offers=offers)
        return self._tell(context, "transfer", text, lambda: sentence(self._apology, refused))

    def _tell(
        self, context: RunContext[Any], what: str, text: str, write: Callable[[], str | None]
    ) -> ToolError:
        told = self._refusals.setdefault(context.speech_handle, set())
        if what in told:
            return ToolError(f"{text} {HEARD}")
        words = write()
        if not words or (speech := say(context, words)) is None:
            return ToolError(f"{text} {TELL}")
        told.add(what)
        silence(context, speech)
        return ToolError(f"{text} {HEARD}")

    def _failed(
        self,
        context: RunContext[Any],
        progress: Progress,
        outcome: TransferOutcome,
        text: str | None,
    ) -> str | ToolResult:
        """Tell the caller, unless that was done, and return what the model is told."""
        said, speech = outcome.said, None
        if not said and (words := sentence(self._apology, outcome)):
            speech = say(context, words)
            said = None if speech is None else words
        if text is None:
            text = str(replace(outcome, said=said))
        else:
            text += HEARD if said else NOT_HEARD
        progress.result = text
        return silent_result(context, text, speech) if said else text

    # -- request_callback ------------------------------------------------------------------

    async def _request_callback(
        self, raw_arguments: dict[str, object], context: RunContext[Any]
    ) -> str:
        assert self._callbacks is not None
        if is_claimed(context.session):
            raise ToolError(
                "A transfer of this call is under way: nothing was promised. Wait for its end."
            )
        now = self._now()
        name = _named(raw_arguments.get("department"), now)
        if name is None:
            raise ToolError(f"There is no such department; use one of {', '.join(now)}.")
        try:
            return await self._callbacks.begin(context, name)
        except NoCallbackHere as refused:
            raise self._tell(context, "callback", refused.message, self._no_callback) from refused

    def _no_callback(self) -> str | None:
        """Return what a caller hears where no callback can be agreed on."""
        if self._apology is apology:
            return NO_CALLBACK
        refused = TransferOutcome(TransferStatus.UNAVAILABLE, reason=CANNOT)
        return sentence(self._apology, refused)

    # -- transfer_status -------------------------------------------------------------------

    def progress(self, session: AgentSession[Any]) -> str:
        """Return what ``transfer_status`` tells of the transfer of the call of `session`."""
        progress = self._progress.get(session)
        return "No transfer has been made in this call." if progress is None else str(progress)

    async def _status(self, raw_arguments: dict[str, object], context: RunContext[Any]) -> str:
        self._look_at_the_model(context)
        so_far = self.progress(context.session)
        return f"{so_far}\n\nDepartments:\n{listed(self._now())}"


def _named(department: object, now: Mapping[str, Opening]) -> str | None:
    """Return the department that a model has named; None where there is none of that name."""
    wanted = department.strip() if isinstance(department, str) else ""
    if wanted in now:
        return wanted
    alike = [name for name in now if name.casefold() == wanted.casefold()]
    return alike[0] if len(alike) == 1 else None


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _check_kinds(kind: object, departments: Sequence[str]) -> dict[str, Kind]:
    """Return the kind of each department, and under ``""`` that of all others."""
    kinds: dict[str, Kind] = {"": "warm"}
    if not isinstance(kind, Mapping):
        kinds[""] = check_choice("kind", kind, Kind)
        return kinds
    for name, each in kind.items():
        if name not in departments:
            raise ConfigurationError("kind", name, f"use one of {sorted(departments)}")
        kinds[name] = check_choice(f"kind[{name!r}]", each, Kind)
    return kinds
