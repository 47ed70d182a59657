"""Whether the journal is as it was written: every entry's digest against the entry and the one before it (RELIABILITY Q74).

The chain begins with the first entry that has a digest; older ones were written by releases without it and are not proved.
Somebody who can write the whole table can write a whole new chain: only a digest noted outside proves the rest (`noted`). This
module reads only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from poststelle.store.journal import digest_of
from poststelle.store.rows import all_rows, column, moment, one_row

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What became of a pool's chain. `unproved`: entries from before it; `broken`: the id of the first entry that does not fit;
    `head`: the last digest that fits, and its entry's id."""

    pool: int
    entries: int
    unproved: int
    broken: int | None
    head: str
    head_id: int


def pools() -> list[int]:
    """Those with a journal."""
    return [int(pool) for pool in column("SELECT DISTINCT pool_id FROM store_journal ORDER BY pool_id", [])]


def heads() -> list[tuple[int, int, str]]:
    """Pool, id and digest of the newest entry of every pool."""
    return [
        (pool, int(row[0]), str(row[1]))
        for pool in pools()
        if (row := one_row("SELECT id, digest FROM store_journal WHERE pool_id = %s ORDER BY id DESC LIMIT 1", [pool]))
    ]


def noted(number: int, digest: str) -> bool:
    """Whether the entry with this id still has the digest somebody noted outside."""
    return one_row("SELECT 1 FROM store_journal WHERE id = %s AND digest = %s", [number, digest]) is not None


def verify(pool: int) -> ChainReport:
    """Go through the whole chain of a pool, in bounded memory; stops at the first entry that does not fit."""
    entries = unproved = 0
    previous, last = "", 0
    for row in _entries(pool):
        number, recorded = row[0], row[9]
        entries += 1
        if not recorded and not previous:
            unproved += 1
            continue
        if row[8] != previous or recorded != _digest(previous, row):
            return ChainReport(pool, entries, unproved, number, previous, last)
        previous, last = recorded, number
    return ChainReport(pool, entries, unproved, None, previous, last)


def _digest(previous: str, row: tuple[Any, ...]) -> str | None:
    _, pool, at, actor, kind, subject, account, folder, *_, facts = row
    try:
        places = [UUID(str(place)) if place else None for place in (account, folder)]
        return digest_of(previous, pool, moment(at), actor, kind, subject, places, json.loads(facts))
    except (ValueError, TypeError):
        return None  # somebody has put there what was never written by `journal.write`


def _entries(pool: int) -> Iterator[tuple[Any, ...]]:
    after = 0
    while True:
        rows = all_rows(
            "SELECT id, pool_id, at, actor, kind, subject, account_id, folder_id, previous, digest, facts FROM store_journal"
            " WHERE pool_id = %s AND id > %s ORDER BY id LIMIT %s",
            [pool, after, _AT_ONCE],
        )
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1][0]
