"""Typed reading of JSON objects: a missing or mistyped entry is named with its file and its path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studentsearch.errors import InputFileError
from studentsearch.runs.files import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """One JSON object and where it stands.

    Attributes:
        values: The entries.
        place: File and path within it, for messages.
    """

    values: Mapping[str, JsonValue]
    place: str

    def integer(self, key: str) -> int:
        """The whole number at `key`."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._unexpected(key, "a whole number")
        return value

    def number(self, key: str) -> float:
        """The number at `key`."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._unexpected(key, "a number")
        return float(value)

    def number_or_none(self, key: str) -> float | None:
        """The number at `key`; None where it is null or missing."""
        return None if self.values.get(key) is None else self.number(key)

    def integer_or_none(self, key: str) -> int | None:
        """The whole number at `key`; None where it is null or missing."""
        return None if self.values.get(key) is None else self.integer(key)

    def amount(self, key: str) -> int:
        """The whole number at `key`, or the length of a list there: channels may stand as their indices."""
        value = self.values.get(key)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return len(value)
        return self.integer(key)

    def text(self, key: str) -> str:
        """The text at `key`."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self._unexpected(key, "text")
        return value

    def text_or_none(self, key: str) -> str | None:
        """The text at `key`; None where it is null or missing."""
        return None if self.values.get(key) is None else self.text(key)

    def flag(self, key: str) -> bool:
        """Whether `key` is true; false where it is missing."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self._unexpected(key, "true or false")
        return value

    def has(self, key: str) -> bool:
        """Whether `key` is there and not null."""
        return self.values.get(key) is not None

    def fields(self, key: str) -> "Fields":
        """The object at `key`."""
        value = self.values.get(key)
        if not isinstance(value, Mapping):
            raise self._unexpected(key, "an object")
        return Fields(values=value, place=f"{self.place}: {key}")

    def many(self, key: str) -> tuple["Fields", ...]:
        """The objects of the list at `key`."""
        value = self.values.get(key)
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise self._unexpected(key, "a list of objects")
        entries = []
        for position, entry in enumerate(value):
            if not isinstance(entry, Mapping):
                raise self._unexpected(key, "a list of objects")
            entries.append(Fields(values=entry, place=f"{self.place}: {key}[{position}]"))
        return tuple(entries)

    def _unexpected(self, key: str, expected: str) -> InputFileError:
        found = f"{self.values[key]!r:.40}" if key in self.values else "nothing"
        return InputFileError(f"{self.place}: found {found} at {key!r}, expected {expected}; write the folder again")
