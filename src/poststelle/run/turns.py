"""Turns of the threads that answer pages: how many compute at once.

Threads of one interpreter share its lock. Where many fight for it, each loses it at every question to the database and waits for all
others to get it back: the slowest pages become several times slower, and each costs more. So only a few compute while the others wait
in a queue; whoever waits for something else gives its turn away meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

AT_ONCE = 4
"""More than one or two would need, because whoever waits for the database's only writer keeps the turn."""


class Turns:
    """At most so many threads compute at once."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = threading.Semaphore(at_once)
        self._mine = threading.local()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, and hold it."""
        with self._free:
            self._mine.held = True
            try:
                yield
            finally:
                self._mine.held = False

    @contextlib.contextmanager
    def given_away(self) -> Iterator[None]:
        """Others compute while this thread waits for something. Where it holds no turn, nothing happens."""
        if not getattr(self._mine, "held", False):
            yield
            return
        self._free.release()
        try:
            yield
        finally:
            self._free.acquire()


turns = Turns()
