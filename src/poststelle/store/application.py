"""Applying one batch to one folder, in one transaction: placements, flags, removals, set-asides, journal, counts and cursor.

Law: twice equals once, and what is in the server's batch but not held, not kept, not set aside is simply not there yet; the
cursor vouches only for what this transaction wrote. While an errand about a flag of a message is open, the server's word about
that flag is ignored: that is the entire conflict rule.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.mail import digest as digests
from poststelle.mail.digest import Digest
from poststelle.mail.ports import SEEN, Arrival, RemoteId
from poststelle.mail.shelf import Observation, Tally
from poststelle.store import journal
from poststelle.store.blobs import Entry, Written
from poststelle.store.ids import uuid7
from poststelle.store.rows import all_rows, change, chunks, column, flags_from, flags_text, many, marks, one_row, stored


@dataclass(slots=True)
class Kept:
    """Durable messages of one batch: by remote id their SHA-256; by SHA-256 where they lie and what they say, if new here."""

    content: dict[RemoteId, bytes] = field(default_factory=dict)
    entries: dict[bytes, tuple[Written, Entry]] = field(default_factory=dict)
    digests: dict[bytes, Digest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """A placement as it stands before the batch."""

    remote: RemoteId
    id: str
    flags: str
    seen: bool
    generation: int


def placements(folder: UUID, ids: Sequence[RemoteId]) -> list[Placed]:
    """Those of `ids` that are held in the folder."""
    rows: list[Placed] = []
    for some in chunks(ids):
        rows += [
            Placed(RemoteId(remote), number, flags, bool(seen), generation)
            for remote, number, flags, seen, generation in all_rows(
                "SELECT remote_id, id, flags, seen, generation FROM store_placement"  # noqa: S608 - placeholders only
                f" WHERE folder_id = %s AND remote_id IN ({marks(some)})",
                [folder.hex, *some],
            )
        ]
    return rows


def message_ids(pool: int, contents: Sequence[bytes]) -> dict[bytes, int]:
    """The rows of those contents (SHA-256) that the pool holds."""
    found: dict[bytes, int] = {}
    for some in chunks(contents):
        found |= {
            bytes(content): number
            for content, number in all_rows(
                f"SELECT sha256, id FROM store_message WHERE pool_id = %s AND sha256 IN ({marks(some)})",  # noqa: S608
                [pool, *some],
            )
        }
    return found


def keep_messages(pool: int, entries: Mapping[bytes, tuple[Written, Entry]], read: Mapping[bytes, Digest]) -> None:
    """Rows for durable messages and their segments. What the pool holds already stays as it is."""
    if not entries:
        return
    now = stored(timezone.now())
    segments: dict[str, Written] = {written.name: written for written, _ in entries.values()}
    many(
        "INSERT INTO store_segment (name, bytes, created_at) VALUES (%s, %s, %s) ON CONFLICT (name) DO NOTHING",
        [(written.name, written.bytes, now) for written in segments.values()],
    )
    numbers = dict(
        all_rows(f"SELECT name, id FROM store_segment WHERE name IN ({marks([*segments])})", [*segments])  # noqa: S608
    )
    many(
        'INSERT INTO store_message (pool_id, sha256, size, segment_id, "offset", length, subject, from_name, from_address,'
        ' recipients, sent_at, message_id, "references", preview, has_attachments, defects, digest_version, created_at)'
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (pool_id, sha256) DO NOTHING",
        [
            (
                pool,
                content,
                entry.size,
                numbers[written.name],
                entry.offset,
                entry.length,
                *_columns(read[content]),
                now,
            )
            for content, (written, entry) in entries.items()
        ],
    )


def _columns(one: Digest) -> tuple[object, ...]:
    return (
        _storable(one.subject),
        _storable(one.sender[0]),
        _storable(one.sender[1]),
        _storable(json.dumps(list(one.recipients), ensure_ascii=False)),
        stored(one.sent_at) if one.sent_at else None,
        _storable(one.message_id),
        _storable(" ".join(one.references)),
        _storable(one.preview),
        one.has_attachments,
        " ".join(one.defects),
        digests.VERSION,
    )


def _storable(text: str) -> str:
    # Lone surrogates cannot be encoded, NUL is refused by PostgreSQL; the bytes keep both.
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def apply(pool: int, account: UUID, folder: UUID, seen: Observation, kept: Kept) -> Tally:
    """Apply the observation. An account removed meanwhile makes it a no-op."""
    with transaction.atomic():
        row = one_row("SELECT generation FROM store_folder WHERE id = %s", [folder.hex])
        if row is None:
            return Tally()
        return _Application(pool, account, folder, int(row[0]), seen, kept).run()


def unconfirmed(folder: UUID) -> list[RemoteId] | None:
    """What the folder's current generation has not confirmed; None when it has been swept."""
    row = one_row("SELECT generation, swept FROM store_folder WHERE id = %s", [folder.hex])
    if row is None or row[0] == row[1]:
        return None
    return [
        RemoteId(remote)
        for remote in column(
            "SELECT remote_id FROM store_placement WHERE folder_id = %s AND generation < %s", [folder.hex, row[0]]
        )
    ]


