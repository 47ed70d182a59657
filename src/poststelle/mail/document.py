"""Reading a JSON document field by field: what is wrong with each is collected instead of stopping at the first.

Reasons are stable words (`office.wording.REASONS`). A value that belongs to the document's language but cannot be served yet is
``not-available``, any other ``unknown-value``. This module does not know which documents there are.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import TypeVar

from poststelle.mail.address import is_addr_spec

LATER = {
    "incoming.protocol": {"ews", "graph"},
    "outgoing.protocol": {"ews", "graph"},
    "mechanism": {"xoauth2", "oauthbearer", "ntlm"},
}
"""Values that are part of the document's language but that this release cannot serve yet, per field."""

_E = TypeVar("_E", bound=enum.StrEnum)

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What no setting may hold. JSON can spell half a surrogate pair; no server, file or database takes it."""
_BLOCK = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""The same for text of several lines."""


_DEEPEST = 20


class Fields:
    """Walks a document; `wrong` maps each dotted path to its reason."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}

    def known(self, where: str, document: Mapping[str, object], names: set[str]) -> None:
        """Refuse every field that is not one of these."""
        for name in document.keys() - names:
            self.wrong[f"{where}{name}"] = "unknown-field"

    def section(self, where: str, value: object) -> Mapping[str, object] | None:
        """A group of fields; None when it is absent (or wrong)."""
        if value is None:
            return None
        if isinstance(value, Mapping):
            return value
        self.wrong[where] = "not-an-object"
        return None

    def items(self, where: str, value: object, limit: int = 200) -> list[tuple[str, Mapping[str, object]]]:
        """The groups of a list, each with its path."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong[where] = "not-a-list"
            return []
        if len(value) > limit:
            self.wrong[where] = "too-many"
            return []
        found = []
        for number, item in enumerate(value):
            place = f"{where}.{number}"
            if (document := self.section(place, item)) is not None:
                found.append((place, document))
            else:
                self.wrong.setdefault(place, "not-an-object")
        return found

    def text(self, where: str, value: object, *, required: bool = True, limit: int = 255) -> str:
        """One line of text, trimmed; empty where it is absent."""
        return self._text(where, value, _CONTROL, required=required, limit=limit).strip()

    def block(self, where: str, value: object, *, limit: int = 100_000) -> str:
        """Text of several lines."""
        text = value.replace("\r\n", "\n") if isinstance(value, str) else value
        return self._text(where, text, _BLOCK, required=False, limit=limit)

    def path(self, where: str, value: object) -> tuple[str, ...]:
        """A folder's path, outermost first; empty when it is absent (or wrong)."""
        if value is None:
            return ()
        if not isinstance(value, list) or not 1 <= len(value) <= _DEEPEST:
            self.wrong[where] = "not-a-list"
            return ()
        return tuple(self.text(where, name, limit=200) for name in value)

    def address(self, where: str, value: object, *, required: bool = True) -> str:
        """An e-mail address without a name."""
        text = self.text(where, value, required=required, limit=254)
        if text and not is_addr_spec(text):
            self.wrong[where] = "not-an-address"
        return text

    def boolean(self, where: str, value: object, *, default: bool) -> bool:
        """True or false."""
        if isinstance(value, bool):
            return value
        if value is not None:
            self.wrong[where] = "not-true-or-false"
        return default

    def number(self, where: str, value: object, default: int | None, least: int, most: int) -> int | None:
        """A whole number between two others."""
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong[where] = "not-a-number"
        elif not least <= value <= most:
            self.wrong[where] = "out-of-range"
        else:
            return value
        return default

    def date(self, where: str, value: object, *, moment: bool = False) -> str:
        """An ISO date (RFC 3339 full-date); with `moment` also one with a time and its offset."""
        text = self.text(where, value, required=False, limit=40)
        if not text:
            return ""
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            pass
        try:
            read = datetime.fromisoformat(text) if moment else None
        except ValueError:
            read = None
        if read is not None and read.tzinfo is not None:
            return read.isoformat()
        self.wrong[where] = "not-a-date"
        return ""

    def choice(self, where: str, value: object, kinds: type[_E], default: _E, later: str = "") -> _E:
        """One of an enumeration's values."""
        if value is None:
            return default
        if isinstance(value, str) and value in {kind.value for kind in kinds}:
            return kinds(value)
        self.wrong[where] = refused(value, later or where)
        return default

    def _text(self, where: str, value: object, forbidden: re.Pattern[str], *, required: bool, limit: int) -> str:
        if value is None or value == "":
            if required:
                self.wrong[where] = "missing"
        elif not isinstance(value, str):
            self.wrong[where] = "not-text"
        elif forbidden.search(value):
            self.wrong[where] = "control-character"
        elif len(value) > limit:
            self.wrong[where] = "too-long"
        elif not value.strip():
            if required:
                self.wrong[where] = "missing"
        else:
            return value
        return ""


def refused(value: object, field: str) -> str:
    """Why a value that cannot be served is refused: it comes later, or nobody knows it."""
    return "not-available" if isinstance(value, str) and value in LATER.get(field, ()) else "unknown-value"
