"""Circumstances: what is known of a caller whose transfer has failed, for a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ._frozen import Frozen
from .legs import LegKind

__all__ = ["CallerFacts", "QueueState"]


@dataclass(frozen=True)
class CallerFacts:
    """What is known of the caller.

    Attributes:
        identity: The identity of his leg.
        kind: How he is connected.
        number: His number, as the network told it; None where it did not.
        attributes: The attributes of his participant.
    """

    identity: str
    kind: LegKind = "phone"
    number: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", Frozen(self.attributes))


@dataclass(frozen=True)
class QueueState:
    """How the caller has stood in a queue, when he last waited in one.

    Attributes:
        name: The queue.
        position: His place in it, 1 for the next; None where it is not known.
        estimate: Seconds until somebody would have been free; None where it is not known.
    """

    name: str | None = None
    position: int | None = None
    estimate: float | None = None
