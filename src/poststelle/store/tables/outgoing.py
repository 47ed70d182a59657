"""Mail on its way out."""

from __future__ import annotations

from django.db import models

from poststelle.mail.ports import RecipientState
from poststelle.store.ids import uuid7
from poststelle.store.tables.mail import Message, Placement
from poststelle.store.tables.mailbox import Account
from poststelle.store.tables.people import User


class Outgoing(models.Model):
    """A message on its way out. Its bytes and Message-ID are fixed when the row is made."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, related_name="outgoing")
    author = models.ForeignKey(User, on_delete=models.PROTECT, null=True)
    sender = models.CharField(max_length=254)
    message = models.ForeignKey(Message, on_delete=models.PROTECT)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null never collides in the constraint
    request_digest = models.CharField(max_length=64, blank=True)
    answers = models.ForeignKey(Placement, on_delete=models.SET_NULL, null=True)
    state = models.CharField(max_length=20, default="queued")
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    data_started_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    trouble = models.JSONField(null=True)
    trouble_since = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["author", "idempotency_key"], name="outgoing_once_per_idempotency_key")
        ]
        indexes = [models.Index(fields=["state", "due_at"], name="outgoing_due")]


class Recipient(models.Model):
    """One recipient of an outgoing message, with a state of its own (RELIABILITY Q20)."""

    outgoing = models.ForeignKey(Outgoing, on_delete=models.CASCADE, related_name="recipients")
    address = models.CharField(max_length=254)
    kind = models.CharField(max_length=3)
    state = models.CharField(max_length=10, default="waiting", choices=[(s.value, s.value) for s in RecipientState])
    answer = models.TextField(blank=True)
