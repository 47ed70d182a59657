"""Records of reading and working: rows of lists, what people added to a message, entries of a folder tree.

Ids and times as in `mail.records`. This module does not know how any of it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from poststelle.mail.listing import Status
from poststelle.mail.records import AddressRecord, PlacementRecord, UserRecord


@dataclass(frozen=True, slots=True)
class TagRecord:
    """How a keyword is shown. `colour` is one of `COLOURS` or empty; `is_defined`: the office gave it name or colour."""

    keyword: str
    name: str
    colour: str
    is_defined: bool


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """Where the work on a message stands. `follow_up_for` None: for everybody who sees the message. `is_due`: the follow-up date is past."""

    status: Status
    assignee: UserRecord | None
    follow_up_at: datetime | None
    follow_up_for: UserRecord | None
    is_due: bool


@dataclass(frozen=True, slots=True)
class NoteRecord:
    """An internal note. `is_own`: the asking person's."""

    id: str
    author: UserRecord
    text: str
    mentions: Sequence[UserRecord]
    created_at: datetime
    changed_at: datetime | None
    is_own: bool


@dataclass(frozen=True, slots=True)
class PresenceRecord:
    """Somebody else is at this message right now. `doing`: ``reading`` or ``answering``."""

    user: UserRecord
    doing: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """A message in a Sent folder answers this one. `author`: who wrote it here; None: it was sent from elsewhere."""

    sender: AddressRecord
    at: datetime
    placement_id: str
    author: UserRecord | None


@dataclass(frozen=True, slots=True)
class ListRow:
    """One row of a list: a message, or a thread by its newest message there.

    `count` and `unread` speak of the thread wherever one may see it (1 and 0 or 1 for a message alone); `participants` wrote in it,
    the latest last. `is_new`: the asking person has not had it open.
    """

    placement: PlacementRecord
    thread: int
    count: int
    unread: int
    participants: Sequence[AddressRecord]
    task: TaskRecord | None
    notes: int
    tags: Sequence[TagRecord]
    is_new: bool
    answer: AnswerRecord | None


@dataclass(frozen=True, slots=True)
class ListPage:
    """A window of a list. `next` and `previous` are cursors for the windows below and above, None at either end.

    `total` and `unread` count messages of the whole place, None where only counting could tell. `sorted_among`: the order holds for
    that many messages, the newest of each folder, because there are more than can be sorted while somebody waits.
    """

    items: Sequence[ListRow]
    next: str | None
    previous: str | None
    total: int | None
    unread: int | None
    sorted_among: int | None


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """One message of a thread as it is shown folded. `also`: the other places where one may see it (folder ids)."""

    placement: PlacementRecord
    also: Sequence[str]
    task: TaskRecord | None
    notes: int
    is_new: bool
    answer: AnswerRecord | None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What lies before (above) and after (below) a message in a list."""

    previous: str | None
    next: str | None


COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "grey")
"""Colours a tag can have; what they look like is the pages' matter."""
