"""Named choices: one small table per family, with errors that list what exists."""

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from mhclf.errors import ConfigError

Entry = TypeVar("Entry")


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ' Did you mean ...?' for the closest of `choices`, or an empty string."""
    match = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.5)
    return f" Did you mean '{match[0]}'?" if match else ""


def mistyped(name: str, choices: Iterable[str]) -> str:
    """Return the one of `choices` of which `name` looks like a slip of the keyboard, or an empty string."""
    return next(iter(difflib.get_close_matches(name, list(choices), n=1, cutoff=0.8)), "")


class Registry(Generic[Entry]):
    """A table from names to classes or functions of one family.

    Parameters
    ----------
    family : str
        What the entries are, in the singular ("pooling"); used in error messages.
    """

    def __init__(self, family: str) -> None:
        self.family = family
        self._entries: dict[str, Entry] = {}

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Decorate a class or function to add it under `name`; a name is taken only once."""

        def add(entry: Entry) -> Entry:
            if name in self._entries:
                raise ConfigError(f"The {self.family} '{name}' is registered already; choose another name.")
            self._entries[name] = entry
            return entry

        return add

    def get(self, name: str) -> Entry:
        """Return the entry called `name`.

        Raises
        ------
        ConfigError
            If there is none; the message lists what exists and the nearest match.
        """
        if name not in self._entries:
            known = ", ".join(sorted(self._entries))
            raise ConfigError(f"Unknown {self.family} '{name}'.{nearest(name, self._entries)} Known: {known}.")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))
