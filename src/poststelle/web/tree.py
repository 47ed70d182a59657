"""The folder tree as it is drawn: special folders first, children under their parents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poststelle.mail.ports import Role
from poststelle.mail.records import AccountRecord, FolderRecord
from poststelle.mail.settings import Right
from poststelle.office.reading import Branch

_RANK = {
    role: rank for rank, role in enumerate((Role.INBOX, Role.DRAFTS, Role.SENT, Role.ARCHIVE, Role.SPAM, Role.TRASH))
}


@dataclass(frozen=True, slots=True)
class Twig:
    """A folder with its depth: how many of its ancestors are in the tree."""

    folder: FolderRecord
    depth: int


@dataclass(frozen=True, slots=True)
class DrawnAccount:
    """An account's part of the tree. `coming_in`: how much of what the server holds is still to come."""

    account: AccountRecord
    twigs: Sequence[Twig]
    may_administer: bool

    @property
    def coming_in(self) -> bool:
        """Mail the server has announced is still on its way."""
        return self.account.expected > self.account.held and self.account.state == "active"

    @property
    def just_added(self) -> bool:
        """Nothing is known of its folders yet."""
        return not self.twigs and self.account.trouble is None


def arranged(branches: Sequence[Branch]) -> list[DrawnAccount]:
    """The tree in the order it is drawn."""
    return [
        DrawnAccount(branch.account, _twigs(branch.folders), Right.ADMINISTER in branch.account.rights)
        for branch in branches
    ]


def _twigs(folders: Sequence[FolderRecord]) -> list[Twig]:
    ranks = {folder.path: _RANK.get(folder.role, len(_RANK)) for folder in folders}

    def key(folder: FolderRecord) -> list[tuple[int, str]]:
        path = folder.path
        return [(ranks.get(path[: n + 1], len(_RANK)), path[n].casefold()) for n in range(len(path))]

    def depth(folder: FolderRecord) -> int:
        return sum(folder.path[:n] in ranks for n in range(1, len(folder.path)))

    return [Twig(folder, min(depth(folder), 8)) for folder in sorted(folders, key=key)]
