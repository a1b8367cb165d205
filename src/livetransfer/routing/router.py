"""Router: who should take this call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Union

from livetransfer._checks import check_count
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, DestinationError, UnknownDestinationError
from livetransfer.events import HookFailed, TransferEvent
from livetransfer.outcome import Attempt

from .department_opening import Opening
from .offer import Offer, Wait

__all__ = ["RouteRequest", "Router", "Target", "check_skills", "several", "validate_targets"]

Target = Union[str, Destination, "Router", Sequence[str | Destination]]
"""Who may be dialled: one, a sequence tried in order, or a router that is asked."""


def _untold(event: Callable[[float], TransferEvent]) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class RouteRequest:
    """What a router may look at.

    Attributes:
        department: The name that was asked for, if any: a department, or a queue.
        caller: The identity of the caller's leg.
        userdata: The session's ``userdata``, or None.
        number: The caller's number, where it is known.
        attributes: The attributes of the caller's participant.
        skills: Skills that are required, and the lowest level of each.
        priority: The caller's priority: a higher one is served first.
        waited: Seconds since the caller was put on hold; while the AI goes on talking with him,
            those that he has waited in queues.
        queued: Seconds that he has waited in the queue that is asked now, ringing not counted.
        seniority: Seconds by which his place in a queue is older than this call, as that of
            somebody who is called back; it counts for his place alone.
        call: What names the call over all of its transfers, on any worker: the room's name.
        kind: How the call is transferred.
        retry: Whether the fallback said that the last ones are to be tried again.
        within: Seconds in which the router has to answer; after them nobody is rung.
        tell: Tells the transfer's listener an event; it is given what makes the event, of the
            seconds since `run()` was called. See `failed`. All requests of a run have the same.
    """

    department: str | None = None
    caller: str | None = None
    userdata: Any = None
    number: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    skills: Mapping[str, int] = field(default_factory=dict)
    priority: int = 0
    waited: float = 0.0
    queued: float = 0.0
    seniority: float = 0.0
    call: str | None = None
    kind: Literal["warm", "cold"] = "warm"
    retry: bool = False
    within: float = float("inf")
    tell: Callable[[Callable[[float], TransferEvent]], None] = field(
        default=_untold, repr=False, compare=False
    )

    def failed(self, hook: str, reason: str, instead: str) -> None:
        """Tell that code or a system which the router has asked failed, as a HookFailed event.

        Args:
            hook: Which: ``"crm"``, for example.
            reason: What it did, for people.
            instead: What is done instead.
        """
        self.tell(lambda at: HookFailed(at, hook, reason, instead))


class Router:
    """A map of departments to the people who take their calls, in the order they are tried.

    A name that comes from an LLM can only be one of these departments, never a number.
    ``router["sales"]`` gives the destinations of one; subclass and override
    [`resolve`][livetransfer.Router.resolve] (a plain or an async method) to look them up live.

    Args:
        departments: For each name one destination, or several in order.
        default: The department when none is asked for. Default: the only one, if there is one.
        about: What a department is for, in one sentence, by its name; a model chooses by it.

    Raises:
        DestinationError: A destination cannot be dialled.
        ConfigurationError: There is no department, or `default` is none of them, or `about`
            says something of one that is not there.
    """

    _about: Mapping[str, str] = {}

    def __init__(
        self,
        departments: Mapping[str, str | Destination | Sequence[str | Destination]],
        *,
        default: str | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        if not departments:
            raise ConfigurationError("departments", departments, "name at least one department")
        self._departments = {name: _named(name, targets) for name, targets in departments.items()}
        if default is not None and default not in self._departments:
            raise ConfigurationError("default", default, f"use one of {sorted(self._departments)}")
        self._default = default
        if default is None and len(self._departments) == 1:
            self._default = next(iter(self._departments))
        for name in about or {}:
            if name not in self._departments:
                raise ConfigurationError("about", name, f"use one of {sorted(self._departments)}")
        self._about = {name: Opening(sentence).about for name, sentence in (about or {}).items()}

    @property
    def departments(self) -> tuple[str, ...]:
        """The names that may be asked for, in the order they were given."""
        return tuple(self._departments)

    def __getitem__(self, department: str) -> tuple[Destination, ...]:
        """Return the destinations of `department`.

        Raises:
            UnknownDestinationError: There is no such department; the message lists those there are.
        """
        try:
            return self._departments[department]
        except (KeyError, TypeError):
            raise UnknownDestinationError(
                "department", department, f"use one of {sorted(self._departments)}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._departments)

    def __contains__(self, department: object) -> bool:
        return department in self._departments

    def openings(self, now: datetime | None = None) -> Mapping[str, Opening]:
        """Return how each department stands that may be asked for, by its name.

        `TransferTools` asks at every turn of a model, so override it with code that is quick and
        plain. By default all are open.

        Args:
            now: The moment that is meant, with its time zone. Default: this one.
        """
        return {name: Opening(self._about.get(name, "")) for name in self.departments}

    def offer(
        self, request: RouteRequest, attempts: Sequence[Attempt]
    ) -> Offer | Wait | Awaitable[Offer | Wait | None] | None:
        """Return whom to ring next; override it where that is decided before each attempt.

        A router that does not override it is asked once, with `resolve`. It is called on hold,
        within ``route_timeout`` seconds.

        Args:
            request: What is known of the call.
            attempts: What became of the phones that were rung before, oldest first.

        Returns:
            An Offer; a Wait where nobody is free now; None where there is nobody (any more).
        """
        raise NotImplementedError

    def resolve(
        self, request: RouteRequest
    ) -> Sequence[Destination] | Awaitable[Sequence[Destination]]:
        """Return who should take the call, in the order they are to be tried.

        Raises:
            UnknownDestinationError: The department asked for is not in the map, or none was
                asked for and there is no default.
        """
        name = request.department if request.department is not None else self._default
        if name is None:
            raise UnknownDestinationError(
                "department", None, f"name one of {sorted(self._departments)} with department="
            )
        return self[name]


def _named(
    name: str, targets: str | Destination | Sequence[str | Destination]
) -> tuple[Destination, ...]:
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError("departments", name, "a department's name is a non-empty text")
    return tuple(d if d.name else d.but(name=name) for d in several(targets))


def several(targets: object) -> tuple[Destination, ...]:
    """Return one destination, or a sequence of them, as a tuple.

    Raises:
        DestinationError: It is neither, it is empty, or one of them cannot be dialled.
    """
    if isinstance(targets, (str, Destination)):
        return (Destination.parse(targets),)
    if isinstance(targets, Sequence) and targets:
        return tuple(Destination.parse(t) for t in targets)
    raise DestinationError("to", targets, "give a number, a SIP URI, or a sequence of them")


def check_skills(skills: object) -> Mapping[str, int]:
    """Return skills and the lowest level of each, none for None.

    Raises:
        ConfigurationError: They are no map of names to whole numbers from 1 to 100.
    """
    if skills is None:
        return {}
    if not isinstance(skills, Mapping):
        raise ConfigurationError("skills", skills, 'give a map, like {"billing": 2}')
    for name, level in skills.items():
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError("skills", name, "a skill's name is a non-empty text")
        check_count(f"skills[{name!r}]", level, 1, 100)
    return dict(skills)


def validate_targets(to: Target) -> Router | tuple[Destination, ...]:
    """Return `to` as a router or as destinations, checked.

    Raises:
        DestinationError: It is empty, or one of them cannot be dialled.
    """
    return to if isinstance(to, Router) else several(to)
