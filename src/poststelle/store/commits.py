"""Noticing that somebody has committed something, without asking the tables: SQLite's data_version, which costs no disk.

Law: what it says is "perhaps"; what was committed stands in the journal. Belongs to one thread at a time.
"""

from __future__ import annotations

import sqlite3

from django.conf import settings as django_settings


class Commits:
    """Commits of any other connection to the database, in this process or another."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None

    def happened(self) -> bool:
        """Whether there was one since the last call. When it cannot be known, there was."""
        try:
            if self._connection is None:
                name = str(django_settings.DATABASES["default"]["NAME"])
                self._connection = sqlite3.connect(name, timeout=0)
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return True
        before, self._seen = self._seen, int(version)
        return before != self._seen

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
