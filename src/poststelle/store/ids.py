"""Random, time-ordered ids (UUIDv7, RFC 9562 section 5.7): not guessable, and inserted in index order."""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, 74 random bits."""
    value = int.from_bytes(os.urandom(10), "big") | (time.time_ns() // 1_000_000 << 80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def is_id(text: str) -> bool:
    """Whether the text is an id in its canonical or bare form."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
