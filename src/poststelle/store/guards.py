"""Who may have the files of a message: everybody who may see it, or only the group its mailbox names for files coming in or going out.

Law: the group is asked beside the right *see*, never instead of it; whoever sent a message may have what they sent. Which way a message
went follows from the folder it lies in: sent mail and drafts went out, everything else came in, and what lies in the trash may have done
either. So nobody outside a group moves a message to where the group is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from poststelle.mail.ports import Role
from poststelle.mail.records import FolderRecord
from poststelle.store import models
from poststelle.store.access import Reach
from poststelle.store.rows import chunks

_IN, _OUT = "incoming_files", "outgoing_files"
_SENT = frozenset({Role.SENT, Role.DRAFTS})


def needed(reach: Reach, placements: Sequence[str], into: FolderRecord | None = None) -> str:
    """The name of a group one must belong to for the files of all of these messages; empty where nothing is in the way.

    Messages without files need nobody. `into`: the folder they are to be put into; what the same group guards there counts for nothing.
    """
    for rows, way in _closed(reach, placements):
        goes_on = into is not None and way in _ways(into.role)
        outside = rows.exclude(folder__account=UUID(into.account_id)) if into is not None and goes_on else rows
        name = outside.values_list(f"folder__account__{way}__name", flat=True).first()
        if name is not None:
            return str(name)
    return ""


def closed(reach: Reach, placements: Sequence[str]) -> frozenset[str]:
    """Those of these messages whose files one may not have."""
    return frozenset(
        str(number) for rows, _ in _closed(reach, placements) for number in rows.values_list("pk", flat=True)
    )


def of(reach: Reach, account: str) -> str:
    """The name of a group that guards files of the account (an id) and that the reach is not of; empty where there is none."""
    if reach.user is None:
        return ""
    own = models.Group.objects.filter(members=UUID(reach.user))
    guarding = Q(guards_incoming=UUID(account)) | Q(guards_outgoing=UUID(account))
    outside = models.Group.objects.filter(guarding).exclude(pk__in=own.values("pk"))
    return outside.values_list("name", flat=True).first() or ""


def _ways(role: Role) -> frozenset[str]:
    """The groups asked for what lies in a folder of that role."""
    if role is Role.TRASH:
        return frozenset({_IN, _OUT})
    return frozenset({_OUT if role in _SENT else _IN})


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
        for way in (_IN, _OUT):
            column = f"folder__account__{way}"
            those = rows.filter(folder__role__in=[role.value for role in Role if way in _ways(role)])
            yield those.filter(**{f"{column}__isnull": False}).exclude(**{f"{column}__in": own}), way
