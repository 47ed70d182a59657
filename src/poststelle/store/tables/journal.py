"""The journal."""

from __future__ import annotations

from django.db import models

from poststelle.store.tables.people import Pool


class Journal(models.Model):
    """Every change: by whom, when, what. Written in the transaction of the change; never updated, never deleted.

    `digest` (SHA-256, hex) covers the entry and `previous`, the digest of the entry before it in the same pool; entries from
    before there was a chain have neither.
    """

    id = models.BigAutoField(primary_key=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    at = models.DateTimeField()
    actor = models.CharField(max_length=254)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    account_id = models.UUIDField(null=True)
    folder_id = models.UUIDField(null=True)
    facts = models.JSONField(default=dict)
    previous = models.CharField(max_length=64, blank=True, default="", db_default="")
    digest = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        indexes = [models.Index(fields=["pool", "id"], name="journal_in_commit_order")]
