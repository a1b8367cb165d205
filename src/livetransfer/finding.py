"""Finding: what one check of the set-up found, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "FindingStatus", "failed", "not_checked", "ok", "skipped", "warning"]

FindingStatus = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        status: ``"ok"``; ``"warning"``: calls work, something else does not; ``"failed"``: calls
            fail; ``"skipped"``: it was not looked at.
        detail: What was found, for people.
        remedy: The command, or the page, that mends it.
    """

    name: str
    status: FindingStatus
    detail: str
    remedy: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return it as JSON can hold it."""
        return {
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "remedy": self.remedy,
        }


def ok(name: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(name, "ok", detail)


def warning(name: str, detail: str, remedy: str | None = None) -> Finding:
    """Calls work, something else does not."""
    return Finding(name, "warning", detail, remedy)


def failed(name: str, detail: str, remedy: str | None = None) -> Finding:
    """Calls fail."""
    return Finding(name, "failed", detail, remedy)


def skipped(name: str, detail: str, remedy: str | None = None) -> Finding:
    """It was not looked at, because there is nothing to look at, or something else failed."""
    return Finding(name, "skipped", detail, remedy)


def not_checked(name: str, detail: str, remedy: str | None = None) -> Finding:
    """It cannot be known this way."""
    return Finding(name, "skipped", f"not checked: {detail}", remedy)
