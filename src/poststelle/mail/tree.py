"""Records of the folder trees: entries, accounts, and what can be mounted.

Named tuples, because a tree has thousands of entries and is made at every look. Ids as in `mail.records`. A key names an entry for
good: ``account:<id>``, ``folder:<id>``, or ``branch:<id>`` where somebody put it there by hand.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from poststelle.mail.listing import Where
from poststelle.mail.ports import Role
from poststelle.mail.records import TroubleRecord
from poststelle.mail.settings import Kind, Right, Scope


class EntryKind(enum.StrEnum):
    """What an entry is."""

    ACCOUNT = "account"
    FOLDER = "folder"
    SEARCH = "search"
    HEADING = "heading"


class Tree(enum.StrEnum):
    """Which of the two trees."""

    OWN = "own"
    SHARED = "shared"


class Spot(enum.StrEnum):
    """Where something goes in relation to an entry."""

    BEFORE = "before"
    AFTER = "after"
    BELOW = "below"


class TreeAccount(NamedTuple):
    """An account as its entry shows it. `rights`: the asking person's; `remaining`: messages still to come in; `state` as in AccountRecord."""

    id: str
    label: str
    address: str
    kind: Kind
    scope: Scope
    active: bool
    state: str
    trouble: TroubleRecord | None
    remaining: int
    rights: frozenset[Right]


class TreeEntry(NamedTuple):
    """An entry with what lies below it.

    `label` is what people called it, else the account's label or the folder's own name (pages show a special folder by its
    `role`). `where` opens it, None for a saved search (`query`) and for a folder that holds nothing. An account counts its inbox,
    a heading what is below it. `is_manual`: put there by hand, so it can be moved, renamed and removed. `is_folded`: what lies below
    is not shown now, and not in `children` unless everything was asked for.
    """

    key: str
    kind: EntryKind
    label: str
    role: Role
    where: Where | None
    query: str
    total: int
    unread: int
    is_manual: bool
    is_folded: bool
    has_children: bool
    account: TreeAccount | None
    account_id: str
    folder_id: str
    children: tuple[TreeEntry, ...]


@dataclass(frozen=True, slots=True)
class Badges:
    """How much waits for the person: open work of theirs, follow-ups due, mentions not looked at."""

    mine: int
    follow_up: int
    mentions: int


@dataclass(frozen=True, slots=True)
class Trees:
    """Both trees as one person sees them. `may_arrange_shared`: administrators arrange it for everybody."""

    own: Sequence[TreeEntry]
    shared: Sequence[TreeEntry]
    badges: Badges
    may_arrange_shared: bool


@dataclass(frozen=True, slots=True)
class Mount:
    """What to put into a tree: an account or folder by id, a saved search by its query, or a heading; `label` for people."""

    kind: EntryKind
    id: str = ""
    query: str = ""
    label: str = ""
