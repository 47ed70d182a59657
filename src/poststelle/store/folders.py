"""The folder tree as people shape it: folders made, renamed, deleted, subscribed and chosen here, and how the errands about them end.

Law: what is done here is shown at once, and undone here if the server refuses. What the server lists is `store.listing`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.ports import Outcome, Role
from poststelle.mail.settings import Right
from poststelle.store import journal, models, places
from poststelle.store.access import Reach, granted_folders
from poststelle.store.rows import change, column

KINDS = frozenset({"create-folder", "rename-folder", "delete-folder", "subscribe"})
MOST_NAMES, LONGEST_NAME = 20, 200


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
    """The account's folder for this purpose: the one people chose, else the server's, else one kept here."""
    rows = [
        row
        for row in models.Folder.objects.filter(account=account, role=role.value, vanished_at=None).order_by(
            "path", "id"
        )
        if row.place != places.LIMBO_PLACE
    ]
    rows.sort(key=lambda row: (row.choices.get("role") != role.value, row.place != places.REMOTE_PLACE))
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
    """The folder is no more, with everything in it; what was on its way out of it gets where it was to go."""
    places.let_out(row.pk)
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
