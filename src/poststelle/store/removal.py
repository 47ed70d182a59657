"""Accounts that are forgotten: out of everybody's sight at once, then a portion of their rows at a time.

Law: with its removal an account leaves its data pool for one in which nobody is, so that nothing finds it any more. What is left
of it goes in portions, one transaction each; the engine, or the next one, goes on. The server
is not touched, messages stay in their segments. This module does not know rights.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from uuid import UUID

from django.db import transaction

from poststelle.store import correspondents, models, places
from poststelle.store.rows import all_rows, change, column, marks

PORTION, PORTIONS_AT_ONCE = 2_000, 4
"""Whoever removes a small account does all of it at once; what is left of a large one is the engine's."""

_FOLDERS = 200
NOWHERE = "\x7f"
"""Name of the pool in which nobody is; no office can be called so."""


def put_away(row: models.Account) -> None:
    """Take the account out of its pool, and everything from it that others could stumble over. In the caller's transaction."""
    nowhere, _ = models.Pool.objects.get_or_create(name=NOWHERE)
    row.grants.all().delete()
    row.hand_overs.all().delete()
    models.Branch.objects.filter(account=row).delete()
    models.Outgoing.objects.filter(account=row).update(account=None)
    row.pool, row.label, row.active, row.owner = nowhere, str(row.pk), False, None
    row.login = row.outgoing_login = row.outgoing_server = row.incoming_files = row.outgoing_files = None
    row.settings_version += 1
    row.save()


def forgotten() -> Generator[None, None, None]:
    """Forget what is left of removed accounts; gives way after every portion."""
    for account in models.Account.objects.filter(pool__name=NOWHERE).values_list("pk", flat=True):
        while _some(account):
            yield


def _some(account: UUID) -> bool:
    """One portion; whether there may be more."""
    with transaction.atomic():
        if errands := column("SELECT id FROM store_errand WHERE account_id = %s LIMIT %s", [account.hex, PORTION]):
            _stay_where_they_are(errands)
            change(f"UPDATE store_errand SET after_id = NULL WHERE after_id IN ({marks(errands)})", errands)  # noqa: S608
            change(f"DELETE FROM store_errand WHERE id IN ({marks(errands)})", errands)  # noqa: S608
            return True
        if placed := column(
            "SELECT p.id FROM store_folder f JOIN store_placement p ON p.folder_id = f.id WHERE f.account_id = %s LIMIT %s",
            [account.hex, PORTION],
        ):
            change(f"UPDATE store_outgoing SET answers_id = NULL WHERE answers_id IN ({marks(placed)})", placed)  # noqa: S608
            change(f"UPDATE store_errand SET placement_id = NULL WHERE placement_id IN ({marks(placed)})", placed)  # noqa: S608
            change(f"DELETE FROM store_placement WHERE id IN ({marks(placed)})", placed)  # noqa: S608
            return True
        if correspondents.forget(account, PORTION):
            return True
        folders = list(models.Folder.objects.filter(account=account).values_list("pk", flat=True)[:_FOLDERS])
        # What goes from here into another mailbox goes from bytes.
        models.Errand.objects.filter(folder__in=folders, kind="append").update(folder=None)
        models.Folder.objects.filter(pk__in=folders).delete()
        if not folders:
            models.Account.objects.filter(pk=account).delete()
        return bool(folders)


def _stay_where_they_are(errands: Sequence[int]) -> None:
    """What was on its way from other mailboxes into this one, and has not been put there, is not taken off its server."""
    followers = all_rows(
        "SELECT e.id, e.folder_id FROM store_errand e JOIN store_errand first ON first.id = e.after_id AND first.closed_at IS NULL"  # noqa: S608
        f" WHERE e.closed_at IS NULL AND e.after_id IN ({marks(errands)})",
        errands,
    )
    places.close([number for number, _ in followers], places.GONE)
    for folder in {folder for _, folder in followers}:
        places.relist(folder)
