"""Arranging a folder tree by hand: mount, move, rename, take out.

Law: arranging begins with what stands there by itself: the accounts a tree shows become entries of their own in that order, so that
something can go before or after them. Siblings are numbered without gaps. One transaction per gesture, with its journal entry.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from poststelle.errors import Invalid, NotFound
from poststelle.mail import listing
from poststelle.mail.order import collated
from poststelle.mail.settings import Kind, Right, Scope
from poststelle.mail.tree import EntryKind, Mount, Spot, Tree
from poststelle.store import journal, models
from poststelle.store.access import Reach, reachable
from poststelle.store.branches import branches
from poststelle.store.scopes import scope_of

MOST_ENTRIES, DEEPEST = 2_000, 10


def mount(reach: Reach, tree: Tree, what: Mount, anchor: str | None, spot: Spot, *, actor: str) -> str:
    """Put something into the tree, at its end without an anchor (a key); the new entry's key.

    An account taken out before comes back. Raises NotFound, Invalid (anchor, id, entries).
    """
    with transaction.atomic():
        rows = _arranged(reach, tree)
        if len(rows) >= MOST_ENTRIES:
            raise Invalid({"entries": "too-many"})
        row = _new(reach, tree, what, rows)
        _place(rows, row, _anchor(rows, anchor), spot)
        _tell(reach, tree, actor)
    return f"branch:{row.pk}"


def move(reach: Reach, tree: Tree, key: str, anchor: str | None, spot: Spot, *, actor: str) -> None:
    """Another place for an entry, with what lies below it. Raises NotFound, Invalid (anchor) for a place below itself."""
    with transaction.atomic():
        rows = _arranged(reach, tree)
        row = _entry(rows, key)
        beside = _anchor(rows, anchor)
        if beside is not None and row in _upwards(rows, beside):
            raise Invalid({"anchor": "contradiction"})
        _place(rows, row, beside, spot)
        _tell(reach, tree, actor)


def rename(reach: Reach, tree: Tree, key: str, label: str, *, actor: str) -> None:
    """Another label in this tree; an empty one gives an account or folder back its own. Raises NotFound, Invalid (label)."""
    with transaction.atomic():
        row = _entry(_arranged(reach, tree), key)
        if not label and row.account_id is None and row.folder_id is None:
            raise Invalid({"label": "missing"})
        row.label = label
        row.save(update_fields=["label"])
        _tell(reach, tree, actor)


def change_query(reach: Reach, tree: Tree, key: str, query: str, *, actor: str) -> None:
    """Another query for a saved search. Raises NotFound for what is none."""
    with transaction.atomic():
        row = _entry(_arranged(reach, tree), key)
        if not row.query:
            raise NotFound("branch-unknown", branch=key)
        row.query = query
        row.save(update_fields=["query"])
        _tell(reach, tree, actor)


def remove(reach: Reach, tree: Tree, key: str, *, actor: str) -> None:
    """Take an entry out of the tree; what was mounted below it moves up into its place. Nothing else is touched. Raises NotFound."""
    with transaction.atomic():
        rows = _arranged(reach, tree)
        row = _entry(rows, key)
        siblings = _siblings(rows, row.parent_id)
        at = siblings.index(row)
        children = _siblings(rows, row.pk)
        for child in children:
            child.parent_id = row.parent_id
        _number([*siblings[:at], *children, *siblings[at + 1 :]])
        if row.account_id is not None and row.account_id in {one.pk for one in _by_themselves(reach, tree)}:
            # Without a trace it would stand there by itself again.
            row.hidden, row.parent_id = True, None
            row.save(update_fields=["hidden", "parent"])
        else:
            row.delete()
        _tell(reach, tree, actor)


def reset(reach: Reach, tree: Tree, *, actor: str) -> None:
    """Forget everything arranged by hand in the tree: headings and saved searches too."""
    with transaction.atomic():
        models.Branch.objects.filter(pool=reach.pool, owner=_owner(reach, tree)).delete()
        _tell(reach, tree, actor)


def _arranged(reach: Reach, tree: Tree) -> list[models.Branch]:
    """The tree's entries by hand, those that stood there by themselves among them."""
    rows = branches(reach, tree)
    known = {row.account_id for row in rows if row.account_id and not row.folder_id}
    shared = branches(reach, Tree.SHARED) if tree is Tree.OWN else []
    elsewhere = {row.account_id for row in shared if row.account_id and not row.folder_id}
    at = len(_siblings(rows, None))
    for account in _by_themselves(reach, tree):
        if account.pk not in known | elsewhere:
            row = models.Branch(pool_id=reach.pool, owner_id=_owner(reach, tree), position=at, account=account)
            row.save()
            rows.append(row)
            at += 1
    return rows


