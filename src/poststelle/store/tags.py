"""Tags: how the keywords on messages are shown, and which of them people are offered; and senders whose pictures may load.

Law: a keyword is offered only to those who see a folder in which it occurs, or where the office has given it a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from django.db import transaction

from poststelle.errors import Invalid, NotFound
from poststelle.mail.order import collated
from poststelle.mail.work import TagRecord
from poststelle.store import journal, models
from poststelle.store.access import Reach
from poststelle.store.rows import all_rows, column, one_row
from poststelle.store.scopes import visible

LABELS: Mapping[str, str] = {
    "$label1": "red", "$label2": "orange", "$label3": "green", "$label4": "blue", "$label5": "purple",
}  # fmt: skip
"""Thunderbird's five labels with its colours; their names are the reader's language's (office.work)."""


def offered(reach: Reach) -> list[TagRecord]:
    """What a message can be tagged with, those the office has named first, then by name."""
    named = _named(reach.pool)
    may, bound = visible(reach)
    seen = {
        str(keyword)
        for known in column(f"SELECT DISTINCT f.keywords FROM store_folder f WHERE f.keywords <> '[]' AND {may}", bound)  # noqa: S608
        for keyword in (known if isinstance(known, list) else json.loads(known))
    }
    taken = {keyword.lower() for keyword in named}
    others = {keyword.lower(): keyword for keyword in sorted(seen) if keyword.lower() not in taken}
    return [
        *sorted(named.values(), key=lambda tag: collated(tag.name)),
        *sorted((_plain(keyword) for keyword in others.values()), key=lambda tag: collated(tag.name)),
    ]


def by_keyword(pool: int) -> dict[str, TagRecord]:
    """The office's tags by keyword in lower case."""
    return {keyword.lower(): tag for keyword, tag in _named(pool).items()}


def shown(named: Mapping[str, TagRecord], keyword: str) -> TagRecord:
    """How a keyword is shown."""
    return named.get(keyword.lower()) or _plain(keyword)


def put(reach: Reach, keyword: str, name: str, colour: str, *, actor: str) -> TagRecord:
    """Give a keyword a name and a colour. Raises Invalid({"name": "taken"})."""
    with transaction.atomic():
        others = models.Tag.objects.filter(pool=reach.pool).exclude(keyword__iexact=keyword)
        if others.filter(name__iexact=name).exists():
            raise Invalid({"name": "taken"})
        row = models.Tag.objects.filter(pool=reach.pool, keyword__iexact=keyword).first()
        row = row or models.Tag(pool_id=reach.pool, keyword=keyword)
        if (row.name, row.colour) != (name, colour):
            row.name, row.colour = name, colour
            row.save()
            journal.write(
                reach.pool, actor, "tag-changed", f"tag:{row.keyword}", facts={"name": name, "colour": colour}
            )
    return TagRecord(row.keyword, row.name, row.colour, is_defined=True)


def remove(reach: Reach, keyword: str, *, actor: str) -> None:
    """Forget name and colour; messages keep the keyword. Raises NotFound."""
    with transaction.atomic():
        deleted, _ = models.Tag.objects.filter(pool=reach.pool, keyword__iexact=keyword).delete()
        if not deleted:
            raise NotFound("tag-unknown", tag=keyword)
        journal.write(reach.pool, actor, "tag-removed", f"tag:{keyword}")


def exists(reach: Reach, keyword: str) -> bool:
    """Whether the office has named the keyword."""
    return models.Tag.objects.filter(pool=reach.pool, keyword__iexact=keyword).exists()


def _named(pool: int) -> dict[str, TagRecord]:
    rows = all_rows("SELECT keyword, name, colour FROM store_tag WHERE pool_id = %s", [pool])
    return {keyword: TagRecord(keyword, name, colour, is_defined=True) for keyword, name, colour in rows}


def _plain(keyword: str) -> TagRecord:
    return TagRecord(keyword, keyword.lstrip("$").replace("_", " "), LABELS.get(keyword.lower(), ""), is_defined=False)


# -- trust -----------------------------------------------------------------------------------------------------------


def trust(user: str, address: str) -> None:
    """Always show this sender's remote pictures to this person."""
    models.Trust.objects.get_or_create(user_id=UUID(user), address=address.lower())


def distrust(user: str, address: str) -> None:
    """No longer."""
    models.Trust.objects.filter(user=UUID(user), address=address.lower()).delete()


def is_trusted(user: str, address: str) -> bool:
    """Whether the person said so."""
    found = one_row("SELECT 1 FROM store_trust WHERE user_id = %s AND address = %s", [UUID(user).hex, address.lower()])
    return found is not None


def trusted(user: str) -> list[str]:
    """Every address the person trusts so."""
    return list(models.Trust.objects.filter(user=UUID(user)).order_by("address").values_list("address", flat=True))
