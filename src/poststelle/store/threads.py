"""Which messages belong together, over all accounts of a pool: by what they refer to, and replies without a reference by subject.

Laws: whatever order messages come in, the same ones end up together (JWZ's idea, without its tree): every message joins the
threads of all ids it names, and a missing link that arrives later joins what it links. A thread goes by the smallest row of its
messages at the time it began. A reply that refers to nothing joins messages of the same base subject within 30 days if each one's
author takes part in the other; how often somebody answered with the same words matters less than that strangers never meet.
What a hostile message names is bounded (`MAX_NAMES`, `MAX_CANDIDATES`).

Must be called within the transaction that keeps the messages. This module does not know how threads are shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from poststelle.mail.digest import Digest
from poststelle.mail.thread import base_subject, is_reply
from poststelle.store import repeated
from poststelle.store.rows import all_rows, change, chunks, many, marks, moment, one_row

MAX_NAMES = 100
MAX_CANDIDATES = 300
DAYS = 30
_STEP = 200
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class _Letter:
    """What threading needs of a message. `day` counts from 1970; None where the date is unknown, which rules the subject out."""

    row: int
    names: Sequence[bytes]
    topic: bytes | None
    day: int | None
    is_loose: bool
    author: str
    people: frozenset[str]


def assign(pool: int, messages: Sequence[tuple[int, Digest]]) -> dict[int, int]:
    """The threads of these messages (row → thread), written to them, their placements and the links; safe to repeat."""
    return _assign(
        pool,
        [
            _letter(
                row,
                one.message_id,
                one.references,
                one.subject,
                one.sent_at,
                one.sender[1],
                [address for _, address in one.recipients],
            )
            for row, one in messages
        ],
    )


def is_behind() -> bool:
    """Whether messages wait for `catch_up`."""
    return one_row("SELECT id FROM store_message WHERE thread = 0 LIMIT 1", []) is not None


def catch_up(limit: int = _STEP) -> int:
    """Find threads for messages kept without one (from before there were threads, or on their way out); how many were looked at.

    Those from before have placements that do not repeat yet what their message says: this fills them in.
    """
    with transaction.atomic():
        rows = all_rows(
            'SELECT id, pool_id, message_id, "references", subject, sent_at, from_address, recipients FROM store_message'
            " WHERE thread = 0 ORDER BY id LIMIT %s",
            [limit],
        )
        by_pool: dict[int, list[_Letter]] = {}
        for row, pool, message_id, references, subject, sent_at, author, recipients in rows:
            at = moment(sent_at) if sent_at is not None else None
            people = [address for _, address in json.loads(recipients)]
            letter = _letter(row, message_id, references.split(), subject, at, author, people)
            by_pool.setdefault(pool, []).append(letter)
        for pool, letters in by_pool.items():
            _assign(pool, letters)
        repeated.fill([row[0] for row in rows])
    return len(rows)


def _letter(
    row: int,
    message_id: str,
    references: Sequence[str],
    subject: str,
    at: datetime | None,
    author: str,
    recipients: Iterable[str],
) -> _Letter:
    if len(references) >= MAX_NAMES:
        references = [references[0], *references[2 - MAX_NAMES :]]
    topic = base_subject(subject).casefold()
    author = author.casefold()
    return _Letter(
        row=row,
        names=[_name(name) for name in dict.fromkeys(filter(None, (message_id, *references)))],
        topic=_name(topic) if topic else None,
        day=int(at.timestamp()) // _DAY_SECONDS if at is not None else None,
        is_loose=not references and is_reply(subject),
        author=author,
        people=frozenset(filter(None, (author, *(one.casefold() for one in recipients)))),
    )


def _name(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


class _Union:
    """Disjoint sets of numbers; a set goes by its smallest."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def root(self, number: int) -> int:
        while (parent := self._parents.get(number, number)) != number:
            self._parents[number] = number = self._parents.get(parent, parent)
        return number

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parents[second] = first