def sweep(pool: int, account: UUID, folder: UUID, gone: Collection[RemoteId]) -> Tally:
    """Remove these placements; the folder's current generation is swept."""
    with transaction.atomic():
        removed = _remove(placements(folder, [*gone]))
        change(
            "UPDATE store_folder SET swept = generation, loss_accepted = %s, total = total - %s, unread = unread - %s WHERE id = %s",
            [False, len(removed), sum(not placed.seen for placed in removed), folder.hex],
        )
        _write_journal(pool, account, folder, "messages-removed", [placed.id for placed in removed])
        return Tally(removed=len(removed))


def _remove(removed: Sequence[Placed]) -> Sequence[Placed]:
    many("DELETE FROM store_errand WHERE placement_id = %s", [(placed.id,) for placed in removed])
    many("UPDATE store_outgoing SET answers_id = NULL WHERE answers_id = %s", [(placed.id,) for placed in removed])
    many("DELETE FROM store_placement WHERE id = %s", [(placed.id,) for placed in removed])
    return removed


def _write_journal(pool: int, account: UUID, folder: UUID, kind: str, numbers: Sequence[str]) -> None:
    """One entry for all of them."""
    if numbers:
        facts = {"count": len(numbers), "first": str(UUID(min(numbers))), "last": str(UUID(max(numbers)))}
        journal.write(pool, journal.SYSTEM, kind, f"folder:{folder}", account=account, folder=folder, facts=facts)


