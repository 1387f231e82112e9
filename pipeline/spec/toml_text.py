"""What tomllib lacks: the lines on which a document's keys stand, and writing."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

KeyPath = tuple[str, ...]

# Enough of TOML 1.0's grammar to find where statements end: an end of line inside a string, an
# array or an inline table ends none. tomllib has accepted the document before this is used.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # up to two quotes may stand before the closing three
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|(?P<open>[\[{])|(?P<close>[\]}])|(?P<end>\n)"
    r"|[^\"'#\[\]{}\n]+",
    re.DOTALL,
)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each key = value and each table header, with its comments, without blanks."""
    line, start, depth = 1, 1, 0
    parts: list[str] = []
    for token in _TOKEN.finditer(text + "\n"):
        depth += (token["open"] is not None) - (token["close"] is not None)
        if token["end"] is not None and depth == 0:
            statement = "".join(parts).strip()
            if statement and not statement.startswith("#"):
                yield start, statement
            parts = []
            start = line + 1
        else:
            parts.append(token[0])
        line += token[0].count("\n")


def _paths(table: Mapping[str, Any], above: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key of nested tables, outer before inner."""
    for key, value in table.items():
        path = (*above, key)
        yield path
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0]
        if isinstance(value, dict):
            yield from _paths(value, path)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of the statement that names each key first.

    A table's line is that of its header, or of the first key that implies it. Keys of an inline
    table have the line on which that begins. Of an array of tables the first line is given.

    Args:
        text: a document that `tomllib.loads` accepts.
    """
    text = text.replace("\r\n", "\n")
    lines: dict[KeyPath, int] = {}
    header: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for line, statement in _statements(text):
        is_header = statement.startswith("[")
        paths = list(_paths(tomllib.loads(statement)))
        for path in paths:
            lines.setdefault(path if is_header else header + path, line)
        if is_header:
            header = paths[-1]
        if statement.startswith("[["):
            number = counts[header] = counts.get(header, -1) + 1
            header = (*header, str(number))
            lines[header] = line
    return lines


def toml_value(value: Any) -> str:
    """A value that tomllib can give, as TOML on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's; JSON leaves DEL as it is, which TOML does not allow.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, dict):
        pairs = (f"{_toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    return repr(value) if isinstance(value, int | float) else str(value)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_value(key)


def toml_table(title: str, values: Mapping[str, Any]) -> str:
    """A table with its header, without keys whose value is None; `title` is written as it is.

    A title in brackets of its own begins a table of an array.
    """
    lines = [f"{_toml_key(key)} = {toml_value(v)}" for key, v in values.items() if v is not None]
    return "\n".join([f"[{title}]", *lines])