def _by_themselves(reach: Reach, tree: Tree) -> list[models.Account]:
    """A person's own accounts; in the shared tree the office's."""
    rows = models.Account.objects.filter(pool=reach.pool).exclude(kind=Kind.SEND_ONLY.value)
    if tree is Tree.OWN:
        rows = rows.filter(reachable(reach, Right.SEE), scope=Scope.PERSONAL.value, owner=_owner(reach, tree))
    else:
        rows = rows.exclude(scope=Scope.PERSONAL.value)
    return sorted(rows, key=lambda row: collated(row.label))


def _new(reach: Reach, tree: Tree, what: Mount, rows: list[models.Branch]) -> models.Branch:
    row = models.Branch(pool_id=reach.pool, owner_id=_owner(reach, tree), label=what.label)
    if what.kind is EntryKind.ACCOUNT:
        row.account = _account(reach, tree, what.id)
        taken = [one for one in rows if one.account_id == row.account.pk and not one.folder_id]
        if taken and not taken[0].hidden:
            raise Invalid({"id": "taken"})
        if taken:
            row, row.hidden, row.label = taken[0], False, what.label
    elif what.kind is EntryKind.FOLDER:
        scope = scope_of(reach, listing.folder(what.id))
        row.folder = models.Folder.objects.get(pk=UUID((scope.folders or ("",))[0]))
    elif what.kind is EntryKind.SEARCH:
        row.query = what.query
    row.position = MOST_ENTRIES
    row.save()
    if row not in rows:
        rows.append(row)
    return row


def _account(reach: Reach, tree: Tree, number: str) -> models.Account:
    """One that may be seen; into the shared tree any of the office's."""
    try:
        found = models.Account.objects.filter(pk=UUID(number), pool=reach.pool)
    except ValueError as error:
        raise NotFound("account-unknown", account=number) from error
    seen = found.filter(reachable(reach, Right.SEE)).first()
    row = seen or (found.exclude(scope=Scope.PERSONAL.value).first() if tree is Tree.SHARED else None)
    if row is None:
        raise NotFound("account-unknown", account=number)
    return row


def _place(rows: list[models.Branch], row: models.Branch, anchor: models.Branch | None, spot: Spot) -> None:
    """Put the row in relation to the anchor and number the siblings it leaves and joins."""
    before = row.parent_id
    if anchor is None:
        row.parent_id = None
        siblings = [one for one in _siblings(rows, None) if one != row]
        siblings.append(row)
    elif spot is Spot.BELOW:
        if len(_upwards(rows, anchor)) >= DEEPEST:
            raise Invalid({"anchor": "out-of-range"})
        row.parent_id = anchor.pk
        siblings = [*(one for one in _siblings(rows, anchor.pk) if one != row), row]
    else:
        row.parent_id = anchor.parent_id
        siblings = [one for one in _siblings(rows, anchor.parent_id) if one != row]
        siblings.insert(siblings.index(anchor) + (spot is Spot.AFTER), row)
    _number(siblings)
    if before != row.parent_id:
        _number([one for one in _siblings(rows, before) if one != row])


def _number(siblings: list[models.Branch]) -> None:
    for at, row in enumerate(siblings):
        row.position = at
    models.Branch.objects.bulk_update(siblings, ["position", "parent"])


def _siblings(rows: list[models.Branch], parent: UUID | None) -> list[models.Branch]:
    found = [row for row in rows if row.parent_id == parent and not row.hidden]
    return sorted(found, key=lambda row: (row.position, row.pk))


def _upwards(rows: list[models.Branch], row: models.Branch) -> list[models.Branch]:
    """The row and everything above it."""
    by_id = {one.pk: one for one in rows}
    found = [row]
    while found[-1].parent_id is not None:
        found.append(by_id[found[-1].parent_id])
    return found


def _anchor(rows: list[models.Branch], key: str | None) -> models.Branch | None:
    if key is None:
        return None
    try:
        return _entry(rows, key)
    except NotFound as error:
        raise Invalid({"anchor": "unknown-value"}) from error


def _entry(rows: list[models.Branch], key: str) -> models.Branch:
    """The entry a key names; an account's by its account as well, whether it stood there by itself or not."""
    word, _, number = key.partition(":")
    for row in rows:
        if row.hidden:
            continue
        if word == "branch" and str(row.pk) == number:
            return row
        if word == "account" and not row.folder_id and str(row.account_id) == number:
            return row
    raise NotFound("branch-unknown", branch=key)


def _owner(reach: Reach, tree: Tree) -> UUID | None:
    return UUID(reach.user) if tree is Tree.OWN and reach.user else None


def _tell(reach: Reach, tree: Tree, actor: str) -> None:
    if tree is Tree.OWN:
        journal.write(reach.pool, actor, "tree-arranged", f"user:{reach.user}")
    else:
        journal.write(reach.pool, actor, "shared-tree-arranged", "tree:shared")
