"""Noticing that somebody has committed something, without asking the tables: SQLite's data_version, which costs no disk, and the
kernel's word that the log is being written to (inotify), so that nobody need look while nothing happens.

Law: what it says is "perhaps"; what was committed stands in the journal. The log is written to some moments before the commit
can be seen: after the kernel's word it is looked for ever more slowly, until it has come or has had its time. Where the kernel
does not tell, looking goes on at the slowest pace. Belongs to one thread at a time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import sqlite3
import time

from django.conf import settings as django_settings

FIRST_LOOK_SECONDS, SLOWEST_LOOK_SECONDS = 0.001, 0.2
LONGEST_COMMIT_SECONDS = 2.0
_IN_MODIFY = 0x2


class Commits:
    """Commits of any other connection to the database, in this process or another.

    `rest`: seconds between one and the next, after so many at once as `at_once` says.
    """

    def __init__(self, rest: float = 0.0, *, at_once: int = 1) -> None:
        self._name = str(django_settings.DATABASES["default"]["NAME"])
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None
        self._rest, self._at_once = rest, at_once
        self._pause = self._looked_at = self._heard_at = 0.0
        self._rested_at = 0.0
        """When as many at once may come again as at first."""
        self._awake = False
        self.handle: int | None = None
        """Readable when the log has been written to: then call `heard`. None before the first look, and where nobody tells."""

    @property
    def due(self) -> float:
        """When to look next (`time.monotonic`) if nothing is heard before."""
        return max(self._looked_at + self._pause, self._rested_at - (self._at_once - 1) * self._rest)

    def heard(self) -> None:
        """Take the kernel's word."""
        if self.handle is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(self.handle, 4096)
        self._heard_at = time.monotonic()
        if not self._awake:
            self._awake, self._pause = True, FIRST_LOOK_SECONDS

    def happened(self) -> bool:
        """Look whether there was a commit since the last look. When it cannot be known, there was."""
        now = self._looked_at = time.monotonic()
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._name, timeout=0)
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            self._pause = SLOWEST_LOOK_SECONDS
            return True
        if self.handle is None and self._seen is None:
            # Not before: as long as this connection is open the log is there, and is the same file.
            self.handle = _told_of(f"{self._name}-wal")
        before, self._seen = self._seen, int(version)
        changed = before != self._seen
        if changed:
            self._awake, self._pause = False, FIRST_LOOK_SECONDS
            self._rested_at = max(now, self._rested_at) + self._rest
        elif self.handle is not None and now - self._heard_at > LONGEST_COMMIT_SECONDS:
            self._awake, self._pause = False, float("inf")
        else:
            self._pause = min(2 * self._pause, SLOWEST_LOOK_SECONDS)
        return changed

    def wait(self, most: float) -> bool:
        """Sleep until there was a commit since the last look, at most so many seconds; whether there was."""
        end = time.monotonic() + most
        while (now := time.monotonic()) < end:
            if now >= self.due:
                if self.happened():
                    return True
            elif _is_readable(self.handle, min(end, self.due) - now):
                self.heard()
        return False

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


def _is_readable(handle: int | None, seconds: float) -> bool:
    poll = select.poll()
    if handle is not None:
        poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _told_of(path: str) -> int | None:
    """A descriptor that is readable when the file was written to; None on machines without that."""
    system = ctypes.CDLL(None)
    try:
        handle = int(system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    except AttributeError:
        return None
    if handle >= 0 and system.inotify_add_watch(handle, os.fsencode(path), _IN_MODIFY) < 0:
        os.close(handle)
        return None
    return handle if handle >= 0 else None
