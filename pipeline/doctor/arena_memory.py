"""Where a project puts the arena: into external RAM, or onto a function's stack."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject

_ID = "arena-memory"
_ARENA = r"\w*[aA][rR][eE][nN][aA]\w*"
_EXTERNAL = (
    rf"\b{_ARENA}\s*=[^;]*(?:\bps_malloc\b|MALLOC_CAP_SPIRAM)"
    rf"|EXT_RAM(?:_BSS)?_ATTR[^;]*\b{_ARENA}\s*\["
)
_ON_STACK = (
    r"^[ \t]+(?:alignas\(\d+\)\s*)?(?:u?int8_t|unsigned char|char)\s+"
    rf"(?P<name>{_ARENA})\s*\["
)


def _look(subject: Subject) -> Iterator[Finding]:
    if subject.project is None:
        return
    for place, _ in subject.project.find(_EXTERNAL):
        yield Finding(
            _ID,
            "warning",
            f"{place}: the arena is in external RAM",
            "every activation goes over the SPI bus whenever the cache misses",
            "a static array in internal RAM, if the arena fits there; else count on it",
        )
    for place, match in subject.project.find(_ON_STACK):
        if _is_in_function(match.string[: match.start()]):
            yield Finding(
                _ID,
                "error",
                f"{place}: {match['name']} is a variable of a function",
                "it lies on a stack of a few kilobytes and is gone when the function returns, "
                "while the interpreter still points into it",
                "declare it static, or outside of the function",
            )


def _is_in_function(text: str) -> bool:
    """Whether the end of `text` lies within the braces that follow a parameter list."""
    opened: list[bool] = []
    for brace in re.finditer(r"[{}]", text):
        if brace[0] == "{":
            head = text[max(0, brace.start() - 80) : brace.start()]
            opened.append(re.search(r"\)\s*(?:\w+\s*)?$", head) is not None)
        elif opened:
            opened.pop()
    return any(opened)


register(Check(_ID, "an arena on a function's stack or in external RAM", _look))
