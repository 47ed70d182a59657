"""What a person has chosen about how everything looks and behaves for them: a value with defaults, and how it is read from JSON.

This module does not know pages; they give the words a meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from poststelle.errors import Invalid
from poststelle.mail.listing import Place, read_where

THEMES = ("system", "light", "dark")
DENSITIES = ("comfortable", "compact")
PREVIEWS = ("right", "below", "off")
SIGNATURES = ("always", "new", "never")
NOTIFICATIONS = ("off", "mine", "all")
LAST = "last"
COLUMNS = ("sender", "subject", "preview", "tags", "assignee", "attachments", "account", "size", "date")
SLOWEST_REFRESH, LONGEST_DELAY = 3600, 60
_FASTEST_REFRESH = 15


@dataclass(frozen=True, slots=True)
class Preferences:
    """One person's choices.

    `mark_read_after`: seconds a message must be open until it counts as read, None never. `signature`: when to put it: always, in
    new messages only, never. `start`: where the program opens, a place (`mail.listing.Where` as text), or `LAST`: where one was last.
    `totals`: folders tell how much they hold, not only what is unread. `notifications`: the desktop
    tells nothing, what is mine (assigned, mentioned, due), or every new message. `columns` of a list below the other, in order.
    `refresh`: seconds between looks for news, 0: live.
    """

    theme: str = "system"
    density: str = "comfortable"
    preview: str = "right"
    mark_read_after: int | None = 2
    signature: str = "always"
    start: str = "inbox"
    notifications: str = "off"
    columns: tuple[str, ...] = ("sender", "subject", "preview", "tags", "assignee", "attachments", "date")
    refresh: int = 0
    threads: bool = True
    totals: bool = False

    def document(self) -> dict[str, object]:
        """As JSON."""
        return asdict(self) | {"columns": list(self.columns)}


DEFAULT = Preferences()


def changed(present: Preferences, changes: Mapping[str, object]) -> Preferences:
    """The preferences with these changes; null gives a field its default back. Raises Invalid naming the fields."""
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {}
    known = {field.name for field in fields(Preferences)}
    for name, given in changes.items():
        if name not in known:
            wrong[name] = "unknown-field"
        elif given is None and name != "mark_read_after":
            values[name] = getattr(DEFAULT, name)
        else:
            try:
                values[name] = _READ[name](given)
            except ValueError as error:
                wrong[name] = str(error)
    if wrong:
        raise Invalid(wrong)
    return replace(present, **values)


def stored(document: Mapping[str, object]) -> Preferences:
    """What was kept; what an earlier or later version wrote and this one does not know counts for nothing."""
    found = DEFAULT
    for name, value in document.items():
        try:
            found = changed(found, {name: value})
        except Invalid:
            continue
    return found


def _one_of(*words: str) -> Callable[[object], str]:
    def read(given: object) -> str:
        if not isinstance(given, str):
            raise ValueError("not-text")
        if given not in words:
            raise ValueError("unknown-value")
        return given

    return read


def _number(lowest: int, highest: int) -> Callable[[object], int]:
    def read(given: object) -> int:
        if not isinstance(given, int) or isinstance(given, bool):
            raise ValueError("not-a-number")
        if not lowest <= given <= highest:
            raise ValueError("out-of-range")
        return given

    return read


def _delay(given: object) -> int | None:
    return None if given is None else _number(0, LONGEST_DELAY)(given)


def _refresh(given: object) -> int:
    return 0 if given == 0 and not isinstance(given, bool) else _number(_FASTEST_REFRESH, SLOWEST_REFRESH)(given)


def _truth(given: object) -> bool:
    if not isinstance(given, bool):
        raise ValueError("not-true-or-false")
    return given


def _columns(given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise ValueError("not-a-list")
    if not all(one in COLUMNS for one in given):
        raise ValueError("unknown-value")
    if len(set(given)) != len(given):
        raise ValueError("taken")
    if "subject" not in given:
        raise ValueError("missing")
    return tuple(given)


def _start(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError("not-text")
    if given == LAST:
        return given
    try:
        where = read_where(given)
    except Invalid as error:
        raise ValueError("unknown-value") from error
    if where.place is Place.BRANCH:
        # Branches come and go with arranging; a start page should not.
        raise ValueError("unknown-value")
    return str(where)


_READ: Mapping[str, Callable[[object], object]] = {
    "theme": _one_of(*THEMES), "density": _one_of(*DENSITIES), "preview": _one_of(*PREVIEWS), "mark_read_after": _delay,
    "signature": _one_of(*SIGNATURES), "start": _start, "notifications": _one_of(*NOTIFICATIONS), "columns": _columns,
    "refresh": _refresh, "threads": _truth, "totals": _truth,
}  # fmt: skip
