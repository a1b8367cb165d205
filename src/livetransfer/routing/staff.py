"""Staff: the members and queues of a team, checked against each other, and each queue's members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from livetransfer.errors import ConfigurationError

from .member import Member
from .queue import Queue

__all__ = ["members_by_name", "members_of", "queues_by_name"]


def members_by_name(members: Sequence[Member]) -> Mapping[str, Member]:
    """Return members by their names.

    Raises:
        ConfigurationError: There is none, one is no Member, or two have one name.
    """
    if isinstance(members, (str, Member)) or not members:
        raise ConfigurationError("members", members, "give a list of Member(...)")
    found: dict[str, Member] = {}
    for member in members:
        if not isinstance(member, Member):
            raise ConfigurationError("members", member, "give Member(...) for each")
        if member.name in found:
            raise ConfigurationError("members", member.name, "two members have this name")
        found[member.name] = member
    return found


def queues_by_name(queues: Sequence[Queue]) -> Mapping[str, Queue]:
    """Return queues by their names.

    Raises:
        ConfigurationError: There is none, one is no Queue, two have one name, or an overflow
            leads nowhere or round in a circle.
    """
    if isinstance(queues, (str, Queue)) or not queues:
        raise ConfigurationError("queues", queues, "give a list of Queue(...)")
    found: dict[str, Queue] = {}
    for queue in queues:
        if not isinstance(queue, Queue):
            raise ConfigurationError("queues", queue, "give Queue(...) for each")
        if queue.name in found:
            raise ConfigurationError("queues", queue.name, "two queues have this name")
        found[queue.name] = queue
    for queue in queues:
        field = f"queue {queue.name!r}: overflow"
        if queue.overflow is not None and queue.overflow not in found:
            raise ConfigurationError(field, queue.overflow, f"use one of {sorted(found)}")
        way = [queue.name]
        while (following := found[way[-1]].overflow) is not None and following in found:
            if following in way:
                circle = " -> ".join([*way, following])
                raise ConfigurationError(field, queue.overflow, f"it goes in a circle: {circle}")
            way.append(following)
    return found


def members_of(
    queue: Queue, members: Mapping[str, Member], by_skill: Mapping[str, Sequence[Member]]
) -> Sequence[Member]:
    """Return the members of a queue, whatever levels it comes to ask for, in its order.

    Args:
        queue: The queue.
        members: All, by name.
        by_skill: Those who have a skill, in the order of the team.

    Raises:
        ConfigurationError: It names somebody whom there is not, a skill that nobody has, or it
            has nobody.
    """
    here = f"queue {queue.name!r}: "
    for name in queue.members:
        if name not in members:
            raise ConfigurationError(here + "members", name, "the team has no such member")
    for skill, level in queue.skills.items():
        best = max((m.skills[skill] for m in by_skill.get(skill, ())), default=0)
        if best == 0:
            raise ConfigurationError(here + "skills", skill, "no member has this skill")
        if best < level and queue.relax_after is None:
            raise ConfigurationError(
                here + f"skills[{skill!r}]", level, f"the best member has level {best}"
            )
    levels = queue.skills if queue.relax_after is None else dict.fromkeys(queue.skills, 1)
    if queue.members:
        found = [members[name] for name in queue.members]
    else:
        rarest = min(queue.skills, key=lambda skill: len(by_skill[skill]))
        found = list(by_skill[rarest])
    found = [m for m in found if all(m.skills.get(s, 0) >= least for s, least in levels.items())]
    if not found:
        raise ConfigurationError(here + "members", queue.members, "nobody is in this queue")
    return found
