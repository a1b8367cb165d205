"""Member: a person who takes calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from livetransfer._checks import check_choice, check_count, check_seconds
from livetransfer._frozen import Frozen
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError

from .hours import Hours
from .offer import Manner
from .router import check_skills

__all__ = ["Member", "check_name", "named_skills"]

LONGEST_WRAP_UP = 3600.0


@dataclass(frozen=True, init=False)
class Member:
    """A person who takes calls.

    Args:
        name: What the team calls him; it is told in events and by the command line.
        destination: Where he is rung.
        skills: What he can do, and how well: 1 to 100.
        capacity: How many calls he takes at once.
        priority: His tier: those of a lower one ring first, others only when none of it is free.
        weight: How often ``weighted_random`` prefers him, compared with the others.
        hours: When he takes calls. Default: always.
        wrap_up: Seconds for which he is left alone after a call. Default: the queue's.
        method: ``"cold"``: a warm transfer does not brief him, but joins him with the caller as
            soon as he answers; ``"warm"``: a cold transfer passes him over. Default: as the
            transfer does it.

    Raises:
        ConfigurationError: An option cannot be used; the message names it and the member.
        DestinationError: The destination cannot be dialled.
    """

    name: str
    destination: Destination
    skills: Mapping[str, int] = field(default_factory=dict, hash=False)
    capacity: int = 1
    priority: int = 0
    weight: float = 1.0
    hours: Hours | None = None
    wrap_up: float | None = None
    method: Manner | None = None

    def __init__(
        self,
        name: str,
        destination: str | Destination,
        *,
        skills: Mapping[str, int] | None = None,
        capacity: int = 1,
        priority: int = 0,
        weight: float = 1.0,
        hours: Hours | None = None,
        wrap_up: float | None = None,
        method: Manner | None = None,
    ) -> None:
        name = check_name("member.name", name)
        dialled = Destination.parse(destination)
        give = object.__setattr__
        give(self, "name", name)
        give(self, "destination", dialled if dialled.name else dialled.but(name=name))
        with_name = f"member {name!r}: "
        give(self, "skills", Frozen(named_skills(with_name, skills)))
        give(self, "capacity", check_count(with_name + "capacity", capacity, 1, 1000))
        give(self, "priority", check_count(with_name + "priority", priority, 0, 1000))
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < 1e6:
            raise ConfigurationError(with_name + "weight", weight, "use a number above 0")
        give(self, "weight", float(weight))
        if hours is not None and not isinstance(hours, Hours):
            raise ConfigurationError(with_name + "hours", hours, "give Hours(...)")
        give(self, "hours", hours)
        if wrap_up is not None:
            wrap_up = check_seconds(with_name + "wrap_up", wrap_up, 0, LONGEST_WRAP_UP)
        give(self, "wrap_up", wrap_up)
        if method is not None:
            check_choice(with_name + "method", method, Manner)
        give(self, "method", method)


def named_skills(prefix: str, skills: Mapping[str, int] | None) -> Mapping[str, int]:
    """Return skills, checked; an error's field begins with `prefix`."""
    try:
        return check_skills(skills)
    except ConfigurationError as error:
        raise ConfigurationError(prefix + error.field, error.value, error.remedy) from None


def check_name(field: str, name: object) -> str:
    """Return `name` if a member or a queue may be called that.

    Raises:
        ConfigurationError: It is no text of 1 to 64 printable characters.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > 64 or not name.isprintable():
        raise ConfigurationError(field, name, "use a text of 1 to 64 printable characters")
    return name
