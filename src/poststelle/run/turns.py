"""Turns of the threads that answer pages: how many compute at once.

Threads of one interpreter share its lock. Where many fight for it, each loses it at every question to the database and waits for all
others to get it back: the slowest pages become several times slower, and each costs more. So only a few compute while the others wait
in a queue; whoever waits for something else gives its turn away meanwhile.

Law: nobody's turn is waited for long. Who comes back from waiting does not queue up again, because it may hold the database's only
writer by then; and who has computed for long goes on without a turn, so that a page that works off thousands of messages keeps no
place from those that take a moment.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator

AT_ONCE, PATIENCE = 2, 0.2
"""How many compute at once, and for how many seconds a turn is kept."""


class Turns:
    """At most so many threads compute at once, but for those that come back and those that take long; who came first is next."""

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._free, self._patience = at_once, patience
        self._queue: deque[threading.Event] = deque()
        self._lock = threading.Lock()
        self._mine = threading.local()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, and hold it."""
        called = threading.Event()
        with self._lock:
            self._queue.append(called)
            self._call()
        called.wait()
        self._mine.since = time.monotonic()
        try:
            yield
        finally:
            self._let_go()

    @contextlib.contextmanager
    def given_away(self) -> Iterator[None]:
        """Others compute while this thread waits for something. Where it holds no turn, nothing happens."""
        if not self._let_go():
            yield
            return
        try:
            yield
        finally:
            with self._lock:
                self._free -= 1
            self._mine.since = time.monotonic()

    def grow_old(self) -> None:
        """To be said every now and then by whoever computes: after its time this thread goes on beside the others, without a turn."""
        since = getattr(self._mine, "since", None)
        if since is not None and time.monotonic() - since > self._patience:
            self._let_go()

    def _let_go(self) -> bool:
        """Whether there was a turn to let go."""
        if getattr(self._mine, "since", None) is None:
            return False
        self._mine.since = None
        with self._lock:
            self._free += 1
            self._call()
        return True

    def _call(self) -> None:
        while self._free > 0 and self._queue:
            self._free -= 1
            self._queue.popleft().set()


turns = Turns()
