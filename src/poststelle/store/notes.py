"""Internal notes on messages, and whose attention they want.

Law: as in `store.work`. Who is mentioned is found by name among those who may see the message: nobody else could follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.errors import NotFound
from poststelle.mail.records import UserRecord
from poststelle.mail.work import NoteRecord
from poststelle.store import models
from poststelle.store.access import Reach
from poststelle.store.people import user_record
from poststelle.store.rows import all_rows, chunks, marks
from poststelle.store.work import Spot, tell


def of(message: int, user: str | None) -> list[NoteRecord]:
    """The notes on a message, oldest first; `user`: who asks."""
    if not counts([message]):
        return []
    rows = models.Note.objects.filter(message=message).select_related("author").prefetch_related("mentions__user")
    return [_record(row, user) for row in rows.order_by("created_at", "pk")]


def counts(messages: Iterable[int]) -> dict[int, int]:
    """How many notes these messages have; those without are missing."""
    found: dict[int, int] = {}
    for some in chunks(messages):
        found |= dict(
            all_rows(
                f"SELECT message_id, count(*) FROM store_note WHERE message_id IN ({marks(some)}) GROUP BY message_id",  # noqa: S608
                some,
            )
        )
    return found


def add(reach: Reach, spot: Spot, author: str, text: str, mentioned: Sequence[UserRecord], *, actor: str) -> NoteRecord:
    """A note, telling those it mentions."""
    with transaction.atomic():
        row = models.Note.objects.create(message_id=spot.message, author_id=author, text=text)
        _mention(row, mentioned)
        tell(reach, spot, "note-added", actor, {"note": str(row.pk), "mentions": [one.id for one in mentioned]})
    return _record(row, author)


def change(reach: Reach, spot: Spot, note: str, author: str, text: str, mentioned: Sequence[UserRecord], *, actor: str) -> NoteRecord:  # fmt: skip
    """Another text for one's own note. Raises NotFound for anybody else's."""
    with transaction.atomic():
        row = _own(spot, note, author)
        row.text, row.changed_at = text, timezone.now()
        row.save()
        _mention(row, mentioned)
        tell(reach, spot, "note-changed", actor, {"note": note, "mentions": [one.id for one in mentioned]})
    return _record(row, author)


def remove(reach: Reach, spot: Spot, note: str, author: str, *, actor: str) -> None:
    """Take one's own note away. Raises NotFound for anybody else's."""
    with transaction.atomic():
        _own(spot, note, author).delete()
        tell(reach, spot, "note-removed", actor, {"note": note})


def mentioned_in(text: str, people: Sequence[UserRecord]) -> list[UserRecord]:
    """Whom the text names: ``@`` and a whole name, e-mail address, or what stands before its at sign; whatever the case."""
    folded = text.casefold()
    if "@" not in folded:
        return []
    found = []
    for person in people:
        names = {person.name, person.email, person.email.partition("@")[0], person.name.partition(" ")[0]}
        if person.name.partition(" ")[0] in {other.name.partition(" ")[0] for other in people if other != person}:
            names.discard(person.name.partition(" ")[0])
        if any(re.search(rf"@{re.escape(name.casefold())}(?!\w|@|\.\w)", folded) for name in names if name):
            found.append(person)
    return found


def _mention(row: models.Note, mentioned: Sequence[UserRecord]) -> None:
    """Who was mentioned before and has looked need not look again."""
    wanted = {UUID(one.id) for one in mentioned}
    row.mentions.exclude(user__in=wanted).delete()
    models.Mention.objects.bulk_create(
        [models.Mention(note=row, user_id=user) for user in wanted], ignore_conflicts=True
    )


def _own(spot: Spot, note: str, author: str) -> models.Note:
    try:
        row = models.Note.objects.filter(pk=UUID(note), message=spot.message, author=UUID(author)).first()
    except ValueError:
        row = None
    if row is None:
        raise NotFound("note-unknown", note=note)
    return row


def _record(row: models.Note, user: str | None) -> NoteRecord:
    mentions = sorted((user_record(one.user) for one in row.mentions.all()), key=lambda one: one.name)
    return NoteRecord(
        str(row.pk), user_record(row.author), row.text, mentions, row.created_at, row.changed_at,
        user is not None and str(row.author_id) == user,
    )  # fmt: skip
