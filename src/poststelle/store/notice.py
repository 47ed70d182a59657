"""The office's notice to be acknowledged before a new mailbox: its text, and who wrote it when.

The journal keeps every text there has been under its version, so that what somebody acknowledged can always be read again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from poststelle.store import journal
from poststelle.store.access import Reach
from poststelle.store.models import Office

_KEY = "notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """`version` names the text, whoever wrote it; both are empty where there is no notice."""

    text: str = ""
    version: str = ""
    by: str = ""
    at: str = ""


def current() -> Notice:
    """What has to be acknowledged now."""
    preferences = Office.objects.values_list("preferences", flat=True).first() or {}
    return Notice(**preferences.get(_KEY, {}))


def put(reach: Reach, text: str, *, actor: str) -> Notice:
    """Another text; an empty one switches it off."""
    before = current()
    if before.text == text:
        return before
    version = hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""
    made = {"text": text, "version": version, "by": actor, "at": timezone.now().isoformat(timespec="seconds")}
    with transaction.atomic():
        office = Office.objects.get()
        office.preferences = office.preferences | {_KEY: made if text else {}}
        office.save(update_fields=["preferences"])
        journal.write(reach.pool, actor, "notice-changed", "office:1", facts={"version": version, "text": text})
    return current()
