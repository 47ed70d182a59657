"""The folder tree: what the server lists, what people make of it here, and how the two are brought together.

Law: a folder keeps its row, with placements, grants and choices, through every rename: recognised by its identity, its id or its
path, in this order of trust. While an errand about a folder is open, the listing's word about its path is ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.ports import Outcome, RemoteFolder, Role
from poststelle.mail.settings import Right
from poststelle.store import events, journal, models, places
from poststelle.store.access import Reach, granted_folders
from poststelle.store.rows import change, column

KINDS = frozenset({"create-folder", "rename-folder", "delete-folder", "subscribe"})
MOST_NAMES, LONGEST_NAME = 20, 200


def reconcile(pool: int, account: UUID, listed: Sequence[RemoteFolder]) -> list[tuple[UUID, RemoteFolder]]:
    """Remember the tree as listed; row and listing, with the role people gave it, of every folder to be fetched."""
    with transaction.atomic():
        rows = list(models.Folder.objects.filter(account=account, place=places.REMOTE_PLACE))
        deleting = set(
            models.Folder.objects.filter(account=account, place=places.LIMBO_PLACE).values_list("remote_id", flat=True)
        )
        listed = [folder for folder in listed if folder.id not in deleting]
        known = _matched(rows, listed)
        busy = _busy(account, rows)
        _rename([(row, folder) for folder, row in known.items() if row.remote_id != folder.id])
        changed = False
        for folder in listed:
            row = known.get(folder) or models.Folder(account_id=account, remote_id=folder.id)
            known[folder] = row
            changed |= _note(row, folder, busy)
        here = {row.pk for row in known.values()}
        for row in rows:
            if row.pk not in here and row.vanished_at is None and not row.remote_id.startswith(places.PENDING):
                # What was in it stays readable here; the server has nothing more to say about it.
                row.vanished_at = timezone.now()
                row.save(update_fields=["vanished_at"])
                changed = True
        if changed:
            journal.write(
                pool, journal.SYSTEM, "folders-listed", f"account:{account}",
                account=account, facts={"count": len(listed)},
            )  # fmt: skip
            events.note(str(account), "folders-listed", count=len(listed))
        return [
            (known[folder].pk, replace(folder, role=Role(known[folder].role)))
            for folder in listed
            if folder.selectable and known[folder].choices.get("fetch", True)
        ]


def _matched(rows: Sequence[models.Folder], listed: Sequence[RemoteFolder]) -> dict[RemoteFolder, models.Folder]:
    """Which row is which listed folder."""
    found: dict[RemoteFolder, models.Folder] = {}
    free = {row.pk: row for row in rows}
    told = Counter(folder.identity for folder in listed)
    held = Counter(row.identity for row in rows)

    def take(folder: RemoteFolder, row: models.Folder | None) -> None:
        if row is not None and row.pk in free and folder not in found:
            found[folder] = free.pop(row.pk)

    by_id = {row.remote_id: row for row in rows}
    by_identity = {row.identity: row for row in rows if row.identity and held[row.identity] == 1}
    for folder in listed:
        row = by_id.get(folder.id)
        if row is not None and (row.identity == folder.identity or not row.identity or not folder.identity):
            take(folder, row)
    for folder in listed:
        if told[folder.identity] == 1:
            take(folder, by_identity.get(folder.identity))
    for folder in listed:
        take(folder, by_id.get(folder.id))
    by_path = {tuple(row.path): row for row in free.values() if row.vanished_at is None}
    for folder in listed:
        row = by_path.get(folder.path)
        if row is not None and (row.remote_id.startswith(places.PENDING) or not row.identity or not folder.identity):
            take(folder, row)
    return found


def _busy(account: UUID, rows: Iterable[models.Folder]) -> set[UUID]:
    """Rows whose path people here have changed, and the server does not know yet."""
    renamed = [
        tuple(path)
        for path in models.Errand.objects.filter(account=account, kind="rename-folder", closed_at=None).values_list(
            "folder__path", flat=True
        )
    ]
    return {row.pk for row in rows if any(tuple(row.path[: len(path)]) == path for path in renamed)}


def _rename(pairs: Sequence[tuple[models.Folder, RemoteFolder]]) -> None:
    """New remote ids for these rows. Two may swap theirs, so all let go of the old ones first."""
    for row, _ in pairs:
        change("UPDATE store_folder SET remote_id = %s WHERE id = %s", [f"renamed.{uuid4().hex}", row.pk.hex])
    for row, folder in pairs:
        change("UPDATE store_folder SET remote_id = %s WHERE id = %s", [folder.id, row.pk.hex])
        row.remote_id = folder.id


def _note(row: models.Folder, folder: RemoteFolder, busy: set[UUID]) -> bool:
    """Put the listing into the row; whether that changed anything people see."""
    fresh = row._state.adding
    path = row.path if row.pk in busy and not fresh else list(folder.path)
    role = row.choices.get("role") or folder.role.value
    subscribed = row.subscribed if row.pk in _subscribing(row) else folder.subscribed
    told = {
        "path": path, "role": role, "selectable": folder.selectable, "vanished_at": None, "identity": folder.identity[:255],
        "subscribed": subscribed, "rights": folder.rights[:40] if folder.rights is not None else None,
        "owner": folder.owner[:255],
    }  # fmt: skip
    differing = {name: value for name, value in told.items() if getattr(row, name) != value}
    if not differing and not fresh:
        return False
    for name, value in differing.items():
        setattr(row, name, value)
    row.save(force_insert=fresh, update_fields=None if fresh else [*differing])
    return fresh or differing.keys() != {"identity"}


def _subscribing(row: models.Folder) -> set[UUID]:
    if row._state.adding:
        return set()
    return set(
        models.Errand.objects.filter(folder=row, kind="subscribe", closed_at=None).values_list("folder_id", flat=True)
    )


# -- what people do --------------------------------------------------------------------------------------------------


def create(account: models.Account, path: Sequence[str], *, pool: int, actor: str) -> UUID:
    """A new folder, here at once and on the server soon; on accounts without a server here only. Raises Invalid, Conflict."""
    _check(path)
    with transaction.atomic():
        if _at(account.pk, path) is not None:
            raise Conflict("folder-exists")
        row = models.Folder(account=account, path=list(path), remote_id=places.local(), place=places.LOCAL_PLACE)
        row.save()
        if has_server_folders(account):
            errand = _errand(row, "create-folder", actor, path=list(path))
            row.place, row.remote_id = places.REMOTE_PLACE, places.pending(errand.pk)
            row.save()
        _tell(pool, actor, "folder-created", row, {"path": "/".join(path)})
    return row.pk


def rename(row: models.Folder, path: Sequence[str], *, pool: int, actor: str) -> None:
    """Another path for the folder and what lies below it. Raises Invalid, Conflict."""
    _check(path)
    with transaction.atomic():
        old = list(row.path)
        if list(path) == old:
            return
        if list(path[: len(old)]) == old:
            raise Invalid({"path": "below-itself"})
        if _at(row.account_id, path) is not None:
            raise Conflict("folder-exists")
        for below in [one for one in _of(row.account_id) if one.path[: len(old)] == old]:
            below.path = [*path, *below.path[len(old) :]]
            below.save(update_fields=["path"])
        row.path = list(path)
        if row.place == places.REMOTE_PLACE:
            _errand(row, "rename-folder", actor, path=list(path))
        _tell(pool, actor, "folder-renamed", row, {"path": "/".join(path), "was": "/".join(old)})


def delete(row: models.Folder, *, pool: int, actor: str, batch: UUID) -> None:
    """The folder and what lies below it disappear here; the server is told when the time to regret it is over."""
    with transaction.atomic():
        old = list(row.path)
        doomed = [one for one in _of(row.account_id) if one.path[: len(old)] == old]
        for one in sorted(doomed, key=lambda one: len(one.path), reverse=True):
            errand = _errand(one, "delete-folder", actor)
            errand.batch, errand.due_at, errand.remove = batch, timezone.now() + places.TIME_TO_REGRET, one.place
            errand.save(update_fields=["batch", "due_at", "remove"])
            one.place = places.LIMBO_PLACE
            one.save(update_fields=["place"])
        _tell(pool, actor, "folder-deleted", row, {"path": "/".join(old), "count": sum(one.total for one in doomed)})


def restore(row: models.Folder, place: str) -> None:
    """A folder that was to be deleted is back, with its counts."""
    change(
        "UPDATE store_folder SET place = %s, total = (SELECT count(*) FROM store_placement p WHERE p.folder_id = store_folder.id),"
        " unread = (SELECT count(*) FROM store_placement p WHERE p.folder_id = store_folder.id AND NOT p.seen) WHERE id = %s",
        [place, row.pk.hex],
    )


def subscribe(row: models.Folder, *, subscribed: bool, pool: int, actor: str) -> None:
    """(Un)subscribe the folder."""
    with transaction.atomic():
        if row.subscribed == subscribed:
            return
        row.subscribed = subscribed
        row.save(update_fields=["subscribed"])
        if row.place == places.REMOTE_PLACE:
            errand = _errand(row, "subscribe", actor)
            errand.add = "subscribed" if subscribed else ""
            errand.save(update_fields=["add"])
        _tell(pool, actor, "folder-changed", row, {"fields": ["subscribed"]})


def choose(row: models.Folder, choices: Mapping[str, object], *, pool: int, actor: str) -> None:
    """What people set about the folder: ``role`` ("" for what the server says), ``show``, ``fetch``, ``process``."""
    with transaction.atomic():
        merged = {**row.choices, **choices}
        role = merged.get("role")
        if role:
            # One folder of an account has the role: another that was given it by hand gives it back.
            others = [one for one in _of(row.account_id) if one.pk != row.pk and one.choices.get("role") == role]
            for other in others:
                other.choices = {name: value for name, value in other.choices.items() if name != "role"}
                other.role = Role.NONE.value
                other.save(update_fields=["choices", "role"])
            row.role = str(role)
        elif "role" in choices:
            row.role = Role.NONE.value
        fetched = row.choices.get("fetch")
        row.choices = {name: value for name, value in merged.items() if value not in ("", None)}
        row.save(update_fields=["choices", "role"])
        if row.choices.get("fetch") != fetched:
            # Whoever is at work on the account begins anew: nothing is fetched any more that is only to be looked at.
            change(
                "UPDATE store_account SET settings_version = settings_version + 1 WHERE id = %s", [row.account_id.hex]
            )
        _tell(pool, actor, "folder-changed", row, {"fields": sorted(choices)})


def has_server_folders(account: models.Account) -> bool:
    """Whether folders of the account can be made on its server."""
    return account.incoming_protocol not in {"", "pop3"}


def with_role(account: UUID, role: Role) -> models.Folder | None:
    """The account's folder for this purpose: the one people chose, else the server's."""
    rows = [
        row
        for row in models.Folder.objects.filter(account=account, role=role.value, vanished_at=None).order_by(
            "path", "id"
        )
        if row.place != places.LIMBO_PLACE
    ]
    rows.sort(key=lambda row: row.choices.get("role") != role.value)
    return rows[0] if rows else None


# -- how errands about folders end -----------------------------------------------------------------------------------


def performed(errand: models.Errand, outcome: Outcome) -> None:
    """The server has done it."""
    row = errand.folder
    if row is None:
        return
    if errand.kind == "delete-folder":
        forget(row)
    elif errand.kind in {"create-folder", "rename-folder"} and outcome.folder and row.remote_id != outcome.folder:
        twin = models.Folder.objects.filter(account=row.account_id, remote_id=outcome.folder).first()
        if twin is None:
            change("UPDATE store_folder SET remote_id = %s WHERE id = %s", [outcome.folder, row.pk.hex])
        elif row.remote_id.startswith(places.PENDING):
            _merge(row, twin)


def refused(errand: models.Errand, code: str) -> None:
    """The server will not: undone here. What a listing sets right is left to the next one."""
    row = errand.folder
    if row is None:
        return
    if errand.kind == "delete-folder":
        restore(row, errand.remove)
    elif errand.kind == "create-folder" and row.remote_id.startswith(places.PENDING):
        for number in column(
            "SELECT id FROM store_errand WHERE closed_at IS NULL AND target_id = %s ORDER BY id DESC", [row.pk.hex]
        ):
            places.put_back(number, code)
        forget(row)


def forget(row: models.Folder) -> None:
    """The folder is no more, with everything in it."""
    places.remove(column("SELECT id FROM store_placement WHERE folder_id = %s", [row.pk.hex]))
    change("DELETE FROM store_setaside WHERE folder_id = %s", [row.pk.hex])
    change(
        "UPDATE store_errand SET after_id = NULL WHERE after_id IN"
        " (SELECT id FROM store_errand WHERE folder_id = %s OR target_id = %s)",
        [row.pk.hex] * 2,
    )
    change("DELETE FROM store_errand WHERE folder_id = %s OR target_id = %s", [row.pk.hex] * 2)
    row.delete()


def _merge(row: models.Folder, twin: models.Folder) -> None:
    """The folder made here is one the server had listed already."""
    change("UPDATE store_placement SET folder_id = %s WHERE folder_id = %s", [twin.pk.hex, row.pk.hex])
    for column_name in ("folder_id", "target_id"):
        change(f"UPDATE store_errand SET {column_name} = %s WHERE {column_name} = %s", [twin.pk.hex, row.pk.hex])  # noqa: S608
    places.count([(twin.pk.hex, row.total, row.unread)])
    row.delete()


def _check(path: Sequence[str]) -> None:
    if not path or len(path) > MOST_NAMES:
        raise Invalid({"path": "missing" if not path else "too-long"})
    for name in path:
        if not name.strip():
            raise Invalid({"path": "missing"})
        if len(name) > LONGEST_NAME:
            raise Invalid({"path": "too-long"})
        if any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) < 0xE000 for letter in name):
            raise Invalid({"path": "control-character"})


def _of(account: UUID) -> list[models.Folder]:
    """The account's folders as people see them."""
    rows = models.Folder.objects.filter(account=account, vanished_at=None)
    return [row for row in rows if row.place != places.LIMBO_PLACE]


