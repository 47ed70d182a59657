"""What may wait for the engine: one question instead of five, because it is asked every few seconds however little there is to do.

Law: it says "perhaps" and costs next to nothing; what is really to be done, those find out who do it.
"""

from __future__ import annotations

from typing import NamedTuple

from django.utils import timezone

from poststelle.store.removal import NOWHERE
from poststelle.store.rows import one_row, stored


class Waiting(NamedTuple):
    """Whether there may be: looks somebody wants, follow-ups due, servers to be told something, mail to be sent, accounts to forget."""

    looks: bool
    follow_ups: bool
    errands: bool
    outgoing: bool
    removed: bool


_ASKED = (
    "SELECT EXISTS (SELECT 1 FROM store_livewish WHERE answered_at IS NULL),"
    " EXISTS (SELECT 1 FROM store_task WHERE reminded_at IS NULL AND follow_up_at <= %s AND status <> 'done'),"
    " EXISTS (SELECT 1 FROM store_errand WHERE closed_at IS NULL),"
    " EXISTS (SELECT 1 FROM store_outgoing WHERE state IN ('queued', 'deferred') AND due_at <= %s),"
    " EXISTS (SELECT 1 FROM store_account a JOIN store_pool p ON p.id = a.pool_id WHERE p.name = %s)"
)


def look() -> Waiting:
    """What there may be now."""
    now = stored(timezone.now())
    return Waiting(*map(bool, one_row(_ASKED, [now, now, NOWHERE]) or [True] * 5))