class _Application:
    def __init__(self, pool: int, account: UUID, folder: UUID, generation: int, seen: Observation, kept: Kept) -> None:
        self._pool, self._account, self._folder = pool, account, folder
        self._generation = generation
        self._seen, self._kept = seen, kept
        self._total = self._unread = 0
        self._arrivals: Mapping[RemoteId, Arrival] = {arrival.id: arrival for arrival in seen.arrivals}

    def run(self) -> Tally:
        self._held = {placed.remote: placed for placed in placements(self._folder, sorted(self._concerned()))}
        removed = self._remove()
        fresh = self._place()
        changed = self._flag()
        set_aside = self._set_aside()
        self._close()
        _write_journal(self._pool, self._account, self._folder, "messages-arrived", fresh)
        _write_journal(self._pool, self._account, self._folder, "messages-changed", changed)
        _write_journal(self._pool, self._account, self._folder, "messages-removed", [placed.id for placed in removed])
        if set_aside:
            journal.write(
                self._pool, journal.SYSTEM, "message-set-aside", f"folder:{self._folder}", account=self._account,
                folder=self._folder, facts={"count": set_aside},
            )  # fmt: skip
        return Tally(len(fresh), len(changed), len(removed), set_aside)

    def _concerned(self) -> set[RemoteId]:
        return {*self._seen.flags, *self._arrivals, *self._kept.content, *self._seen.gone}

    def _remove(self) -> Sequence[Placed]:
        removed = _remove([self._held.pop(remote) for remote in self._seen.gone if remote in self._held])
        self._total -= len(removed)
        self._unread -= sum(not placed.seen for placed in removed)
        many(
            "DELETE FROM store_setaside WHERE folder_id = %s AND remote_id = %s",
            [(self._folder.hex, remote) for remote in self._seen.gone],
        )
        return removed

    def _place(self) -> list[str]:
        """Placements for what was kept; a message known here under an id of an older generation keeps its placement."""
        keep_messages(self._pool, self._kept.entries, self._kept.digests)
        numbers = message_ids(self._pool, [*set(self._kept.content.values())])
        earlier = self._placements_of_earlier_generations([*numbers.values()])
        fresh, moved = [], []
        for remote, content in self._kept.content.items():
            if remote in self._held:
                continue
            arrival = self._arrivals[remote]
            seen = SEEN in arrival.flags
            if known := earlier.get(numbers[content]):
                number, was_seen = known.pop()
                if not known:
                    del earlier[numbers[content]]
                moved.append((remote, flags_text(arrival.flags), seen, arrival.ordinal, self._generation, number))
                self._unread += was_seen - seen
                continue
            fresh.append(
                (
                    uuid7().hex, self._folder.hex, numbers[content], remote, flags_text(arrival.flags), seen,
                    stored(arrival.received_at), arrival.ordinal, self._generation,
                )
            )  # fmt: skip
            self._unread += not seen
        many(
            "INSERT INTO store_placement (id, folder_id, message_id, remote_id, flags, seen, received_at, ordinal, generation)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            fresh,
        )
        many(
            "UPDATE store_placement SET remote_id = %s, flags = %s, seen = %s, ordinal = %s, generation = %s WHERE id = %s",
            moved,
        )
        self._total += len(fresh)
        many(
            "DELETE FROM store_setaside WHERE folder_id = %s AND remote_id = %s",
            [(self._folder.hex, remote) for remote in self._kept.content],
        )
        return [str(row[0]) for row in fresh]

    def _placements_of_earlier_generations(self, numbers: Sequence[int]) -> dict[int, list[tuple[str, bool]]]:
        found: dict[int, list[tuple[str, bool]]] = {}
        if self._generation > 1:
            for some in chunks(numbers):
                for number, placement, seen in all_rows(
                    "SELECT message_id, id, seen FROM store_placement WHERE folder_id = %s AND generation < %s"  # noqa: S608
                    f" AND message_id IN ({marks(some)}) ORDER BY id DESC",
                    [self._folder.hex, self._generation, *some],
                ):
                    found.setdefault(number, []).append((placement, bool(seen)))
        return found

    def _flag(self) -> list[str]:
        known = {remote: self._held[remote] for remote in self._seen.flags if remote in self._held}
        self._flag_what_is_set_aside()
        many(
            "UPDATE store_placement SET generation = %s WHERE id = %s",
            [(self._generation, placed.id) for placed in known.values() if placed.generation != self._generation],
        )
        wishes = self._open_errands([placed.id for placed in known.values()])
        differing = {}
        for remote, placed in known.items():
            flags = self._seen.flags[remote]
            for add, remove in wishes.get(placed.id, ()):
                flags = (flags - flags_from(remove)) | flags_from(add)
            if placed.flags != flags_text(flags):
                differing[placed.id] = (placed, flags)
        many(
            "UPDATE store_placement SET flags = %s, seen = %s WHERE id = %s",
            [(flags_text(flags), SEEN in flags, number) for number, (_, flags) in differing.items()],
        )
        self._unread += sum(placed.seen - (SEEN in flags) for placed, flags in differing.values())
        return [*differing]

    def _flag_what_is_set_aside(self) -> None:
        aside = column("SELECT remote_id FROM store_setaside WHERE folder_id = %s", [self._folder.hex])
        many(
            "UPDATE store_setaside SET flags = %s WHERE folder_id = %s AND remote_id = %s",
            [
                (flags_text(self._seen.flags[remote]), self._folder.hex, remote)
                for remote in aside
                if remote in self._seen.flags
            ],
        )

    def _open_errands(self, numbers: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """What was changed here and the server does not know yet, oldest first: (added, removed) flags by placement."""
        wishes: dict[str, list[tuple[str, str]]] = {}
        for some in chunks(numbers):
            for placement, add, remove in all_rows(
                'SELECT placement_id, "add", remove FROM store_errand'  # noqa: S608
                f" WHERE closed_at IS NULL AND placement_id IN ({marks(some)}) ORDER BY id",
                some,
            ):
                wishes.setdefault(placement, []).append((add, remove))
        return wishes

    def _set_aside(self) -> int:
        now = stored(timezone.now())
        rows = [
            (
                self._folder.hex, answer.id, answer.code, flags_text(self._arrivals[answer.id].flags),
                stored(self._arrivals[answer.id].received_at), self._arrivals[answer.id].ordinal, self._arrivals[answer.id].size, self._generation, now,
            )
            for answer in self._seen.unfetchable
            if not answer.gone and answer.id in self._arrivals
        ]  # fmt: skip
        many(
            "INSERT INTO store_setaside (folder_id, remote_id, code, flags, received_at, ordinal, size, generation, created_at, attempts)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1) ON CONFLICT (folder_id, remote_id)"
            " DO UPDATE SET attempts = store_setaside.attempts + 1, code = excluded.code, generation = excluded.generation",
            rows,
        )
        return len(rows)

    def _close(self) -> None:
        now = timezone.now()
        if self._seen.whole:
            change(
                "DELETE FROM store_setaside WHERE folder_id = %s AND generation < %s",
                [self._folder.hex, self._generation],
            )
        change(
            "UPDATE store_folder SET cursor = %s, remaining = %s, whole = %s, loss_accepted = loss_accepted AND NOT %s, total = total + %s,"
            " unread = unread + %s, synced_at = %s WHERE id = %s",
            [
                self._seen.cursor, self._seen.remaining, self._seen.whole, self._seen.whole, self._total, self._unread, stored(now),
                self._folder.hex,
            ],
        )  # fmt: skip
