"""Queue: callers who wait for some members of a team."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from livetransfer._checks import check_choice, check_count, check_seconds
from livetransfer._frozen import Frozen
from livetransfer.errors import ConfigurationError

from .department_opening import Kind
from .hours import Hours
from .member import LONGEST_WRAP_UP, check_name, named_skills
from .strategies import LongestIdle, Strategy, StrategyLike, strategy_of

__all__ = ["Queue"]


@dataclass(frozen=True, init=False)
class Queue:
    """Callers who wait for some members of a team.

    Its members are those named in `members`, or all who have `skills`; with both, those of the
    named who have them.

    Args:
        name: What a caller's request names as its department.
        members: Members by their names, in the order that ``linear`` and ``round_robin`` take.
        skills: Skills that a member needs, and the lowest level of each.
        strategy: Whom it rings first: a name of `livetransfer.routing.STRATEGIES`, a `Strategy`,
            or a function.
        ring_timeout: Seconds that a phone may ring.
        wrap_up: Seconds for which a member is left alone after a call, unless he says otherwise.
        hours: When it is open. Default: always.
        priority: Added to a caller's own: of two who wait for one member, the higher comes first.
        max_wait: Seconds that a caller may wait.
        overflow: The queue whose members are offered too, after `overflow_after` seconds.
        overflow_after: Seconds of waiting until then. Default, with `overflow`: 60.
        relax_after: The levels that are asked for fall by one each time the caller has waited for
            so many seconds, to 1 at the lowest. Default: they do not.
        about: What it is for, in one sentence; a model chooses by it.
        kind: How its calls are transferred, for a model's tool; ``"either"``: as it chooses.

    Raises:
        ConfigurationError: An option cannot be used; the message names it and the queue.
    """

    name: str
    members: tuple[str, ...] = ()
    skills: Mapping[str, int] = field(default_factory=dict, hash=False)
    strategy: Strategy = field(default_factory=LongestIdle)
    ring_timeout: float = 20.0
    wrap_up: float = 0.0
    hours: Hours | None = None
    priority: int = 0
    max_wait: float = 600.0
    overflow: str | None = None
    overflow_after: float | None = None
    relax_after: float | None = None
    about: str = ""
    kind: Kind | None = None

    def __init__(
        self,
        name: str,
        *,
        members: Sequence[str] = (),
        skills: Mapping[str, int] | None = None,
        strategy: StrategyLike = "longest_idle",
        ring_timeout: float = 20.0,
        wrap_up: float = 0.0,
        hours: Hours | None = None,
        priority: int = 0,
        max_wait: float = 600.0,
        overflow: str | None = None,
        overflow_after: float | None = None,
        relax_after: float | None = None,
        about: str = "",
        kind: Kind | None = None,
    ) -> None:
        name = check_name("queue.name", name)
        here = f"queue {name!r}: "
        if isinstance(members, str) or not all(isinstance(one, str) for one in members):
            raise ConfigurationError(here + "members", members, "give a list of members' names")
        doubled = [one for one, times in Counter(members).items() if times > 1]
        if doubled:
            raise ConfigurationError(here + "members", doubled[0], "it is named twice")
        if not members and not skills:
            raise ConfigurationError(
                here + "members", members, "name its members, or the skills that they have"
            )
        if hours is not None and not isinstance(hours, Hours):
            raise ConfigurationError(here + "hours", hours, "give Hours(...)")
        if overflow_after is not None and overflow is None:
            raise ConfigurationError(here + "overflow_after", overflow_after, "name an overflow")
        if overflow is not None:
            overflow_after = check_seconds(
                here + "overflow_after",
                60.0 if overflow_after is None else overflow_after,
                0,
                86400,
            )
        if relax_after is not None:
            relax_after = check_seconds(here + "relax_after", relax_after, 1, 86400)
        if not isinstance(about, str):
            raise ConfigurationError(here + "about", about, "give a text")
        if kind is not None:
            check_choice(here + "kind", kind, Kind)
        for key, value in {
            "name": name,
            "members": tuple(members),
            "skills": Frozen(named_skills(here, skills)),
            "strategy": strategy_of(here + "strategy", strategy),
            "ring_timeout": check_seconds(here + "ring_timeout", ring_timeout, 1, 600),
            "wrap_up": check_seconds(here + "wrap_up", wrap_up, 0, LONGEST_WRAP_UP),
            "hours": hours,
            "priority": check_count(here + "priority", priority, -1000, 1000),
            "max_wait": check_seconds(here + "max_wait", max_wait, 0, 86400),
            "overflow": overflow,
            "overflow_after": overflow_after,
            "relax_after": relax_after,
            "about": about,
            "kind": kind,
        }.items():
            object.__setattr__(self, key, value)

    def required(self, asked: Mapping[str, int], waited: float) -> Mapping[str, int]:
        """Return the skills that a member needs for a caller who has waited for `waited` seconds.

        Args:
            asked: What the call needs besides; the higher level counts.
            waited: Seconds since the caller was put on hold.
        """
        if not asked and (self.relax_after is None or not self.skills):
            return self.skills
        levels = dict(self.skills)
        for skill, level in asked.items():
            levels[skill] = max(level, levels.get(skill, 0))
        if self.relax_after is not None:
            less = int(waited // self.relax_after)
            levels = {skill: max(1, level - less) for skill, level in levels.items()}
        return levels
