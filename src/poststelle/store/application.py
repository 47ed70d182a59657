"""Applying one batch to one folder, in one transaction: placements, flags, removals, set-asides, journal, counts and cursor.

Law: twice equals once, and what is in the server's batch but not held, not kept, not set aside is simply not there yet; the
cursor vouches only for what this transaction wrote. While an errand about a message is open, the server's word about the same
field is ignored: a flag changed here keeps its value, and what has left a folder here (store.places) does not come back into it.
That is the entire conflict rule.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.mail.digest import Digest
from poststelle.mail.ports import SEEN, Arrival, RemoteId
from poststelle.mail.settings import Kind
from poststelle.mail.shelf import Observation, Tally
from poststelle.store import journal, keywords, places, repeated, sightings, threads
from poststelle.store.blobs import CACHED, Entry, Written
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
    """The rows of those contents (SHA-256) that the pool holds, for good or in its cache."""
    return _messages("SELECT sha256, id FROM store_message m", pool, contents)


def kept_for_good(pool: int, contents: Sequence[bytes]) -> set[bytes]:
    """Those contents that the pool holds outside its cache."""
    sql = f"SELECT m.sha256, m.id FROM store_message m JOIN store_segment s ON s.id = m.segment_id AND s.name NOT LIKE '{CACHED}%%'"  # noqa: S608
    return set(_messages(sql, pool, contents))


def _messages(sql: str, pool: int, contents: Sequence[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for some in chunks(contents):
        rows = all_rows(f"{sql} WHERE m.pool_id = %s AND m.sha256 IN ({marks(some)})", [pool, *some])
        found |= {bytes(content): number for content, number in rows}
    return found


def keep_messages(pool: int, entries: Mapping[bytes, tuple[Written, Entry]], read: Mapping[bytes, Digest]) -> None:
    """Rows for durable messages and their segments. What the pool holds already stays as it is; what was in its cache only is
    kept for good from now on, if these are."""
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
        'INSERT INTO store_message (pool_id, sha256, size, segment_id, "offset", length, subject, from_name, from_address,'  # noqa: S608
        ' recipients, sent_at, message_id, "references", preview, has_attachments, defects, created_at)'
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (pool_id, sha256) DO UPDATE"
        ' SET segment_id = excluded.segment_id, "offset" = excluded."offset", length = excluded.length WHERE EXISTS'
        f" (SELECT 1 FROM store_segment s WHERE s.id = store_message.segment_id AND s.name LIKE '{CACHED}%%') AND NOT EXISTS"
        f" (SELECT 1 FROM store_segment s WHERE s.id = excluded.segment_id AND s.name LIKE '{CACHED}%%')",
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
    )


def _storable(text: str) -> str:
    # Lone surrogates cannot be encoded, NUL is refused by PostgreSQL; the bytes keep both.
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def apply(
    pool: int, account: UUID, folder: UUID, seen: Observation, kept: Kept, *, cached_at: datetime | None = None
) -> Tally:
    """Apply the observation. An account removed meanwhile makes it a no-op.

    `cached_at`: what is placed lies in the cache only (live view), shown at that moment.
    """
    with transaction.atomic():
        row = one_row("SELECT generation, unkept FROM store_folder WHERE id = %s", [folder.hex])
        if row is None:
            return Tally()
        unkept = frozenset(row[1] if isinstance(row[1], list) else json.loads(row[1]))
        return _Application(pool, account, folder, int(row[0]), unkept, seen, kept, cached_at).run()


def keeps_what_left(account: UUID) -> bool:
    """Whether what leaves the server stays here: fetch-only accounts collect."""
    row = one_row("SELECT kind FROM store_account WHERE id = %s", [account.hex])
    return row is not None and row[0] == Kind.FETCH_ONLY.value


def unconfirmed(folder: UUID) -> list[RemoteId] | None:
    """What the folder's current generation has not confirmed; None when it has been swept and no errand waits for a look at it."""
    row = one_row("SELECT generation, swept FROM store_folder WHERE id = %s", [folder.hex])
    if row is None or (row[0] == row[1] and not sightings.waited_for(folder)):
        return None
    return [
        RemoteId(remote)
        for remote in column(
            f"SELECT remote_id FROM store_placement WHERE folder_id = %s AND generation > 0 AND generation < %s"  # noqa: S608
            f" AND {places.OURS} AND remote_id NOT LIKE '{places.MOVED}%%'",
            [folder.hex, row[0]],
        )
    ]


