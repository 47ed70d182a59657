"""What a mailbox can become: an archive, or the same mailbox at another provider; and what removing it would take along.

Laws: messages and folders stay; nothing is told to any server. Behind every verb a person has confirmed it. Placements keep their
ids, so that notes, filings and links to them stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from poststelle.errors import Conflict
from poststelle.mail.ports import RemoteFolder, Role
from poststelle.mail.settings import AccountSettings, Authentication, Kind, Receiving, Sending
from poststelle.store import cache, journal, messages, models
from poststelle.store.access import Reach
from poststelle.store.account_rows import endpoint, fill, logins_of, tell_exceptions, was_and_is
from poststelle.store.accounts import account_row, resume
from poststelle.store.login_rows import drop_unused
from poststelle.store.places import LOCAL, MOVED, OURS
from poststelle.store.rows import change, one_row
from poststelle.store.settings_columns import column


@dataclass(frozen=True, slots=True)
class Consequences:
    """What would be lost with an account: messages that lie nowhere else, and what waits or hangs on it."""

    folders: int
    messages: int
    only_here: int
    waiting_to_send: int
    open_errands: int
    grants: int
    hand_overs: int
    is_office_account: bool


def consequences(reach: Reach, account: str) -> Consequences:
    """Counted now. Raises NotFound."""
    row = account_row(reach, account)
    folders = models.Folder.objects.filter(account=row)
    return Consequences(
        folders=folders.filter(vanished_at=None).count(),
        messages=folders.aggregate(held=Sum("total"))["held"] or 0,
        only_here=_only_here(row),
        waiting_to_send=models.Outgoing.objects.filter(
            account=row, state__in=["queued", "deferred", "held", "sending"]
        ).count(),
        open_errands=models.Errand.objects.filter(account=row, closed_at=None).count(),
        grants=row.grants.count(),
        hand_overs=row.hand_overs.filter(used_at=None, expires_at__gt=timezone.now()).count(),
        is_office_account=row.is_office_account,
    )


def _only_here(row: models.Account) -> int:
    """Messages no server holds (any more) and no other mailbox shows."""
    found = one_row(
        "SELECT count(DISTINCT p.message_id) FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"
        " WHERE f.account_id = %s AND (f.place = 'local' OR f.vanished_at IS NOT NULL OR p.remote_id LIKE %s)"
        " AND NOT EXISTS (SELECT 1 FROM store_placement q JOIN store_folder g ON g.id = q.folder_id"
        " WHERE q.message_id = p.message_id AND g.account_id <> f.account_id)",
        [row.pk.hex, "local.%"],
    )
    return int(found[0]) if found else 0


def to_archive(reach: Reach, account: str, *, actor: str) -> None:
    """The mailbox lies here only from now on. Raises NotFound, Conflict("not-convertible")."""
    _keep_what_is_cached(reach, account)
    with transaction.atomic():
        row = account_row(reach, account)
        if row.kind not in {Kind.SYNCHRONISED.value, Kind.FETCH_ONLY.value}:
            raise Conflict("not-convertible", kind=row.kind)
        ways = {way: endpoint(row, way) for way in ("incoming", "outgoing")}
        logins = logins_of(row)
        _without_ways(row)
        row.settings_version += 1
        resume(row)
        row.save()
        drop_unused(logins)
        _keep_here(row)
        tell_exceptions(row, ways, actor)
        journal.write(reach.pool, actor, "account-converted", f"account:{row.pk}", account=row.pk)


def _keep_what_is_cached(reach: Reach, account: str) -> None:
    """What was only looked at cannot be looked at there again."""
    folders = models.Folder.objects.filter(account=account_row(reach, account)).values_list("pk", flat=True)
    cache.keep_for_good(messages.segments(), cache.cached_in(folders))


def _without_ways(row: models.Account) -> None:
    for way in ("incoming", "outgoing"):
        for name, empty in (("protocol", ""), ("host", ""), ("port", None), ("encryption", ""), ("tls", {})):
            setattr(row, f"{way}_{name}", empty)
    row.kind, row.authentication = Kind.ARCHIVE.value, Authentication.NONE.value
    row.login = row.outgoing_login = row.outgoing_server = None
    row.is_office_account = False
    row.receiving, row.sending = column(Receiving()), column(Sending())
    row.watching, row.quota, row.sync_wanted_at = "", None, None


def _keep_here(row: models.Account) -> None:
    account, now = row.pk.hex, timezone.now()
    models.Errand.objects.filter(account=row, closed_at=None).update(closed_at=now, outcome="archived")
    folders = "SELECT id FROM store_folder WHERE account_id = %s"
    change(f"DELETE FROM store_setaside WHERE folder_id IN ({folders})", [account])  # noqa: S608 - our own names
    change(
        f"UPDATE store_placement SET remote_id = '{LOCAL}' || id WHERE folder_id IN ({folders})",  # noqa: S608
        [account],
    )
    rows = models.Folder.objects.filter(account=row)
    rows.filter(vanished_at__isnull=False, total=0).exclude(place="limbo").delete()
    # What was being deleted is deleted as far as anybody here is concerned, and stays out of sight.
    rows.exclude(place="limbo").update(
        place="local", cursor=None, remaining=0, vanished_at=None, loss_accepted=False, rights=None
    )


def move(
    reach: Reach, account: str, settings: AccountSettings, listed: Sequence[RemoteFolder], *, actor: str
) -> Mapping[str, int]:
    """The same mailbox at other servers. Folders found there by role or path go on as they are; messages are recognised by content.

    `listed`: the folders of the new server. How many were ``matched``, are ``new`` there and ``left`` (kept here, readable).
    Raises NotFound, Invalid, Conflict.
    """
    _keep_what_is_cached(reach, account)
    with transaction.atomic():
        row = account_row(reach, account)
        if models.Errand.objects.filter(account=row, closed_at=None).exists():
            raise Conflict("errands-open")
        logins = logins_of(row)
        ways = {way: endpoint(row, way) for way in ("incoming", "outgoing")}
        changed = fill(row, settings, actor=actor)
        row.settings_version += 1
        row.server, row.certificates, row.quota = {}, {}, None
        row.sync_wanted_at = timezone.now()
        resume(row)
        row.save()
        drop_unused(logins)
        counts = _match_folders(row, listed)
        tell_exceptions(row, ways, actor)
        facts = {"host": row.incoming_host, **counts} | was_and_is(changed)
        journal.write(reach.pool, actor, "account-moved", f"account:{row.pk}", account=row.pk, facts=facts)
    return counts


def _match_folders(row: models.Account, listed: Sequence[RemoteFolder]) -> dict[str, int]:
    known = list(models.Folder.objects.filter(account=row, place="remote").order_by("path"))
    # No id of the old server may be taken for one of the new server's; what is not matched stays under this name.
    for folder in known:
        folder.remote_id = f"{MOVED}{folder.pk.hex}"
        folder.save(update_fields=["remote_id"])
    change(
        f"UPDATE store_placement SET remote_id = '{MOVED}' || id WHERE folder_id IN"  # noqa: S608
        f" (SELECT id FROM store_folder WHERE account_id = %s AND place = 'remote') AND {OURS}",
        [row.pk.hex],
    )
    change(
        "DELETE FROM store_setaside WHERE folder_id IN (SELECT id FROM store_folder WHERE account_id = %s)",
        [row.pk.hex],
    )
    matched = 0
    for remote in listed:
        same = _counterpart(remote, known)
        if same is None:
            continue
        known.remove(same)
        matched += 1
        same.remote_id, same.path, same.role = remote.id, list(remote.path), remote.role.value
        same.cursor, same.whole, same.vanished_at, same.identity = None, False, None, ""
        same.generation += 1
        same.save()
    return {"matched": matched, "new": len(listed) - matched, "left": len(known)}


def _counterpart(remote: RemoteFolder, known: Sequence[models.Folder]) -> models.Folder | None:
    by_path = [folder for folder in known if _spelled(folder.path) == _spelled(remote.path)]
    by_role = [folder for folder in known if remote.role is not Role.NONE and folder.role == remote.role.value]
    return next(iter(by_role or by_path), None)


def _spelled(path: Sequence[str]) -> tuple[str, ...]:
    # Many servers hang everything below INBOX, others nothing: the same folder.
    names = tuple(part.casefold() for part in path)
    return names[1:] if len(names) > 1 and names[0] == "inbox" else names
