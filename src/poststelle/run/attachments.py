"""The slower pass behind the index: the words of attachments, message by message, the newest first.

A thread of its own, which rests while mail comes in, so that neither mail nor its own words ever wait for it. What is left to do stands
in the index; killed at any moment, it goes on with the message it was at.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing

from django.db import connection

from poststelle.errors import PoststelleError
from poststelle.run.extractors import Extractor
from poststelle.store import disk, index, messages

log = logging.getLogger(__name__)

LOOK_ANYWAY_SECONDS, SET_BACK_SECONDS = 60.0, 10.0
REST_SECONDS = 1.5
"""So long after many messages nothing is read: a mailbox that comes in is whole, and can be searched, before its attachments."""
_AT_ONCE = 20


class Attachments:
    """Reads until told to stop."""

    def __init__(self, extractor: Extractor | None = None) -> None:
        self._extractor = extractor or Extractor()
        self._stopping = threading.Event()
        self._fresh = threading.Event()
        self._rests_until = 0.0
        self._thread = threading.Thread(target=self._run, name="attachments", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def look(self, *, many: bool) -> None:
        """Messages have come: there may be something to read; where many have, once no more come."""
        if many:
            self._rests_until = time.monotonic() + REST_SECONDS
        self._fresh.set()

    def stop(self, seconds: float) -> None:
        """End, whatever is being read; waits at most that long."""
        self._stopping.set()
        self._fresh.set()
        self._extractor.stop()
        if self._thread.is_alive():
            self._thread.join(seconds)

    @property
    def _rest(self) -> float:
        return max(0.0, self._rests_until - time.monotonic())

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._rest):
                self._fresh.clear()
                if self._rest:
                    continue
                try:
                    done = self._some()
                except Exception as error:  # a full disk passes; mail and its own words go on meanwhile
                    disk.set_back(log, "attachments", error)
                    self._stopping.wait(SET_BACK_SECONDS)
                    continue
                if not done and not self._stopping.is_set():
                    self._fresh.wait(LOOK_ANYWAY_SECONDS)
        finally:
            self._extractor.stop()
            connection.close()

    def _some(self) -> int:
        if not index.attachments_wait():
            return 0
        with closing(index.Writer()) as writer:
            some = writer.waiting(_AT_ONCE)
            for number, pool, sha256 in some:
                try:
                    text, complete = self._extractor.read(messages.content(pool, sha256))
                except PoststelleError as error:
                    log.warning("message %s cannot be read back: %s", number, error)
                    text, complete = "", False
                if self._stopping.is_set():
                    break
                if not complete:
                    log.info("message %s: not all of its attachments could be read", number)
                writer.attach(number, text, complete=complete)
                if self._rest:
                    break
        return len(some)
