"""A reader process that dies of some messages, wants all memory for others and falls asleep over the rest; `test_readers` runs it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from poststelle.mail.digest import Digest
from poststelle.run import reader

_digest = reader.digest


def digest(raw: bytes) -> Digest:
    if b"poison" in raw:
        os.abort()
    if b"unlucky" in raw and not (told := Path(os.environ["KILLED_ONCE"])).exists():
        told.touch()
        os.abort()
    if b"greedy" in raw:
        bytearray(reader.MEMORY_LIMIT)
    if b"sleep" in raw:
        time.sleep(3600)
    return _digest(raw)


if __name__ == "__main__":
    reader.digest = digest
    reader.main()
