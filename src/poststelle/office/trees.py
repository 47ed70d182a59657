"""The folder trees at the counter: what one sees, and arranging it by hand.

Everybody arranges their own tree; the shared one takes an administrator and is the same for all, each seeing of it what they may.
"""

from __future__ import annotations

from dataclasses import replace

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.tree import EntryKind, Mount, Spot, Tree, Trees
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import arranging, preferences, trees, work

LONGEST_LABEL, LONGEST_QUERY = 200, 500


def shown(actor: Actor, *, everything: bool = False, arranging: bool = False) -> Trees:
    """Both trees as they stand, with all counts. `everything`: also what is folded (for choosing a folder from all).

    `arranging`: as an administrator at work on the shared tree needs it, with empty headings and the names of mailboxes they may
    not read. Raises NotPermitted for others.
    """
    if arranging:
        require_administrator(actor)
    reach = actor.reach
    toggled = preferences.toggled(actor.user.id) if actor.user else []
    made = trees.shown(reach, frozenset(toggled), everything=everything, arranging=arranging)
    return Trees(made[Tree.OWN], made[Tree.SHARED], work.badges(reach), actor.is_administrator)


def mount(actor: Actor, tree: Tree, what: Mount, *, anchor: str | None = None, spot: Spot = Spot.AFTER) -> str:
    """Put an account, a folder, a saved search or a heading before, after or below an entry (its key); at the end without one.

    The new entry's key. Raises NotFound, NotPermitted, Invalid (id, label, query, anchor, entries).
    """
    _may(actor, tree)
    label, query = what.label.strip(), what.query.strip()
    wrong = _wrong_label(label)
    if what.kind in {EntryKind.HEADING, EntryKind.SEARCH} and not label:
        wrong["label"] = "missing"
    if what.kind is EntryKind.SEARCH:
        wrong |= _wrong_query(query)
    if what.kind in {EntryKind.ACCOUNT, EntryKind.FOLDER} and not what.id:
        wrong["id"] = "missing"
    if wrong:
        raise Invalid(wrong)
    what = replace(what, label=label, query=query)
    return arranging.mount(actor.reach, tree, what, anchor, spot, actor=actor.name)


def move(actor: Actor, tree: Tree, key: str, *, anchor: str | None = None, spot: Spot = Spot.AFTER) -> None:
    """Another place for an entry and what lies below it. Raises NotFound, NotPermitted, Invalid (anchor)."""
    _may(actor, tree)
    arranging.move(actor.reach, tree, key, anchor, spot, actor=actor.name)


def rename(actor: Actor, tree: Tree, key: str, label: str) -> None:
    """What the entry is called in this tree; empty gives an account or folder its own name back. Raises NotFound, Invalid (label)."""
    _may(actor, tree)
    if wrong := _wrong_label(label.strip()):
        raise Invalid(wrong)
    arranging.rename(actor.reach, tree, key, label.strip(), actor=actor.name)


def change_query(actor: Actor, tree: Tree, key: str, query: str) -> None:
    """What a saved search looks for. Raises NotFound, NotPermitted, Invalid (query)."""
    _may(actor, tree)
    if wrong := _wrong_query(query.strip()):
        raise Invalid(wrong)
    arranging.change_query(actor.reach, tree, key, query.strip(), actor=actor.name)


def remove(actor: Actor, tree: Tree, key: str) -> None:
    """Take an entry out; folder and mail stay as they are. Raises NotFound, NotPermitted."""
    _may(actor, tree)
    arranging.remove(actor.reach, tree, key, actor=actor.name)


def reset(actor: Actor, tree: Tree) -> None:
    """Back to the tree as it stands by itself. Raises NotPermitted."""
    _may(actor, tree)
    arranging.reset(actor.reach, tree, actor=actor.name)


def fold(actor: Actor, key: str, *, folded: bool) -> None:
    """Fold an entry up, or unfold it, for the acting person."""
    if actor.user is None:
        raise NotPermitted("people-only")
    before = preferences.toggled(actor.user.id)
    by_itself = trees.folds_by_itself(actor.reach, key)
    rest = [one for one in before if one != key]
    after = [*rest, key] if folded is not by_itself else rest
    if set(after) != set(before) and len(key) <= LONGEST_LABEL:
        preferences.toggle(actor.user.id, after)


def _may(actor: Actor, tree: Tree) -> None:
    if tree is Tree.SHARED:
        require_administrator(actor)
    elif actor.user is None:
        raise NotPermitted("people-only")


def _wrong_label(label: str) -> dict[str, str]:
    if len(label) > LONGEST_LABEL:
        return {"label": "too-long"}
    return {} if label.isprintable() else {"label": "control-character"}


def _wrong_query(query: str) -> dict[str, str]:
    if not query:
        return {"query": "missing"}
    return {"query": "too-long"} if len(query) > LONGEST_QUERY else {}