def _at(account: UUID, path: Sequence[str]) -> models.Folder | None:
    return next((row for row in _of(account) if row.path == list(path)), None)


def _errand(row: models.Folder, kind: str, actor: str, *, path: list[str] | None = None) -> models.Errand:
    return models.Errand.objects.create(account_id=row.account_id, folder=row, kind=kind, actor=actor, path=path)


def _tell(pool: int, actor: str, kind: str, row: models.Folder, facts: Mapping[str, object]) -> None:
    journal.write(pool, actor, kind, f"folder:{row.pk}", account=row.account_id, folder=row.pk, facts=facts)


def find(account: UUID, number: str) -> models.Folder:
    """One folder of the account that is not being deleted. Raises NotFound."""
    row = models.Folder.objects.filter(account=account, pk=number).exclude(place=places.LIMBO_PLACE).first()
    if row is None:
        raise NotFound("folder-unknown", folder=number)
    return row


def may(reach: Reach, number: str, right: Right) -> bool:
    """Whether the reach holds this right on the folder, by itself or by its account."""
    return models.Folder.objects.filter(granted_folders(reach, right), pk=number).exists()


def server_allows(rights: str | None, needed: str) -> bool:
    """Whether these rights allow it (letters of RFC 4314; those of RFC 2086 mean several). Without a word of the server's all is."""
    old = {"t": "d", "x": "dc", "k": "c"}
    return rights is None or needed in rights or any(letter in rights for letter in old.get(needed, ""))
