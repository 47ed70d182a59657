"""Exclusive use of a data folder, by flock: a killed process leaves nothing to wait for."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poststelle.errors import Conflict

ENGINE, SERVE = "engine.lock", "serve.lock"


@contextmanager
def held(home: Path, name: str) -> Iterator[None]:
    """Hold the lock. Raises Conflict("lock-taken", by=…) at once when another process has it."""
    handle = os.open(home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, name)
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)


def _take(handle: int, name: str) -> None:
    # A few times, because somebody who only asks (`is_held`) has it for a moment.
    for pause in (0.02, 0.05, 0.1, None):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if pause is None:
                raise Conflict("lock-taken", lock=name, by=os.read(handle, 20).decode("ascii", "replace")) from error
            time.sleep(pause)
        else:
            return


def is_held(home: Path, name: str) -> bool:
    """Whether some process holds it now."""
    try:
        # Nothing is written, so that a disk which takes nothing can be told of.
        handle = os.open(home / name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _take(handle, name)
    except Conflict:
        return True
    finally:
        os.close(handle)
    return False
