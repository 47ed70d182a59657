"""Asking a confined process about one file, from a page somebody waits for. At most a few at once; a slow or greedy file costs its answer only."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

SECONDS = 20.0
LARGEST = 64 << 20
_places = threading.BoundedSemaphore(2)


def words(name: str, content_type: str, data: bytes) -> str | None:
    """The words of a file; None when it cannot be read."""
    answer = _ask(["words", name[-255:], content_type], data)
    return None if answer is None else answer.decode("utf-8", "replace")


def picture(data: bytes) -> bytes | None:
    """A raster picture made again as PNG or JPEG; None for anything else and anything too big."""
    return _ask(["picture", "", ""], data)


def _ask(wanted: list[str], data: bytes) -> bytes | None:
    if len(data) > LARGEST or not _places.acquire(timeout=SECONDS):
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-m", "poststelle.run.previewer"], input=json.dumps(wanted).encode() + b"\n" + data,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS + 5, check=False,
        )  # fmt: skip
    except (subprocess.TimeoutExpired, OSError):
        return None
    finally:
        _places.release()
    return done.stdout if done.returncode == 0 and done.stdout else None
