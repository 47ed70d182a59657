"""The server's folder list and our rows: which row is which listed folder, and what the list says put into it.

Laws: a folder keeps its row, with placements, grants and choices, through every rename: recognised by its identity, its id or its
path, in this order of trust. While an errand about a folder is open, the list's word about the same field is ignored. A long list
is worked off in portions, one transaction each, so that others get their turn between them; killed after any of them, the next
list finds the same evidence and goes on. This module does not know what people do to folders (`store.folders`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.mail.ports import RemoteFolder, Role
from poststelle.store import events, journal, models, places
from poststelle.store.ids import uuid7
from poststelle.store.rows import all_rows, column, many, marks, one_row, stored

PORTION = 500
_LONGEST_IDENTITY, _LONGEST_RIGHTS, _LONGEST_OWNER = 255, 40, 255
_COLUMNS = "id, remote_id, place, vanished_at IS NOT NULL, fetch_wanted_at IS NOT NULL, choices, path, role, selectable, subscribed, rights, owner, identity"

Portions = Generator[None, None, list[tuple[UUID, RemoteFolder]]]
"""Work that gives way after every `next`; what it was done for is its value at the end."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a list says of a folder, as the table holds it."""

    path: str
    role: str
    selectable: bool
    subscribed: bool
    rights: str | None
    owner: str
    identity: str


@dataclass(frozen=True, slots=True)
class _Row:
    """A folder here, as the table holds it."""

    id: str
    remote: str
    place: str
    vanished: bool
    wanted: bool
    choices: str
    shown: _Shown

    def choice(self, name: str) -> object:
        """What people set about it; None where they did not."""
        return json.loads(self.choices).get(name) if self.choices != "{}" else None

    @property
    def waits_for_its_id(self) -> bool:
        """It was made here, and the server has not been told or has not said what it calls it."""
        return self.remote.startswith(places.PENDING)


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What the server has still to be told: where it has not, its list is out of date."""

    renamed: Sequence[Sequence[str]]
    subscribing: Collection[str]

    def keep_path(self, row: _Row) -> bool:
        path = json.loads(row.shown.path) if self.renamed else []
        return any(path[: len(above)] == above for above in self.renamed)


def reconcile(pool: int, account: UUID, listed: Sequence[RemoteFolder]) -> Portions:
    """Remember the tree as listed; row and listing, with the role people gave it, of every folder to be fetched."""
    rows = yield from _rows(account)
    leaving = {row.remote for row in rows if row.place == places.LIMBO_PLACE}
    rows = [row for row in rows if row.place == places.REMOTE_PLACE]
    listed = [folder for folder in listed if folder.id not in leaving]
    known = yield from _matched(rows, listed)
    here = {row.id for row in known.values()}
    wishes, changed = _wishes(account), False
    for start in range(0, len(listed), PORTION):
        some = [folder for folder in listed[start : start + PORTION] if _differs(folder, known.get(folder.id), wishes)]
        if some:
            changed |= _put(pool, account, some, known, len(listed))
        yield
    left = [row.id for row in rows if row.id not in here and not row.vanished and not row.waits_for_its_id]
    for start in range(0, len(left), PORTION):
        changed |= _vanish(pool, account, left[start : start + PORTION], len(listed))
        yield
    if changed:
        events.note(str(account), "folders-listed", count=len(listed))
    return [
        (UUID(row.id), replace(folder, role=Role(row.shown.role)))
        for folder in listed
        if (row := known.get(folder.id)) is not None
        and folder.selectable
        and (row.wanted or row.choice("fetch") is not False)
    ]


def _rows(account: UUID) -> Generator[None, None, list[_Row]]:
    """Every folder the account has on its server, or is deleting there."""
    found: list[_Row] = []
    after = ""
    while some := _read("account_id = %s AND remote_id > %s", [account.hex, after]):
        after = some[-1].remote
        found += [row for row in some if row.place != places.LOCAL_PLACE]
        yield
    return found


def _read(condition: str, parameters: Sequence[object]) -> list[_Row]:
    return [
        _Row(
            number, remote, place, bool(vanished), bool(wanted), choices,
            _Shown(path, role, bool(selectable), bool(subscribed), rights, owner, identity),
        )
        for number, remote, place, vanished, wanted, choices, path, role, selectable, subscribed, rights, owner, identity in all_rows(
            f"SELECT {_COLUMNS} FROM store_folder WHERE {condition} ORDER BY remote_id LIMIT %s",  # noqa: S608
            [*parameters, PORTION],
        )
    ]  # fmt: skip


def _matched(rows: Sequence[_Row], listed: Sequence[RemoteFolder]) -> Generator[None, None, dict[str, _Row]]:
    """Which row is which listed folder, by the list's id."""
    found: dict[str, _Row] = {}
    free = {row.id: row for row in rows}
    told = Counter(_identity(folder) for folder in listed)
    held = Counter(row.shown.identity for row in rows)
    by_id = {row.remote: row for row in rows}
    by_identity = {row.shown.identity: row for row in rows if row.shown.identity and held[row.shown.identity] == 1}

    def take(folder: RemoteFolder, row: _Row | None) -> None:
        if row is not None and row.id in free and folder.id not in found:
            found[folder.id] = free.pop(row.id)

    yield
    for folder in listed:
        row = by_id.get(folder.id)
        if row is not None and _may_be(row, folder):
            take(folder, row)
    yield
    for folder in listed:
        if told[_identity(folder)] == 1:
            take(folder, by_identity.get(_identity(folder)))
    yield
    for folder in listed:
        take(folder, by_id.get(folder.id))
    by_path = {row.shown.path: row for row in free.values() if not row.vanished}
    for folder in listed if by_path else ():
        row = by_path.get(_path(folder))
        if row is not None and (row.waits_for_its_id or not row.shown.identity or not folder.identity):
            take(folder, row)
    return found


