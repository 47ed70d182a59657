"""How often somebody may try something (RELIABILITY Q73).

Law: counts live in this process and are bounded, in number and in time; one web process serves an installation (ADR 1). Whoever asks too
often is told when it will do again. This module does not know what is tried.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

from poststelle.errors import TooOften

_MOST_KEYS = 10_000


class Limit:
    """At most `most` tries in `seconds` for each key (a person, an address, a token)."""

    def __init__(self, code: str, most: int, seconds: float) -> None:
        self._code, self._most, self._seconds = code, most, seconds
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def spend(self, key: str) -> None:
        """Count one try. Raises TooOften (with the limit's code); refused tries do not count."""
        now = time.monotonic()
        with self._lock:
            tries = self._tries.setdefault(key, deque())
            self._tries.move_to_end(key)
            while tries and now - tries[0] >= self._seconds:
                tries.popleft()
            if len(tries) >= self._most:
                raise TooOften(self._code, after=self._seconds - (now - tries[0]))
            tries.append(now)
            if len(self._tries) > _MOST_KEYS:
                self._tries.popitem(last=False)

    def forget(self) -> None:
        """Start anew."""
        with self._lock:
            self._tries.clear()


new_password_by_place = Limit("too-many-tries", 10, 3600)
"""Asking for a new password, by the address one asks from."""
new_password_by_person = Limit("too-many-tries", 3, 3600)
"""Mails with a link to one person: what is beyond is not sent, and nobody is told."""
links = Limit("too-many-tries", 30, 600)
"""Guessing hand-over and invitation links, by the address one guesses from."""
hand_over = Limit("too-many-tries", 10, 3600)
"""Passwords tried through hand-over links, by mailbox: its provider would lock it."""
searches = Limit("too-often", 240, 60)
"""Searches on the pages, by person; programs are counted by their token."""
exports = Limit("too-often", 20, 600)
"""Tables of all mailboxes, by person, wherever they are asked for."""
letters = Limit("too-often", 60, 60)
"""Letters sent from the pages, by person."""
sign_on = Limit("too-many-tries", 300, 60)
"""Beginning to log in by single sign-on, by the address one asks from."""
