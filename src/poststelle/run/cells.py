"""Asking a cell about one thing a stranger sent, from a page somebody waits for.

Law: whatever those bytes are, the asker loses one answer and no more. A few are asked at once; what takes long by its nature (pages,
pictures, words of files) never stands in the way of messages. The warden is started at the first question, and again when it is gone.
What reads strangers' bytes is not even loaded here.
"""

from __future__ import annotations

import json
import logging
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from poststelle.run.turns import turns

log = logging.getLogger(__name__)

LENGTHS = struct.Struct(">QQ")
SECONDS = 20
LARGEST = 256 << 20
_SLOW = frozenset({"words", "picture", "page"})
_PIECE = 1 << 20


class Warden:
    """The process cells are forked from, as its askers hold it. `module` is what it runs. May be asked from any thread."""

    def __init__(self, module: str = "poststelle.run.cell", seconds: float = SECONDS) -> None:
        self._module, self._seconds = module, seconds
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._places = {True: threading.BoundedSemaphore(2), False: threading.BoundedSemaphore(6)}

    def ask(self, question: str, wish: Mapping[str, object], data: bytes) -> tuple[Any, bytes] | None:
        """What a cell answers (a JSON value and bytes, not to be trusted more than what it was asked about), or None."""
        with turns.given_away():
            return self._asked(question, wish, data)

    def _asked(self, question: str, wish: Mapping[str, object], data: bytes) -> tuple[Any, bytes] | None:
        places = self._places[question in _SLOW]
        if len(data) > LARGEST or not places.acquire(timeout=self._seconds):
            return None
        try:
            with self._cell() as cell:
                return self._exchange(cell, json.dumps([question, wish]).encode() + b"\n", data)
        except (OSError, EOFError, ValueError, RecursionError) as error:
            log.info("a cell gave no answer to %s: %r", question, error)
            return None
        finally:
            places.release()

    def start(self) -> None:
        """Have a warden before somebody waits for one. Not waited for: it is ready within a second."""
        with self._lock:
            if self._control is None:
                self._control = self._started()

    def close(self) -> None:
        """Let the warden go; it ends with the last cell's asker."""
        with self._lock:
            if self._control is not None:
                self._control.close()
            self._control = None

    def _cell(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._hand_over(theirs)
            except OSError:
                self.close()
                self._hand_over(theirs)
        ours.settimeout(self._seconds + 1)
        return ours

    def _hand_over(self, theirs: socket.socket) -> None:
        with self._lock:
            if self._control is None:
                self._control = self._started()
            socket.send_fds(self._control, [b"."], [theirs.fileno()])

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, str(theirs.fileno())], pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        return ours

    def _exchange(self, cell: socket.socket, head: bytes, data: bytes) -> tuple[Any, bytes]:
        cell.sendall(head)
        cell.sendall(data)
        cell.shutdown(socket.SHUT_WR)
        told, found = LENGTHS.unpack(_exactly(cell, LENGTHS.size))
        if told + found > 2 * LARGEST:
            raise ValueError(told + found)
        value = json.loads(_exactly(cell, told), object_hook=restored)
        return value, _exactly(cell, found)


def restored(value: dict[str, Any]) -> Any:
    """`cell._plain` undone, for `json.loads` as its ``object_hook``. Raises ValueError for a moment that is none."""
    if value.keys() == {"moment"}:
        return datetime.fromisoformat(value["moment"])
    return date.fromisoformat(value["day"]) if value.keys() == {"day"} else value


def _exactly(cell: socket.socket, size: int) -> bytes:
    received = bytearray(size)
    view = memoryview(received)
    while view:
        count = cell.recv_into(view, min(len(view), _PIECE))
        if not count:
            raise EOFError
        view = view[count:]
    return bytes(received)


warden = Warden()
ask = warden.ask
"""What the office asks (``CELLS`` in Django's settings)."""