def _assign(pool: int, letters: Sequence[_Letter]) -> dict[int, int]:
    if not letters:
        return {}
    together = _Union()
    threads = _threads_of([letter.row for letter in letters])
    by_name = _linked(pool, {name for letter in letters for name in letter.names})
    existing = {*threads.values(), *by_name.values()}
    for letter in letters:
        if thread := threads.get(letter.row):
            together.join(letter.row, thread)
        for name in letter.names:
            together.join(letter.row, by_name.setdefault(name, letter.row))
    _note_topics(pool, letters)
    for row, other, thread in _same_topic(pool, letters):
        together.join(row, thread or other)
        existing |= {thread} - {0}
    _merge(existing, together)
    found = {letter.row: together.root(letter.row) for letter in letters}
    many(
        "INSERT INTO store_threadlink (pool_id, name, thread) VALUES (%s, %s, %s) ON CONFLICT (pool_id, name) DO NOTHING",
        [(pool, name, together.root(thread)) for name, thread in by_name.items()],
    )
    many("UPDATE store_message SET thread = %s WHERE id = %s", [(thread, row) for row, thread in found.items()])
    many(
        "UPDATE store_placement SET thread = %s WHERE message_id = %s", [(thread, row) for row, thread in found.items()]
    )
    return found


def _threads_of(rows: Collection[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in chunks(rows):
        sql = f"SELECT id, thread FROM store_message WHERE id IN ({marks(some)}) AND thread > 0"  # noqa: S608
        found |= dict(all_rows(sql, some))
    return found


def _linked(pool: int, names: Collection[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for some in chunks(names):
        found |= {
            bytes(name): thread
            for name, thread in all_rows(
                f"SELECT name, thread FROM store_threadlink WHERE pool_id = %s AND name IN ({marks(some)})",  # noqa: S608
                [pool, *some],
            )
        }
    return found


def _note_topics(pool: int, letters: Sequence[_Letter]) -> None:
    many(
        "INSERT INTO store_threadtopic (pool_id, message_id, name, day, loose) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (message_id) DO NOTHING",
        [
            (pool, letter.row, letter.topic, letter.day, letter.is_loose)
            for letter in letters
            if letter.topic is not None and letter.day is not None
        ],
    )


def _same_topic(pool: int, letters: Sequence[_Letter]) -> list[tuple[int, int, int]]:
    """(row, other row, other's thread or 0) where one of the two is a reply that refers to nothing."""
    dated = [letter for letter in letters if letter.topic is not None and letter.day is not None]
    answered = _topics_with_loose_replies(pool, {letter.topic for letter in dated if letter.topic is not None})
    found = []
    for letter in dated:
        if letter.topic not in answered:
            continue
        assert letter.day is not None
        condition = "" if letter.is_loose else " AND t.loose = %s"
        for other, thread, author, recipients in all_rows(
            "SELECT m.id, m.thread, m.from_address, m.recipients FROM store_threadtopic t JOIN store_message m ON m.id = t.message_id"  # noqa: S608
            f" WHERE t.pool_id = %s AND t.name = %s AND t.day BETWEEN %s AND %s{condition} ORDER BY t.day DESC, t.message_id DESC LIMIT %s",
            [
                pool, letter.topic, letter.day - DAYS, letter.day + DAYS, *([] if letter.is_loose else [True]),
                MAX_CANDIDATES,
            ],
        ):  # fmt: skip
            people = {author.casefold(), *(address.casefold() for _, address in json.loads(recipients))}
            if other != letter.row and author.casefold() in letter.people and letter.author in people and letter.author:
                found.append((letter.row, other, thread))
    return found


def _topics_with_loose_replies(pool: int, topics: Collection[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for some in chunks(topics):
        found.update(
            bytes(name)
            for (name,) in all_rows(
                "SELECT DISTINCT name FROM store_threadtopic WHERE pool_id = %s AND loose = %s"  # noqa: S608
                f" AND name IN ({marks(some)})",
                [pool, True, *some],
            )
        )
    return found


def _merge(threads: Iterable[int], together: _Union) -> None:
    """Threads that turn out to be one go by the smaller number from now on."""
    merged: Mapping[int, int] = {thread: root for thread in threads if (root := together.root(thread)) != thread}
    for thread, root in merged.items():
        change(
            "UPDATE store_placement SET thread = %s WHERE message_id IN (SELECT id FROM store_message WHERE thread = %s)",
            [root, thread],
        )
        change("UPDATE store_message SET thread = %s WHERE thread = %s", [root, thread])
        change("UPDATE store_threadlink SET thread = %s WHERE thread = %s", [root, thread])
