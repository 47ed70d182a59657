"""The journal."""

from __future__ import annotations

from django.db import models

from poststelle.store.tables.people import Pool


class Journal(models.Model):
    """Every change: by whom, when, what. Written in the transaction of the change; never updated, never deleted."""

    id = models.BigAutoField(primary_key=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    at = models.DateTimeField()
    actor = models.CharField(max_length=254)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    account_id = models.UUIDField(null=True)
    folder_id = models.UUIDField(null=True)
    facts = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["pool", "id"], name="journal_in_commit_order")]
