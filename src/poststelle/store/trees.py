"""The folder trees: what a person sees, made of accounts, their folders, and what people arranged by hand.

Law: whatever somebody arranged, nobody sees an account or folder out of reach, and every account within reach stands somewhere: in
the tree it was put into or, where nobody put it anywhere, by itself at the end (a person's own accounts among their folders, all
others among the shared ones), unless it was taken out on purpose. One query counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Q

from poststelle.mail.listing import Place, Where
from poststelle.mail.order import collated
from poststelle.mail.ports import Role
from poststelle.mail.settings import Kind, Right, Scope
from poststelle.mail.tree import EntryKind, Tree, TreeAccount, TreeEntry
from poststelle.store import grants, models
from poststelle.store.access import Reach, reachable
from poststelle.store.branches import branches
from poststelle.store.rows import all_rows, id_text, marks
from poststelle.store.scopes import visible
from poststelle.store.trouble import trouble_record

_RANK = {
    role.value: rank
    for rank, role in enumerate((Role.INBOX, Role.DRAFTS, Role.SENT, Role.ARCHIVE, Role.SPAM, Role.TRASH))
}
_LAST = len(_RANK)
_ROLES = {role.value: role for role in Role}
MANY_ACCOUNTS = 10
"""With more than these, accounts are folded up until somebody unfolds them."""


@dataclass(slots=True)
class _Folder:
    """A folder on its way into a tree."""

    id: str
    path: tuple[str, ...]
    role: str
    selectable: bool
    total: int
    unread: int
    below: list[_Folder] = field(default_factory=list)


def shown(
    reach: Reach, toggled: frozenset[str], *, everything: bool = False, arranging: bool = False
) -> dict[Tree, tuple[TreeEntry, ...]]:
    """Both trees. `toggled`: keys of entries the person folds otherwise than they stand by themselves; `everything`: nothing is folded.

    `arranging`: for administrators at work on the shared tree, with headings above nothing and with the office's mailboxes they may
    not read, as bare names.
    """
    return _Painter(reach, toggled, everything=everything, arranging=arranging).paint()


def folds_by_itself(reach: Reach, key: str) -> bool:
    """Whether an entry is folded up until somebody unfolds it: accounts, where there are many."""
    if key.startswith("branch:"):
        number = key.partition(":")[2]
        rows = (row for tree in Tree for row in branches(reach, tree))
        is_account = any(row.account_id and not row.folder_id for row in rows if str(row.pk) == number)
    else:
        is_account = key.startswith("account:")
    return is_account and len(_accounts(reach)) > MANY_ACCOUNTS


class _Painter:
    """Makes the trees of one person. Folders of accounts that are folded up are not even read."""

    def __init__(self, reach: Reach, toggled: frozenset[str], *, everything: bool, arranging: bool) -> None:
        self._toggled, self._everything, self._arranging = toggled, everything, arranging
        self._arranged = {tree: list(branches(reach, tree)) for tree in Tree}
        self._accounts = _accounts(reach, bare=arranging)
        self._many = len(self._accounts) > MANY_ACCOUNTS
        self._folders = _folders(reach, None if everything else self._open())
        self._by_id = {folder.id: (account, folder) for account, found in self._folders.items() for folder in found}
        self._tops = {account: _nested(found) for account, found in self._folders.items()}

    def paint(self) -> dict[Tree, tuple[TreeEntry, ...]]:
        trees: dict[Tree, tuple[TreeEntry, ...]] = {}
        for tree, rows in self._arranged.items():
            by_parent: dict[Any, list[models.Branch]] = {}
            for row in rows:
                if not row.hidden:
                    by_parent.setdefault(row.parent_id, []).append(row)
            mine = [one for one in self._loose() if one.is_own is (tree is Tree.OWN)]
            trees[tree] = (
                *self._branches(by_parent, None),
                *(self._account(one, "", f"account:{one.account.id}", ()) for one in mine),
            )
        return trees

    def _loose(self) -> list[_Account]:
        """Accounts nobody has put anywhere."""
        rows = [row for rows in self._arranged.values() for row in rows]
        placed = {str(row.account_id) for row in rows if row.account_id and not row.folder_id}
        return [one for number, one in self._accounts.items() if number not in placed]

    def _open(self) -> set[str]:
        """Accounts of which a folder is to be seen."""
        rows = [row for rows in self._arranged.values() for row in rows if not row.hidden]
        unfolded = {
            str(row.account_id) for row in rows if row.account_id and not self._folds(f"branch:{row.pk}", account=True)
        }
        folders = [row.folder_id for row in rows if row.folder_id]
        mounted = models.Folder.objects.filter(pk__in=folders).values_list("account", flat=True)
        loose = {one.account.id for one in self._loose() if not self._folds(f"account:{one.account.id}", account=True)}
        return unfolded | loose | {str(number) for number in mounted}

    def _folds(self, key: str, *, account: bool = False) -> bool:
        return not self._everything and (account and self._many) is not (key in self._toggled)

    def _branches(self, by_parent: Mapping[Any, Sequence[models.Branch]], parent: Any) -> list[TreeEntry]:
        found = [self._branch(row, tuple(self._branches(by_parent, row.pk))) for row in by_parent.get(parent, ())]
        return [entry for entry in found if entry is not None]

    def _branch(self, row: models.Branch, below: tuple[TreeEntry, ...]) -> TreeEntry | None:
        key = f"branch:{row.pk}"
        if row.folder_id is not None:
            known = self._by_id.get(str(row.folder_id))
            return self._folder(known[0], known[1], row.label, key, below) if known else None
        if row.account_id is not None:
            account = self._accounts.get(str(row.account_id))
            return self._account(account, row.label, key, below) if account else None
        if not (row.query or below or row.owner_id or self._arranging):
            # A heading of the shared tree above nothing one may see would only puzzle.
            return None
        kind, where = EntryKind.SEARCH, None
        if not row.query:
            kind, where = EntryKind.HEADING, Where(Place.BRANCH, str(row.pk))
        folded = self._folds(key)
        return TreeEntry(
            key, kind, row.label, Role.NONE, where, row.query, sum(entry.total for entry in below),
            sum(entry.unread for entry in below), True, folded, bool(below), None, "", "", () if folded else below,
        )  # fmt: skip

    def _account(self, one: _Account, label: str, key: str, below: tuple[TreeEntry, ...]) -> TreeEntry:
        account, folded = one.account, self._folds(key, account=True)
        found = self._folders.get(account.id, ())
        inboxes = [folder for folder in found if folder.role == "inbox"]
        children = (
            ()
            if folded
            else tuple([self._folder(account.id, top, "", "", ()) for top in self._tops.get(account.id, ())])
        )
        return TreeEntry(
            key, EntryKind.ACCOUNT, label or account.label, Role.NONE, Where(Place.ACCOUNT, account.id), "",
            sum(folder.total for folder in inboxes), sum(folder.unread for folder in inboxes), key[0] == "b",
            folded, bool(found or below), account, account.id, "", () if folded else children + below,
        )  # fmt: skip

    def _folder(self, account: str, folder: _Folder, label: str, key: str, below: tuple[TreeEntry, ...]) -> TreeEntry:
        is_manual, key = bool(key), key or f"folder:{folder.id}"
        folded = self._folds(key)
        children = () if folded else tuple([self._folder(account, one, "", "", ()) for one in folder.below])
        return TreeEntry(
            key, EntryKind.FOLDER, label or folder.path[-1], _ROLES[folder.role],
            Where(Place.FOLDER, folder.id) if folder.selectable else None, "", folder.total, folder.unread, is_manual,
            folded, bool(folder.below or below), None, account, folder.id, () if folded else children + below,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Account:
    account: TreeAccount
    is_own: bool


def _accounts(reach: Reach, *, bare: bool = False) -> dict[str, _Account]:
    """The accounts within reach that hold mail, by label; with `bare` also the office's others."""
    within = Q(reachable(reach, Right.SEE))
    if bare:
        within |= Q(pool=reach.pool) & ~Q(scope=Scope.PERSONAL.value)
    rows = list(
        models.Account.objects.filter(within)
        .exclude(kind=Kind.SEND_ONLY.value)
        .values_list(
            "id", "label", "address", "kind", "scope", "owner_id", "active", "state", "trouble", "trouble_since"
        )
    )
    rights = grants.rights(reach, [str(row[0]) for row in rows])
    found = {}
    for number, label, address, kind, scope, owner, active, state, trouble, since in sorted(
        rows, key=lambda row: collated(row[1])
    ):
        text = str(number)
        account = TreeAccount(
            text, label, address, Kind(kind), Scope(scope), active, state, trouble_record(trouble, since), 0,
            rights.get(text, frozenset()),
        )  # fmt: skip
        own = scope == Scope.PERSONAL.value and reach.user is not None and str(owner) == reach.user
        found[text] = _Account(account, own)
    remaining = all_rows("SELECT account_id, sum(remaining) FROM store_folder WHERE remaining > 0 GROUP BY account_id")
    for number, count in remaining:
        if (one := found.get(id_text(number))) is not None:
            found[id_text(number)] = _Account(one.account._replace(remaining=count), one.is_own)
    return found


