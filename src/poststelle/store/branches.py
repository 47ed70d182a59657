"""What people arranged by hand in a folder tree, and which folders an entry stands for."""

from __future__ import annotations

from uuid import UUID

from poststelle.errors import Invalid, NotFound
from poststelle.mail.ports import Role
from poststelle.mail.tree import Tree
from poststelle.store import models
from poststelle.store.access import Reach


def branches(reach: Reach, tree: Tree) -> list[models.Branch]:
    """What was arranged by hand in a tree, siblings in order."""
    owner = UUID(reach.user) if tree is Tree.OWN and reach.user else None
    if tree is Tree.OWN and owner is None:
        return []
    return list(models.Branch.objects.filter(pool=reach.pool, owner=owner).order_by("position", "pk"))


def folders_below(reach: Reach, branch: str) -> list[str]:
    """The folders (hex ids) a branch stands for: its own, the inbox of its account, or all of these below a heading.

    Out of reach they may be: whoever lists them applies the reach. Raises NotFound, Invalid for a saved search.
    """
    rows = [row for tree in Tree for row in branches(reach, tree) if not row.hidden]
    by_id = {str(row.pk): row for row in rows}
    if branch not in by_id:
        raise NotFound("branch-unknown", branch=branch)
    if by_id[branch].query:
        raise Invalid({"where": "is-a-search"})
    chosen, left = [by_id[branch]], [by_id[branch].pk]
    while left:
        below = [row for row in rows if row.parent_id in left]
        chosen += below
        left = [row.pk for row in below]
    accounts = [row.account_id for row in chosen if row.account_id and not row.folder_id]
    inboxes = models.Folder.objects.filter(account__in=accounts, role=Role.INBOX.value).exclude(place="limbo")
    found = [row.folder_id.hex for row in chosen if row.folder_id]
    return list(dict.fromkeys([*found, *(number.hex for number in inboxes.values_list("pk", flat=True))]))
