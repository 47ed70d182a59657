"""Whom one may be about to write to, at the counter: people from the mail one may read."""

from __future__ import annotations

from collections.abc import Sequence

from poststelle.mail.records import CorrespondentRecord
from poststelle.office.actor import Actor
from poststelle.store import correspondents

MOST = 50


def find(actor: Actor, typed: str, limit: int = 8) -> Sequence[CorrespondentRecord]:
    """People whose name or address has words beginning as typed, at most `limit` (and `MOST`); whom one wrote to first.

    Only from messages the actor may see now; what is in spam or trash counts for nobody.
    """
    return correspondents.find(actor.reach, typed[:200], min(limit, MOST))