def _folders(reach: Reach, accounts: set[str] | None) -> dict[str, list[_Folder]]:
    """The folders within reach that are to be shown, by account, in the order they are drawn; of other accounts the inboxes."""
    may, bound = visible(reach)
    if accounts is not None:
        may = f"(f.role = 'inbox' OR f.account_id IN ({marks([*accounts]) or 'NULL'})) AND {may}"
        bound = [*(UUID(number).hex for number in accounts), *bound]
    by_account: dict[str, list[_Folder]] = {}
    for number, account, path, role, selectable, total, unread in all_rows(
        "SELECT f.id, f.account_id, f.path, f.role, f.selectable, f.total, f.unread FROM store_folder f"  # noqa: S608
        f" WHERE (f.vanished_at IS NULL OR f.total > 0) AND NOT {_HIDDEN} AND {may}",
        bound,
    ):
        names = _path(path) if isinstance(path, str) else tuple(path)
        by_account.setdefault(account, []).append(
            _Folder(id_text(number), names, role, bool(selectable), total, unread)
        )
    return {id_text(account): _ordered(found) for account, found in by_account.items()}


_HIDDEN = (
    "(f.choices LIKE '%%\"show\": false%%' OR NOT f.subscribed AND f.place = 'remote' AND f.role <> 'inbox'"
    " AND f.choices NOT LIKE '%%\"show\": true%%' AND EXISTS (SELECT 1 FROM store_account h WHERE h.id = f.account_id"
    " AND h.receiving LIKE '%%\"subscribed_only\": true%%'))"
)
"""As Django writes the choices into its JSON: by hand, or because the account shows subscribed folders only (Receiving.shows)."""


def _ordered(folders: list[_Folder]) -> list[_Folder]:
    """Special folders first, then by name, children behind their parents."""
    ranks = {folder.path: _RANK[folder.role] for folder in folders if folder.role in _RANK}

    def key(folder: _Folder) -> list[tuple[int, str]]:
        path = folder.path
        if len(path) == 1:
            return [(ranks.get(path, _LAST), _collated(path[0]))]
        return [(ranks.get(path[: n + 1], _LAST), _collated(path[n])) for n in range(len(path))]

    return sorted(folders, key=key)


def _nested(folders: Iterable[_Folder]) -> list[_Folder]:
    """The topmost folders, every other below the nearest one above it that is there."""
    tops: list[_Folder] = []
    stack: list[_Folder] = []
    for folder in folders:
        while stack and folder.path[: len(stack[-1].path)] != stack[-1].path:
            stack.pop()
        (stack[-1].below if stack else tops).append(folder)
        stack.append(folder)
    return tops


@lru_cache(maxsize=20_000)
def _path(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text)) or ("",)


_collated = lru_cache(maxsize=20_000)(collated)
