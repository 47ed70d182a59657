"""Where the copy of what was sent goes: where the account's settings say, and never twice.

Law: a copy that belongs onto a server is an errand that looks for the Message-ID first, so a provider that has put one there itself
is no harm; what no server takes is kept here. Of what the system itself writes there is none: it may hold a link that lets its
recipient in, and is nobody else's to read. This module does not know who may choose a folder; that is `office.accounts`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q

from poststelle.errors import Conflict
from poststelle.mail.ports import SEEN, Role
from poststelle.mail.settings import Right, Sending, SentCopy
from poststelle.store import appending, events, folders, handling, journal, messages, models, places
from poststelle.store.access import Reach, granted_folders
from poststelle.store.ids import is_id, uuid7
from poststelle.store.settings_columns import sending_of

_MOST_OFFERED = 500
log = logging.getLogger(__name__)

_KEPT_HERE = f"{places.LOCAL}sent."


def order(row: models.Outgoing, *, filed_copy: bool, kept_here: str) -> None:
    """Have the copy of a message that has left put where it belongs.

    `filed_copy`: the server that sent it has filed one. `kept_here`: the name of a folder that has to be made for copies kept here.
    """
    account = row.account
    if account is None or row.author_id is None:
        return
    wish = sending_of(account.sending)
    if wish.sent_copy is SentCopy.NONE or (wish.sent_copy is SentCopy.AUTOMATIC and filed_copy):
        return
    target = _target(account, wish) or _here(account, kept_here)
    if target.place == places.REMOTE_PLACE:
        models.Errand.objects.create(
            account_id=target.account_id, folder=target, kind="append", add=SEEN, message=row.message
        )
        return
    pool = row.message.pool_id
    try:
        raw = messages.content(pool, bytes(row.message.sha256))
    except Conflict as damage:
        # The message has left: that its bytes can no longer be read here must not make that unknown.
        log.error("no copy of outgoing %s is kept: %s", row.pk, damage)
        return
    appending.append(
        Reach(pool, None), target, raw, frozenset({SEEN}), received_at=row.sent_at, actor=journal.SYSTEM, batch=uuid7()
    )


def choosable(reach: Reach, account: str | None) -> list[tuple[str, str, Sequence[str], Role]]:
    """Folders copies can go into (id, label of the mailbox, path, role), this account's first: of it all, of others those for sent mail or
    kept here that are within reach by *process*."""
    rows = models.Folder.objects.filter(vanished_at=None, selectable=True).exclude(place=places.LIMBO_PLACE)
    rows = rows.select_related("account").order_by("account__label", "path", "id")
    elsewhere = rows.filter(
        granted_folders(reach, Right.PROCESS), Q(role=Role.SENT.value) | Q(place=places.LOCAL_PLACE)
    )
    if account is None:
        found = [*elsewhere[:_MOST_OFFERED]]
    else:
        found = [*rows.filter(account_id=account), *elsewhere.exclude(account_id=account)[:_MOST_OFFERED]]
    return [(str(row.pk), row.account.label, tuple(row.path), Role(row.role)) for row in found if _takes(row)]


def may_choose(reach: Reach, number: str, account: str | None) -> bool:
    """Whether copies may go into this folder: of the account itself (an id), or within reach by *process*."""
    row = models.Folder.objects.select_related("account").filter(pk=number).first() if is_id(number) else None
    return row is not None and _takes(row) and (
        (account is not None and str(row.account_id) == account) or folders.may(reach, number, Right.PROCESS)
    )  # fmt: skip


def _target(account: models.Account, wish: Sending) -> models.Folder | None:
    """The folder the settings mean; None where copies are kept here in one of their own."""
    if wish.sent_copy is SentCopy.LOCAL:
        return None
    if wish.sent_copy is SentCopy.FOLDER:
        chosen = _chosen(account, wish.sent_folder)
        if chosen is not None:
            return chosen
        events.note(str(account.pk), "sent-folder-gone", level="warning")
    found = folders.with_role(account.pk, Role.SENT)
    return found if found is not None and _takes(found) else None


def _chosen(account: models.Account, number: str) -> models.Folder | None:
    if not is_id(number):
        return None
    found = models.Folder.objects.select_related("account").filter(pk=number, account__pool=account.pool_id).first()
    return found if found is not None and _takes(found) else None


def _takes(folder: models.Folder) -> bool:
    try:
        handling.takes(folder)
    except Conflict:
        return False
    return True


def _here(account: models.Account, name: str) -> models.Folder:
    """The account's folder for copies no server gets; made when the first one comes."""
    rows = models.Folder.objects.filter(account=account, place=places.LOCAL_PLACE, remote_id__startswith=_KEPT_HERE)
    row = rows.first()
    if row is not None:
        return row
    # Beside a server's folders it goes by its name: one of them is, or will be, the folder for sent mail.
    role = Role.NONE if folders.has_server_folders(account) else Role.SENT
    row = models.Folder.objects.create(
        account=account, path=[_free(account.pk, name)], remote_id=f"{_KEPT_HERE}{uuid7().hex}", role=role.value,
        place=places.LOCAL_PLACE,
    )  # fmt: skip
    journal.write(
        account.pool_id, journal.SYSTEM, "folder-created", f"folder:{row.pk}", account=account.pk, folder=row.pk,
        facts={"path": row.path[0]},
    )  # fmt: skip
    return row


def _free(account: UUID, name: str) -> str:
    taken = {tuple(path) for path in models.Folder.objects.filter(account=account).values_list("path", flat=True)}
    number = 1
    while (wanted := name if number == 1 else f"{name} {number}",) in taken:
        number += 1
    return wanted