def _may_be(row: _Row, folder: RemoteFolder) -> bool:
    """Their identities do not say that they are two."""
    return row.shown.identity == _identity(folder) or not row.shown.identity or not folder.identity


def _wishes(account: UUID) -> _Wishes:
    rows = all_rows(
        "SELECT e.kind, f.id, f.path FROM store_errand e JOIN store_folder f ON f.id = e.folder_id"
        " WHERE e.account_id = %s AND e.closed_at IS NULL AND e.kind IN ('rename-folder', 'subscribe')",
        [account.hex],
    )
    return _Wishes(
        [json.loads(path) for kind, _, path in rows if kind == "rename-folder"],
        {number for kind, number, _ in rows if kind == "subscribe"},
    )


def _shown(folder: RemoteFolder, row: _Row | None, wishes: _Wishes) -> _Shown:
    """What is to stand in the row: the list's word, except where people here have the last one."""
    role = (row.choice("role") if row is not None else None) or folder.role.value
    keeps = row is not None and row.id in wishes.subscribing
    return _Shown(
        row.shown.path if row is not None and wishes.keep_path(row) else _path(folder),
        str(role),
        folder.selectable,
        row.shown.subscribed if row is not None and keeps else folder.subscribed,
        folder.rights[:_LONGEST_RIGHTS] if folder.rights is not None else None,
        folder.owner[:_LONGEST_OWNER],
        _identity(folder),
    )


def _differs(folder: RemoteFolder, row: _Row | None, wishes: _Wishes) -> bool:
    if row is None or row.vanished or row.remote != folder.id:
        return True
    return row.shown != _shown(folder, row, wishes)


def _put(pool: int, account: UUID, some: Sequence[RemoteFolder], known: dict[str, _Row], count: int) -> bool:
    """One portion of the list into the rows, as they are by now; whether that changed anything people see.

    `known` follows. A folder that people have begun to delete since the list was matched is left alone.
    """
    with transaction.atomic():
        if one_row("SELECT 1 FROM store_account WHERE id = %s AND pool_id = %s", [account.hex, pool]) is None:
            return False
        numbers = [known[folder.id].id for folder in some if folder.id in known]
        now = {row.id: row for row in _read(f"id IN ({marks(numbers)}) AND place = 'remote'", numbers)}
        wishes = _wishes(account)
        visible, updates, fresh = False, [], []
        _rename(account, [(now[known[f.id].id], f) for f in some if f.id in known and known[f.id].id in now])
        for folder in some:
            row = known.pop(folder.id, None)
            if row is None:
                shown = _shown(folder, None, wishes)
                row = _Row(uuid7().hex, folder.id, places.REMOTE_PLACE, False, False, "{}", shown)
                fresh.append(row)
            elif row.id not in now:
                continue
            else:
                row = now[row.id]
                shown = _shown(folder, row, wishes)
                visible |= row.vanished or replace(row.shown, identity=shown.identity) != shown
                updates.append((*_values(shown), row.id))
            known[folder.id] = replace(row, remote=folder.id, shown=shown, vanished=False)
        many(
            "UPDATE store_folder SET path = %s, role = %s, selectable = %s, subscribed = %s, rights = %s, owner = %s,"
            " identity = %s, vanished_at = NULL WHERE id = %s",
            updates,
        )
        models.Folder.objects.bulk_create([_made(account, row) for row in fresh])
        return _tell(pool, account, count) if visible or fresh else False


def _rename(account: UUID, pairs: Iterable[tuple[_Row, RemoteFolder]]) -> None:
    """New remote ids for these rows. Whoever has one of them now lets go of it: it gets its own in its turn, or is no more."""
    renamed = [(row, folder) for row, folder in pairs if row.remote != folder.id]
    many(
        "UPDATE store_folder SET remote_id = 'renamed.' || id WHERE account_id = %s AND remote_id = %s",
        [(account.hex, folder.id) for _, folder in renamed],
    )
    many("UPDATE store_folder SET remote_id = %s WHERE id = %s", [(folder.id, row.id) for row, folder in renamed])


def _made(account: UUID, row: _Row) -> models.Folder:
    shown = row.shown
    return models.Folder(
        id=UUID(row.id), account_id=account, remote_id=row.remote, path=json.loads(shown.path), role=shown.role,
        selectable=shown.selectable, subscribed=shown.subscribed, rights=shown.rights, owner=shown.owner,
        identity=shown.identity,
    )  # fmt: skip


def _vanish(pool: int, account: UUID, left: Sequence[str], count: int) -> bool:
    """The server lists these no more: what is in them stays readable here; whether any was still there."""
    with transaction.atomic():
        there = column(
            f"SELECT id FROM store_folder WHERE id IN ({marks(left)}) AND place = 'remote' AND vanished_at IS NULL",  # noqa: S608
            left,
        )
        now = stored(timezone.now())
        many("UPDATE store_folder SET vanished_at = %s WHERE id = %s", [(now, number) for number in there])
        return _tell(pool, account, count) if there else False


def _tell(pool: int, account: UUID, count: int) -> bool:
    journal.write(pool, journal.SYSTEM, "folders-listed", f"account:{account}", account=account, facts={"count": count})
    return True


def _values(shown: _Shown) -> tuple[object, ...]:
    return shown.path, shown.role, shown.selectable, shown.subscribed, shown.rights, shown.owner, shown.identity


def _identity(folder: RemoteFolder) -> str:
    return folder.identity[:_LONGEST_IDENTITY]


def _path(folder: RemoteFolder) -> str:
    return json.dumps(folder.path)
