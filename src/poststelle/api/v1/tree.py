"""The folder trees over HTTP: as you see them, and arranging them."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Body, Path, Query, Router
from ninja.responses import Status
from pydantic import Field

from poststelle.api.shapes import Given, Shape
from poststelle.api.tokens import actor_of
from poststelle.mail import tree as records
from poststelle.mail.tree import EntryKind, Mount, Spot, Tree, TreeEntry, Trees
from poststelle.office import trees

router = Router(tags=["tree"], by_alias=True)

TreeName = Annotated[
    Literal["own", "shared"], Path(description="`own`, or `shared`, which administrators arrange for all.")
]
Key = Annotated[str, Path(description="The entry's `key`.")]


class Entry(Shape):
    """An entry of a tree with what lies below it."""

    key: str = Field(description="Names the entry for good: `account:{id}`, `folder:{id}` or `branch:{id}`.")
    kind: Literal["account", "folder", "search", "heading"] = Field(description="What it is.")
    label: str = Field(description="What people read.")
    role: str = Field(description="What a folder is for; `none` for everything else.")
    where: str | None = Field(description="The place it opens (`GET /messages?where=…`); null for a saved search.")
    query: str = Field(description="What a saved search looks for.")
    total: int = Field(description="Messages there; of an account those of its inbox.")
    unread: int = Field(description="Those of them nobody has read.")
    is_manual: bool = Field(description="Put there by hand: it can be moved, renamed and removed.")
    is_folded: bool = Field(
        description="What lies below is not shown now, and left out unless `everything` is asked for."
    )
    has_children: bool = Field(description="Whether anything lies below.")
    account: str | None = Field(description="Id of its account.")
    folder: str | None = Field(description="Id of its folder.")
    children: list[Entry] = Field(description="What lies below, in order.")

    @classmethod
    def of(cls, entry: TreeEntry) -> Entry:
        """The entry of a record."""
        return cls.model_construct(
            key=entry.key, kind=entry.kind.value, label=entry.label, role=entry.role.value,
            where=str(entry.where) if entry.where else None, query=entry.query, total=entry.total, unread=entry.unread,
            is_manual=entry.is_manual, is_folded=entry.is_folded, has_children=entry.has_children,
            account=entry.account_id or None, folder=entry.folder_id or None,
            children=[cls.of(child) for child in entry.children],
        )  # fmt: skip


class Badges(Shape):
    """How much waits for you."""

    mine: int = Field(description="Open work assigned to you.")
    follow_up: int = Field(description="Follow-ups that are due.")
    mentions: int = Field(description="Notes that want your attention.")

    @classmethod
    def of(cls, badges: records.Badges) -> Badges:
        """The badges of a record."""
        return cls(mine=badges.mine, follow_up=badges.follow_up, mentions=badges.mentions)


class BothTrees(Shape):
    """Both trees as you see them."""

    own: list[Entry] = Field(description="My folders.")
    shared: list[Entry] = Field(description="Shared folders.")
    badges: Badges = Field(description="What waits for you, as numbers.")
    may_arrange_shared: bool = Field(description="Whether you may arrange the shared tree.")

    @classmethod
    def of(cls, shown: Trees) -> BothTrees:
        """The trees of a record."""
        return cls(
            own=[Entry.of(entry) for entry in shown.own], shared=[Entry.of(entry) for entry in shown.shared],
            badges=Badges.of(shown.badges), may_arrange_shared=shown.may_arrange_shared,
        )  # fmt: skip


_ANCHOR = "Key of the entry it goes beside or below; without one it goes to the end."
_SPOT = "Where in relation to that entry."


class NewEntry(Given):
    """Something to put into a tree."""

    kind: Literal["account", "folder", "search", "heading"] = Field(description="What it is.")
    id: str = Field("", description="Id of the account or folder.")
    query: str = Field("", description="What the saved search looks for.")
    label: str = Field("", description="What people read; for an account or folder its own name without one.")
    anchor: str | None = Field(None, description=_ANCHOR)
    spot: Literal["before", "after", "below"] = Field("after", description=_SPOT)


class EntryChanges(Given):
    """What to change about an entry; what is left out stays."""

    label: str | None = Field(None, description="Another label; empty gives an account or folder its own name back.")
    query: str | None = Field(None, description="Another query for a saved search.")
    anchor: str | None = Field(None, description=f"Move it: {_ANCHOR}")
    spot: Literal["before", "after", "below"] | None = Field(None, description=f"Move it: {_SPOT}")


class Fold(Given):
    """Fold an entry."""

    key: str = Field(max_length=200, description="The entry's `key`.")
    folded: bool = Field(description="Folded up or not.")


class Made(Shape):
    """An entry that was made."""

    key: str = Field(description="Its `key`.")


@router.get("/tree", response=BothTrees)
def show_trees(
    request: HttpRequest,
    *,
    everything: Annotated[bool, Query(description="Also what is folded up.")] = False,
    arranging: Annotated[
        bool, Query(description="For administrators: with empty headings, and mailboxes you may not read by name.")
    ] = False,
) -> BothTrees:
    """Both trees with all counts."""
    return BothTrees.of(trees.shown(actor_of(request), everything=everything, arranging=arranging))


@router.put("/tree/folded", response={204: None})
def fold_entry(request: HttpRequest, fold: Annotated[Fold, Body()]) -> Status[None]:
    """Fold an entry up, or unfold it, for yourself."""
    trees.fold(actor_of(request), fold.key, folded=fold.folded)
    return Status(204, None)


@router.post("/tree/{tree}/entries", response={201: Made})
def add_entry(request: HttpRequest, tree: TreeName, entry: Annotated[NewEntry, Body()]) -> Status[Made]:
    """Put an account, a folder, a saved search or a heading into a tree."""
    what = Mount(EntryKind(entry.kind), entry.id, entry.query, entry.label)
    key = trees.mount(actor_of(request), Tree(tree), what, anchor=entry.anchor, spot=Spot(entry.spot))
    return Status(201, Made(key=key))


@router.patch("/tree/{tree}/entries/{key}", response={204: None})
def change_entry(
    request: HttpRequest, tree: TreeName, key: Key, changes: Annotated[EntryChanges, Body()]
) -> Status[None]:
    """Rename an entry, change a saved search, or move it with what lies below it."""
    actor, where = actor_of(request), Tree(tree)
    if changes.label is not None:
        trees.rename(actor, where, key, changes.label)
    if changes.query is not None:
        trees.change_query(actor, where, key, changes.query)
    if changes.anchor is not None or changes.spot is not None:
        trees.move(actor, where, key, anchor=changes.anchor, spot=Spot(changes.spot or "after"))
    return Status(204, None)


@router.delete("/tree/{tree}/entries/{key}", response={204: None})
def remove_entry(request: HttpRequest, tree: TreeName, key: Key) -> Status[None]:
    """Take an entry out; folder and mail stay as they are."""
    trees.remove(actor_of(request), Tree(tree), key)
    return Status(204, None)


@router.delete("/tree/{tree}", response={204: None})
def reset_tree(request: HttpRequest, tree: TreeName) -> Status[None]:
    """Back to the tree as it stands by itself: headings and saved searches in it are gone."""
    trees.reset(actor_of(request), Tree(tree))
    return Status(204, None)
