"""How a list of messages is asked for: where, in what order, and which of them. Values only, with a text form for addresses.

``Where``: ``folder:<id>``, ``account:<id>`` (its inbox), ``inbox`` (all one may see), ``role:<role>`` (all of these), ``branch:<id>``
(an entry of a tree), ``mine``, ``follow-up``, ``mentions``, ``new``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields

from poststelle.errors import Invalid
from poststelle.mail.ports import Role


class Place(enum.StrEnum):
    """What kind of place a list shows."""

    FOLDER = "folder"
    ACCOUNT = "account"
    BRANCH = "branch"
    ROLE = "role"
    INBOX = "inbox"
    MINE = "mine"
    FOLLOW_UP = "follow-up"
    MENTIONS = "mentions"
    NEW = "new"


_WITH_ID = frozenset({Place.FOLDER, Place.ACCOUNT, Place.BRANCH, Place.ROLE})


@dataclass(frozen=True, slots=True)
class Where:
    """A place: `id` is that of the folder, account or branch, or the role's word."""

    place: Place
    id: str = ""

    def __str__(self) -> str:
        return f"{self.place.value}:{self.id}" if self.id else self.place.value

    @property
    def role(self) -> Role:
        """The role, where the place is one."""
        return Role(self.id)


def folder(number: str) -> Where:
    """One folder."""
    return Where(Place.FOLDER, number)


INBOX = Where(Place.INBOX)


def read_where(text: str) -> Where:
    """The place a text names. Raises Invalid({"where": …})."""
    word, _, number = text.partition(":")
    try:
        place = Place(word)
        if place is Place.ROLE:
            Role(number)
    except ValueError as error:
        raise Invalid({"where": "unknown-value"}) from error
    if bool(number) is not (place in _WITH_ID) or len(number) > 100:
        raise Invalid({"where": "unknown-value"})
    return Where(place, number)


class Sort(enum.StrEnum):
    """What a list is sorted by; what is equal stands newest first."""

    DATE = "date"
    SENDER = "sender"
    SUBJECT = "subject"
    SIZE = "size"


class Status(enum.StrEnum):
    """Where the work on a message stands."""

    OPEN = "open"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the messages: all conditions together. `tag` is a keyword; `mine` and `unassigned` speak of what is not done."""

    unread: bool = False
    flagged: bool = False
    attachments: bool = False
    mine: bool = False
    unassigned: bool = False
    tag: str = ""
    status: Status | None = None

    def __bool__(self) -> bool:
        return self != EVERYTHING

    def __str__(self) -> str:
        """As `read_filter` reads it; empty for everything."""
        words = [field.name for field in fields(self) if getattr(self, field.name) is True]
        words += [f"status:{self.status.value}"] if self.status else []
        words += [f"tag:{self.tag}"] if self.tag else []
        return " ".join(words)


EVERYTHING = Filter()
"""No condition at all."""


def read_filter(text: str) -> Filter:
    """The filter some words name: ``unread flagged attachments mine unassigned status:open tag:<keyword>``. Raises Invalid."""
    chosen: dict[str, object] = {}
    known = {field.name for field in fields(Filter)} - {"tag", "status"}
    for word in text[:1000].split():
        name, _, value = word.partition(":")
        if name == "tag" and value:
            chosen["tag"] = value
        elif name == "status" and value in {one.value for one in Status}:
            chosen["status"] = Status(value)
        elif word in known:
            chosen[word] = True
        else:
            raise Invalid({"filter": "unknown-value"})
    return Filter(**chosen)  # type: ignore[arg-type]
