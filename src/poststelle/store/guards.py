"""Who may have the files of a message: everybody who may see it, or only the group its mailbox names for files coming in or going out.

Law: the group is asked beside the right *see*, never instead of it; whoever sent a message may have what they sent. Which way a message
went follows from the folder it lies in: sent mail and drafts went out, everything else came in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from poststelle.mail.ports import Role
from poststelle.store import models
from poststelle.store.access import Reach
from poststelle.store.rows import chunks

_OUT = frozenset({Role.SENT.value, Role.DRAFTS.value})


def needed(reach: Reach, placements: Sequence[str], into: str | None = None) -> str:
    """The name of a group one must belong to for the files of all of these messages; empty where nothing is in the way.

    Messages without files need nobody. `into`: the account (an id) they are to be put into; what lies in it already counts for nothing.
    """
    for rows, way in _closed(reach, placements):
        outside = rows if into is None else rows.exclude(folder__account=UUID(into))
        name = outside.values_list(f"folder__account__{way}__name", flat=True).first()
        if name is not None:
            return str(name)
    return ""


def closed(reach: Reach, placements: Sequence[str]) -> frozenset[str]:
    """Those of these messages whose files one may not have."""
    return frozenset(
        str(number) for rows, _ in _closed(reach, placements) for number in rows.values_list("pk", flat=True)
    )


def _closed(reach: Reach, placements: Sequence[str]) -> Iterator[tuple[QuerySet[models.Placement], str]]:
    """Those with files for a group the reach is not of, and the column that names it."""
    guarding = Q(incoming_files__isnull=False) | Q(outgoing_files__isnull=False)
    if reach.user is None or not models.Account.objects.filter(guarding, pool=reach.pool).exists():
        return
    person = UUID(reach.user)
    own = models.Group.objects.filter(members=person).values("pk")
    for some in chunks(placements):
        rows = models.Placement.objects.filter(pk__in=[UUID(one) for one in some], message__has_attachments=True)
        rows = rows.exclude(message__in=models.Outgoing.objects.filter(author=person).values("message"))
        for way, those in (
            ("incoming_files", rows.exclude(folder__role__in=_OUT)),
            ("outgoing_files", rows.filter(folder__role__in=_OUT)),
        ):
            column = f"folder__account__{way}"
            yield those.filter(**{f"{column}__isnull": False}).exclude(**{f"{column}__in": own}), way
