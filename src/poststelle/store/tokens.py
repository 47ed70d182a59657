"""The index's own words: who may see a message, what comes with it; and where messages lie.

This module does not know the index file.
"""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from poststelle.mail.words import OURS
from poststelle.store.rows import all_rows, moment

WITH_FILES = f"{OURS}files"


def account_token(account: object) -> str:
    """The word that stands for an account (its id)."""
    return f"{OURS}account{UUID(str(account)).hex}"


def pool_token(pool: int) -> str:
    """The word that stands for a pool."""
    return f"{OURS}pool{pool}"


def places(first: int, last: int) -> dict[int, tuple[list[str], datetime]]:
    """Where the messages of this range lie: their accounts' tokens, and when they were received first."""
    found: dict[int, tuple[list[str], datetime]] = {}
    for number, account, at in all_rows(
        "SELECT p.message_id, f.account_id, min(p.received_at) FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"
        " WHERE p.message_id BETWEEN %s AND %s GROUP BY p.message_id, f.account_id",
        [first, last],
    ):
        accounts, earliest = found.get(number, ([], moment(at)))
        found[number] = ([*accounts, account_token(account)], min(earliest, moment(at)))
    return found


def told_places(subject: str, folder: object, facts: object) -> list[tuple[int, str]]:
    """(message, account token) of the placements a journal entry is about."""
    told = json.loads(facts) if isinstance(facts, str) else facts
    first, last = (told.get("first"), told.get("last")) if isinstance(told, dict) else (None, None)
    if not (first and last):
        kind, _, first = subject.partition(":")
        if kind != "message":
            return []
        last = first
    try:
        bounds = [UUID(str(first)).hex, UUID(str(last)).hex, UUID(str(folder)).hex]
    except ValueError:
        return []
    return [
        (number, account_token(account))
        # The sign keeps SQLite from walking the whole folder: ids made together lie together.
        for number, account in all_rows(
            "SELECT p.message_id, f.account_id FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"
            " WHERE p.id BETWEEN %s AND %s AND +p.folder_id = %s",
            bounds,
        )
    ]
