"""Templates: parts of account documents the office fills new accounts with. They hold no secrets."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from poststelle.errors import Invalid, NotFound
from poststelle.mail.records import TemplateRecord
from poststelle.store import journal, models
from poststelle.store.access import Reach
from poststelle.store.ids import is_id


def within(reach: Reach) -> list[TemplateRecord]:
    """Every template of the pool, by label."""
    return [_record(row) for row in models.Template.objects.filter(pool=reach.pool).order_by("label")]


def find(reach: Reach, name: str) -> TemplateRecord:
    """One, by label or id. Raises NotFound."""
    return _record(_row(reach, name))


def put(reach: Reach, name: str | None, label: str, document: Mapping[str, object], *, actor: str) -> str:
    """A new template, or (`name`) new content of one; its id. Raises Invalid({"label": "taken"}), NotFound."""
    with transaction.atomic():
        row = _row(reach, name) if name is not None else models.Template(pool_id=reach.pool)
        row.label, row.document = label, dict(document)
        if models.Template.objects.filter(pool=reach.pool, label__iexact=label).exclude(pk=row.pk).exists():
            raise Invalid({"label": "taken"})
        row.save()
        kind = "template-changed" if name is not None else "template-added"
        journal.write(reach.pool, actor, kind, f"template:{row.pk}", facts={"label": label})
    return str(row.pk)


def remove(reach: Reach, name: str, *, actor: str) -> None:
    """Forget one; accounts filled from it stay as they are. Raises NotFound."""
    with transaction.atomic():
        row = _row(reach, name)
        journal.write(reach.pool, actor, "template-removed", f"template:{row.pk}", facts={"label": row.label})
        row.delete()


def _row(reach: Reach, name: str) -> models.Template:
    rows = models.Template.objects.filter(pool=reach.pool)
    row = rows.filter(pk=name).first() if is_id(name) else rows.filter(label__iexact=name).first()
    if row is None:
        raise NotFound("template-unknown", template=name)
    return row


def _record(row: models.Template) -> TemplateRecord:
    return TemplateRecord(str(row.pk), row.label, row.document, row.created_at)
