"""Whether what is stored is whole: asked by people who look after an installation. Reads only."""

from __future__ import annotations

from poststelle.errors import Conflict, NotFound
from poststelle.store.messages import content
from poststelle.store.rows import all_rows, column


def database_faults() -> list[str]:
    """What SQLite finds wrong with its file; empty when nothing."""
    return [line for line in column("PRAGMA quick_check(20)", []) if line != "ok"]


def unreadable(newest: int) -> int:
    """How many of the newest messages do not give back their bytes."""
    rows = all_rows("SELECT pool_id, sha256 FROM store_message ORDER BY id DESC LIMIT %s", [newest])
    return sum(not _readable(pool, bytes(sha256)) for pool, sha256 in rows)


def _readable(pool: int, sha256: bytes) -> bool:
    try:
        content(pool, sha256)
    except (Conflict, NotFound):
        return False
    return True
