"""Checks for what makes a build fail, or worse, succeed and compute nonsense; one module each.

Importing a module registers its check, nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.registry import Registry

if TYPE_CHECKING:
    from pipeline.doctor.shared.subject import Subject

Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One illness.

    Attributes:
        id: of the check that found it.
        level: "error" stops a build, "warning" is shown before it, "info" only by `doctor`.
        what: what was found and where, on one line.
        why: why it bites.
        remedy: what to do.
        does_not_fit: the image would exceed the board's memory.
    """

    id: str
    level: Level
    what: str
    why: str
    remedy: str
    does_not_fit: bool = False

    def __str__(self) -> str:
        return f"{self.id}: {self.what}; {self.remedy}"


@dataclass(frozen=True)
class Check:
    """Looks for one kind of illness.

    Attributes:
        id: lower case with hyphens; findings print it.
        looks_for: for listings, without a full stop.
        look: the findings in a subject; none where the check does not apply to it.
    """

    id: str
    looks_for: str
    look: Callable[[Subject], Iterable[Finding]]


_registry = Registry[Check](__name__, "check", lambda entry: entry.id)
register, checks = _registry.register, _registry.all


def examine(subject: Subject) -> tuple[Finding, ...]:
    """What all checks find, errors first."""
    findings = (finding for check in checks().values() for finding in check.look(subject))
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))
