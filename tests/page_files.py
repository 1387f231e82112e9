"""The files and commands of a page in docs/ that tells a reader what to write and to run."""

from __future__ import annotations

import re

_FILE = re.compile(r"^`([^`\n]+/[^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page_files(text: str) -> dict[str, str]:
    """Path -> content of every block that stands below its path."""
    return dict(_FILE.findall(text))


def page_commands(text: str) -> list[str]:
    """Every block for the shell."""
    return _COMMANDS.findall(text)
