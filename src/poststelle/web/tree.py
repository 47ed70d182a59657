"""The folder trees as they are drawn: one line per entry with its depth, what it is called, and where it leads.

Law: what is shown and how it is counted is the office's word (`office.trees`); here entries only get names in the reader's
language and addresses. This module does not know how a tree is arranged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from poststelle.mail.listing import Place, Where
from poststelle.mail.ports import Role
from poststelle.mail.settings import Kind, Right
from poststelle.mail.tree import EntryKind, Tree, TreeEntry, Trees
from poststelle.office import trees
from poststelle.office.actor import Actor
from poststelle.web.names import ICONS, PLACES, ROLES, Text

_DEEPEST, _PLACES_KNOWN = 8, 20_000
_ICONS: Mapping[EntryKind, str] = {
    EntryKind.ACCOUNT: "mailbox", EntryKind.FOLDER: "folder", EntryKind.SEARCH: "search", EntryKind.HEADING: "layers",
}  # fmt: skip
_PLACE_ICONS: Mapping[Place, str] = {
    Place.INBOX: "inbox", Place.MINE: "user-check", Place.FOLLOW_UP: "calendar-clock", Place.MENTIONS: "at-sign",
}  # fmt: skip
_ALWAYS = (Place.MINE, Place.FOLLOW_UP)


@dataclass(frozen=True, slots=True)
class Twig:
    """An entry with its depth. `url` is empty where there is nothing to open; `count` is what waits there."""

    entry: TreeEntry
    tree: Tree
    depth: int
    name: Text
    icon: str
    url: str

    @property
    def element(self) -> str:
        """The element's id, without what ids and selectors do not like."""
        return self.entry.key.replace(":", "-")

    @property
    def may_administer(self) -> bool:
        """The settings of its mailbox are within reach."""
        return self.entry.account is not None and Right.ADMINISTER in self.entry.account.rights

    @property
    def is_coming(self) -> bool:
        """Mail the server has announced is still on its way."""
        account = self.entry.account
        return account is not None and account.remaining > 0 and account.state == "active"

    @property
    def is_just_added(self) -> bool:
        """It receives, and nothing is known of its folders yet."""
        account = self.entry.account
        if account is None or account.kind not in (Kind.SYNCHRONISED, Kind.FETCH_ONLY):
            return False
        return not self.entry.has_children and account.trouble is None


@dataclass(frozen=True, slots=True)
class Corner:
    """A list that is nobody's folder: what is mine, what comes back."""

    where: Where
    name: Text
    icon: str
    count: int
    url: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it: the corners on top, then the two trees."""

    corners: Sequence[Corner]
    own: Sequence[Twig]
    shared: Sequence[Twig]
    may_arrange_shared: bool
    is_arranging: bool

    @property
    def is_empty(self) -> bool:
        """There is no mailbox to look into."""
        return not self.own and not self.shared


def drawn(actor: Actor, *, everything: bool = False, arranging: bool = False) -> Drawing:
    """The trees as the actor sees them now; `everything`: also what is folded; `arranging`: the shared one as administrators need it."""
    arranging = arranging and actor.is_administrator
    return _drawing(trees.shown(actor, everything=everything, arranging=arranging), arranging=arranging)


ARRANGING = "arranging"
"""The session's word for an administrator at work on the shared tree."""


@lru_cache(_PLACES_KNOWN)
def address_of(where: Where) -> str:
    """The page of a place."""
    if where.place is Place.FOLDER:
        return reverse("folder", args=[where.id])
    return reverse("place", args=[str(where)])


def _drawing(shown: Trees, *, arranging: bool) -> Drawing:
    own, shared = (
        tuple(_lines(entries, tree, 0)) for tree, entries in ((Tree.OWN, shown.own), (Tree.SHARED, shown.shared))
    )
    waiting = {
        Place.MINE: shown.badges.mine,
        Place.FOLLOW_UP: shown.badges.follow_up,
        Place.MENTIONS: shown.badges.mentions,
    }
    unread = sum({twig.entry.account_id: twig.entry.unread for twig in (*own, *shared) if twig.entry.account}.values())
    several = len({twig.entry.account_id for twig in (*own, *shared) if twig.entry.account}) > 1
    corners = [
        Corner(Where(place), PLACES[place], icon, waiting.get(place, unread), address_of(Where(place)))
        for place, icon in _PLACE_ICONS.items()
        if (several if place is Place.INBOX else place in _ALWAYS or waiting.get(place))
    ]
    return Drawing(corners, own, shared, shown.may_arrange_shared, arranging)


def _lines(entries: Sequence[TreeEntry], tree: Tree, depth: int) -> Iterator[Twig]:
    for entry in entries:
        yield Twig(entry, tree, min(depth, _DEEPEST), name_of(entry), _icon(entry), _url(entry))
        yield from _lines(entry.children, tree, depth + 1)


def name_of(entry: TreeEntry) -> Text:
    """What people called it; a special folder nobody has renamed by its role in the reader's language."""
    if entry.kind is EntryKind.FOLDER and not entry.is_manual:
        return ROLES.get(entry.role, entry.label)
    return entry.label or _("(unnamed)")


def _icon(entry: TreeEntry) -> str:
    return ICONS[entry.role] if entry.role is not Role.NONE else _ICONS[entry.kind]


def _url(entry: TreeEntry) -> str:
    if entry.kind is EntryKind.SEARCH:
        return f"{reverse('search')}?{urlencode({'q': entry.query})}"
    return address_of(entry.where) if entry.where is not None else ""