def placed_ahead(folder: UUID) -> list[RemoteId]:
    """What lies in the folder without having been reported in its turn: placements of no generation."""
    return [
        RemoteId(remote)
        for remote in column(
            f"SELECT remote_id FROM store_placement WHERE folder_id = %s AND generation = 0 AND {places.OURS}",  # noqa: S608
            [folder.hex],
        )
    ]


def sweep(pool: int, account: UUID, folder: UUID, gone: Collection[RemoteId]) -> Tally:
    """Remove these placements, and what an errand put here that two looks have not found; the current generation is swept.

    What an earlier provider held and this one does not have lies here only from now on.
    """
    with transaction.atomic():
        change(
            f"UPDATE store_placement SET remote_id = '{places.LOCAL}' || id WHERE folder_id = %s"  # noqa: S608
            f" AND remote_id LIKE '{places.MOVED}%%'",
            [folder.hex],
        )
        removed = [placed.id for placed in placements(folder, [*gone])]
        unseen = [
            places.Departed(number, kind, RemoteId(remote), placement)
            for number, kind, remote, placement in all_rows(
                "SELECT e.id, e.kind, e.remote_id, e.placement_id FROM store_errand e JOIN store_folder f ON f.id = e.folder_id"
                " JOIN store_placement p ON p.id = e.placement_id WHERE e.closed_at IS NULL AND e.folder_id = %s"
                " AND e.kind IN ('move', 'delete') AND e.remote_id NOT LIKE 'pending.%%' AND p.generation < f.generation",
                [folder.hex],
            )
        ]
        places.left(unseen)
        keeps = keeps_what_left(account)
        removed = _left(removed, keeps=keeps) + sightings.looked(folder, keeps=keeps)
        change(
            "UPDATE store_folder SET swept = generation, loss_accepted = %s WHERE id = %s",
            [False, folder.hex],
        )
        write_journal(pool, account, folder, "messages-removed", removed)
        return Tally(removed=len(removed))


def _left(gone: Sequence[str], *, keeps: bool) -> list[str]:
    """The server has these no more: the placements removed for it."""
    if keeps:
        places.keep_here(gone)
        return []
    places.remove(gone)
    return [*gone]


def _is_cached(placement: str) -> bool:
    return bool(column("SELECT 1 FROM store_placement WHERE id = %s AND cached_at IS NOT NULL", [placement]))


def write_journal(pool: int, account: UUID, folder: UUID, kind: str, numbers: Sequence[str]) -> None:
    """One entry for all of them."""
    if numbers:
        facts = {"count": len(numbers), "first": str(UUID(min(numbers))), "last": str(UUID(max(numbers)))}
        journal.write(pool, journal.SYSTEM, kind, f"folder:{folder}", account=account, folder=folder, facts=facts)


