"""The journal as the actor may read it: change feed of the API, source of the live view."""

from __future__ import annotations

from poststelle.mail.records import JournalRecord, Page
from poststelle.office.actor import Actor
from poststelle.store import journal
from poststelle.store.commits import Commits


def changes(actor: Actor, after: int, limit: int = 50) -> Page[JournalRecord]:
    """Entries after that id, oldest first."""
    return journal.since(actor.reach, after, limit, administrator=actor.is_administrator)


def commits(rest: float) -> Commits:
    """What notices cheaply that there may be new entries, at most once in `rest` seconds; `close` it."""
    return Commits(rest)


def latest() -> int:
    """The newest entry's id, 0 when there is none. Says nothing about content: for everybody who listens."""
    return journal.latest()
