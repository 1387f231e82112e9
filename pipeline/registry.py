"""How a file becomes known by being there: a package whose modules register what they define."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """What the modules of one package define, by name.

    Args:
        package: its `__name__`; its modules call `register` as they are imported.
        noun: of an entry, for messages.
        name: of an entry.
    """

    def __init__(self, package: str, noun: str, name: Callable[[Entry], str]) -> None:
        self._package, self._noun, self._name = package, noun, name
        self._entries: dict[str, Entry] = {}
        self._complete: Mapping[str, Entry] | None = None

    def register(self, entry: Entry) -> None:
        """Makes an entry known. Raises ValueError where its name is registered already."""
        name = self._name(entry)
        if name in self._entries:
            raise ValueError(f"{self._noun} {name} is registered twice")
        self._entries[name] = entry

    def all(self) -> Mapping[str, Entry]:
        """All entries by name, in alphabetical order; imports the package's modules once."""
        if self._complete is None:
            folder = importlib.import_module(self._package).__path__
            for module in pkgutil.iter_modules(folder):
                importlib.import_module(f"{self._package}.{module.name}")
            self._complete = dict(sorted(self._entries.items()))
        return self._complete