class _Application:
    def __init__(
        self, pool: int, account: UUID, folder: UUID, generation: int, unkept: frozenset[str], seen: Observation, kept: Kept,
        cached_at: datetime | None,
    ) -> None:  # fmt: skip
        self._cached_at = stored(cached_at) if cached_at is not None else None
        self._pool, self._account, self._folder = pool, account, folder
        self._generation, self._keeps = generation, keeps_what_left(account)
        self._unkept = unkept
        self._seen, self._kept = seen, kept
        self._placed_in = generation if seen.cursor is not None else 0
        self._arrivals: Mapping[RemoteId, Arrival] = {arrival.id: arrival for arrival in seen.arrivals}

    def run(self) -> Tally:
        concerned = sorted(self._concerned())
        self._held = {placed.remote: placed for placed in placements(self._folder, concerned)}
        self._departed = places.departed(self._folder, concerned)
        removed = self._remove()
        fresh = self._place()
        changed = self._flag()
        set_aside = self._set_aside()
        self._close()
        if fresh and self._cached_at is None:
            change(
                "UPDATE store_account SET received_at = %s WHERE id = %s", [stored(timezone.now()), self._account.hex]
            )
        arrived = "messages-arrived" if self._cached_at is None else "messages-looked-up"
        write_journal(self._pool, self._account, self._folder, arrived, fresh)
        write_journal(self._pool, self._account, self._folder, "messages-changed", changed)
        write_journal(self._pool, self._account, self._folder, "messages-removed", removed)
        if set_aside:
            journal.write(
                self._pool, journal.SYSTEM, "message-set-aside", f"folder:{self._folder}", account=self._account,
                folder=self._folder, facts={"count": set_aside},
            )  # fmt: skip
        return Tally(len(fresh), len(changed), len(removed), set_aside)

    def _concerned(self) -> set[RemoteId]:
        return {*self._seen.flags, *self._arrivals, *self._kept.content, *self._seen.gone}

    def _remove(self) -> list[str]:
        gone = [self._held.pop(remote).id for remote in self._seen.gone if remote in self._held]
        fleeting = [number for number in gone if self._cached_at is not None and _is_cached(number)]
        places.remove(fleeting)
        removed = fleeting + _left([number for number in gone if number not in fleeting], keeps=self._keeps)
        places.left(self._departed[remote] for remote in self._seen.gone if remote in self._departed)
        many(
            "DELETE FROM store_setaside WHERE folder_id = %s AND remote_id = %s",
            [(self._folder.hex, remote) for remote in self._seen.gone],
        )
        return removed

    def _place(self) -> list[str]:
        """Placements for what was kept. What is known here by its content keeps its placement: what waits for the server to say
        where it was put, and what has an id of an older generation."""
        keep_messages(self._pool, self._kept.entries, self._kept.digests)
        numbers = message_ids(self._pool, [*set(self._kept.content.values())])
        threads.assign(self._pool, [(numbers[content], one) for content, one in self._kept.digests.items()])
        arrived = {
            remote: numbers[content]
            for remote, content in self._kept.content.items()
            if remote not in self._held
            and remote not in self._departed
            # What was in the cache may have had to make room meanwhile: the next look fetches it.
            and (content in numbers or self._cached_at is None)
        }
        wanted = [*set(arrived.values())]
        earlier = self._placements_of_earlier_generations(wanted)
        awaiting = sightings.awaiting(self._folder, wanted)
        strayed = sightings.strayed(self._folder, self._generation, wanted) if self._seen.cursor is not None else {}
        fresh, known = [], []
        for remote, number in arrived.items():
            arrival = self._arrivals[remote]
            if candidates := earlier.get(number):
                known.append((candidates.pop(), remote))
            elif errands := awaiting.get(number):
                known += self._adopt(errands.pop(), remote)
            elif leaving := strayed.get(number):
                sightings.found_again(leaving.pop(0), remote, self._generation)
            else:
                fresh.append(
                    (
                        uuid7().hex, self._folder.hex, number, remote, flags_text(arrival.told), SEEN in arrival.told,
                        stored(arrival.received_at), arrival.ordinal, self._placed_in, self._cached_at,
                    )
                )  # fmt: skip
        said = repeated.of([row[2] for row in fresh])
        many(
            "INSERT INTO store_placement (id, folder_id, message_id, remote_id, flags, seen, received_at, ordinal, generation,"  # noqa: S608
            f" cached_at, {repeated.COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(*row, *said[row[2]]) for row in fresh],
        )
        keywords.remember((self._folder.hex, row[4].split()) for row in fresh)
        places.count((self._folder.hex, 1, int(not row[5])) for row in fresh)
        self._rename(known)
        many(
            "DELETE FROM store_setaside WHERE folder_id = %s AND remote_id = %s",
            [(self._folder.hex, remote) for remote in self._kept.content],
        )
        return [str(row[0]) for row in fresh]

    def _adopt(self, errand: int, remote: RemoteId) -> list[tuple[str, RemoteId]]:
        """What goes by the errand's name here has arrived: its placement, if it has not gone on since."""
        found = column(
            "SELECT id FROM store_placement WHERE folder_id = %s AND remote_id = %s",
            [self._folder.hex, places.pending(errand)],
        )
        places.resolve(errand, self._folder.hex, remote, self._placed_in)
        sightings.adopted(errand)
        return [(number, remote) for number in found]

    def _rename(self, known: Sequence[tuple[str, RemoteId]]) -> None:
        """These placements go by another id now, with the server's flags, and so do their errands."""
        olds: dict[str, tuple[str, str]] = {}
        for some in chunks([number for number, _ in known]):
            sql = f"SELECT id, remote_id, flags FROM store_placement WHERE id IN ({marks(some)})"  # noqa: S608
            olds |= {number: (old, held) for number, old, held in all_rows(sql, some)}
        for number, remote in known:
            if olds[number][0] != remote:
                sightings.renumbered(self._folder, number, olds[number][0], remote)
        many(
            "UPDATE store_placement SET remote_id = %s, ordinal = %s, generation = %s WHERE id = %s",
            [(remote, self._arrivals[remote].ordinal, self._placed_in, number) for number, remote in known],
        )
        wishes = places.wishes([number for number, _ in known])
        places.flag(
            {
                number: flags
                for number, remote in known
                if (flags := self._settled(self._arrivals[remote].flags, olds[number][1], wishes.get(number, ())))
                is not None
            }
        )

    def _placements_of_earlier_generations(self, numbers: Sequence[int]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        if self._generation > 1:
            for some in chunks(numbers):
                for number, placement in all_rows(
                    "SELECT message_id, id FROM store_placement WHERE folder_id = %s AND generation < %s"  # noqa: S608
                    f" AND message_id IN ({marks(some)}) AND {places.OURS} ORDER BY id DESC",
                    [self._folder.hex, self._generation, *some],
                ):
                    found.setdefault(number, []).append(placement)
        return found

    def _flag(self) -> list[str]:
        known = {remote: self._held[remote] for remote in self._seen.flags if remote in self._held}
        self._flag_what_is_set_aside()
        leaving = [self._departed[remote].placement for remote in self._seen.flags if remote in self._departed]
        self._show_again(known)
        # Only a report of the folder's confirms; a look at some of its messages says nothing of the others.
        many(
            "UPDATE store_placement SET generation = %s WHERE id = %s",
            [(self._generation, placed.id) for placed in known.values() if placed.generation != self._generation]
            + [(self._generation, placement) for placement in leaving if placement is not None]
            if self._seen.cursor is not None
            else [],
        )
        wishes = places.wishes([placed.id for placed in known.values()])
        differing = {}
        for remote, placed in known.items():
            told = self._seen.flags[remote]
            flags = self._settled(told, placed.flags, wishes.get(placed.id, ()))
            if flags is not None and placed.flags != flags_text(flags):
                differing[placed.id] = flags
        places.flag(differing)
        return [*differing]

    def _settled(
        self, told: frozenset[str] | None, held: str, wanted: Iterable[tuple[str, str]]
    ) -> frozenset[str] | None:
        """The server's word about flags, with what it does not keep and what it has not been told; None where it has no word."""
        return places.with_wishes(told | (flags_from(held) & self._unkept), wanted) if told is not None else None

    def _show_again(self, known: Mapping[RemoteId, Placed]) -> None:
        """What a look shows has been used just now, and lies where the server has it."""
        if self._cached_at is not None:
            many(
                "UPDATE store_placement SET ordinal = %s, cached_at = CASE WHEN cached_at IS NULL THEN NULL ELSE %s END"
                " WHERE id = %s",
                [
                    (self._arrivals[remote].ordinal, self._cached_at, placed.id)
                    for remote, placed in known.items()
                    if remote in self._arrivals
                ],
            )

    def _flag_what_is_set_aside(self) -> None:
        aside = column("SELECT remote_id FROM store_setaside WHERE folder_id = %s", [self._folder.hex])
        many(
            "UPDATE store_setaside SET flags = %s WHERE folder_id = %s AND remote_id = %s",
            [
                (flags_text(flags), self._folder.hex, remote)
                for remote in aside
                if (flags := self._seen.flags.get(remote)) is not None
            ],
        )

    def _set_aside(self) -> int:
        many(
            "DELETE FROM store_setaside WHERE folder_id = %s AND remote_id = %s",
            [(self._folder.hex, answer.id) for answer in self._seen.unfetchable if answer.gone],
        )
        now = stored(timezone.now())
        rows = [
            (
                self._folder.hex, answer.id, answer.code, flags_text(self._arrivals[answer.id].told),
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
        if self._seen.cursor is None:
            return
        if self._seen.whole:
            change(
                "DELETE FROM store_setaside WHERE folder_id = %s AND generation < %s",
                [self._folder.hex, self._generation],
            )
        change(
            "UPDATE store_folder SET cursor = %s, remaining = %s, whole = %s, loss_accepted = loss_accepted AND NOT %s,"
            " fetch_wanted_at = CASE WHEN %s THEN NULL ELSE fetch_wanted_at END, synced_at = %s WHERE id = %s",
            [
                self._seen.cursor, self._seen.remaining, *[self._seen.whole] * 3, stored(timezone.now()), self._folder.hex
            ],
        )  # fmt: skip
