"""The search index: a file of its own (`store.index_file`) that follows behind the rows with its own cursors.

Laws: what is in it can be rebuilt from the bytes. When the layout changes, it is taken over from the file of the older one, which
answers meanwhile; from the bytes, where that one is too old to be asked. Rows come first, then their own words at once,
then the words of their attachments, which cost more and may fail (`waiting`, `attach`). Who may see a message is in its tokens:
its pool and the accounts it lies in; where it came to lie later is learned from the journal.

This module does not know what people ask (`store.search`), nor how attachments are read.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from poststelle.errors import Conflict
from poststelle.mail.digest import Digest
from poststelle.mail.digest import digest as read_digest
from poststelle.store import messages, tokens
from poststelle.store.blobs import CACHED
from poststelle.store.index_file import (
    GIVEN_UP,
    LAYOUT,
    NOTHING,
    READ,
    WAITING,
    Document,
    File,
    layout,
    older,
    opened,
    remove_rest,
)  # fmt: skip
from poststelle.store.rows import all_rows, chunks, marks, moment, one_row

log = logging.getLogger(__name__)

MAX_ATTACHED = 1_000_000
_MESSAGES = "SELECT m.id, m.pool_id, m.sha256, m.created_at, s.name FROM store_message m JOIN store_segment s ON s.id = m.segment_id"
_BATCH = 1000
MANY = 50
"""From so many messages on, handing them to another process costs this one less than writing them."""

_ENTRIES = 200
# What no words can be read from; everything else is worth a try.
_WORDLESS = frozenset(["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "svg", "ico", "heic", "zip", "gz", "7z", "rar", "tar", "exe", "mp3", "mp4", "wav", "avi", "mov", "p7s", "p7m", "asc", "sig", "vcf"])  # fmt: skip

_TOLD = (
    "FROM store_journal WHERE id > %s AND folder_id IS NOT NULL AND kind NOT IN"
    " ('messages-removed', 'messages-changed', 'flags-changed', 'messages-looked-up')"
)
"""Journal entries after one that may say where a known message lies now."""


Put = Callable[[Sequence[Document], int], None]
"""Writes documents that follow the cursor, and moves it: `File.put`, here or in another process."""


class Writer:
    """Writes the index, in short transactions. Several may write in turn; each belongs to one thread at a time.

    `put_many`: who writes what comes in by the dozen, if not this process; the file is there when it is called.
    """

    def __init__(self, path: Path | None = None, put_many: Put | None = None) -> None:
        self._file = File(path or file(), _latest_entry)
        self._put_many = put_many or self._file.put

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def index_some(self, known: Callable[[bytes], Digest | None], limit: int = _BATCH) -> int:
        """Index up to `limit` messages that follow the cursor, or what the journal says of those known; how much there was.

        `known` may spare parsing again.
        """
        if (left := self._file.inherited()) is not None:
            documents, upto = left
            return self._put(documents, upto, len(documents))
        done, journal = self._file.progress
        rows = all_rows(f"{_MESSAGES} WHERE m.id > %s ORDER BY m.id LIMIT %s", [done, limit])
        if not rows:
            return self._follow(journal, known)
        return self._put(self._documents(rows, known), rows[-1][0], len(rows))

    def _put(self, documents: Sequence[Document], upto: int, count: int) -> int:
        put = self._put_many if count >= MANY else self._file.put
        put(documents, upto)
        return count

    def _documents(self, rows: Sequence[tuple[Any, ...]], known: Callable[[bytes], Digest | None]) -> list[Document]:
        """What the index says of these messages. Those in the cache are searched on their server."""
        rows = [row for row in rows if not row[4].startswith(CACHED)]
        if not rows:
            return []
        lying = tokens.places(rows[0][0], rows[-1][0])
        documents: list[Document] = []
        for number, pool, sha256, created_at, _ in rows:
            try:
                one = known(bytes(sha256)) or read_digest(messages.content(pool, bytes(sha256)))
            except Conflict as error:
                log.warning("message %s cannot be read back and is left out of the index: %s", number, error)
                continue
            accounts, received_at = lying.get(number, ([], None))
            second = max(0, int((received_at or moment(created_at)).timestamp()))
            documents.append((second, number, _fields(pool, accounts, one), WAITING if _may_say_more(one) else NOTHING))
        return documents

    def waiting(self, limit: int) -> list[tuple[int, int, bytes]]:
        """Messages whose attachments have not been read yet, newest first: (number, pool, SHA-256)."""
        numbers = self._file.waiting(limit)
        if not numbers:
            return []
        found = {
            number: (number, pool, bytes(sha256))
            for number, pool, sha256 in all_rows(
                f"SELECT id, pool_id, sha256 FROM store_message WHERE id IN ({marks(numbers)})",  # noqa: S608
                numbers,
            )
        }
        self._file.mark([number for number in numbers if number not in found], GIVEN_UP)
        return [found[number] for number in numbers if number in found]

    def attach(self, number: int, text: str, *, complete: bool) -> None:
        """Add the words of a message's attachments. Not `complete`: something in them could not be read, nor will it be tried again."""
        with self._file.transaction():
            if text.strip():
                self._file.replace(number, lambda before: before | {"attached": _storable(text[:MAX_ATTACHED])})
            self._file.mark([number], READ if complete else GIVEN_UP)

    def _follow(self, journal: int, known: Callable[[bytes], Digest | None]) -> int:
        """Messages known before that have come to lie in another account, or are no longer in the cache only: what the next journal
        entries tell."""
        entries = all_rows(f"SELECT id, subject, folder_id, facts {_TOLD} ORDER BY id LIMIT %s", [journal, _ENTRIES])
        if not entries:
            return 0
        lying = [pair for _, subject, folder, facts in entries for pair in tokens.told_places(subject, folder, facts)]
        numbers = {number for number, _ in lying}
        late: list[Document] = []
        for some in chunks(sorted(numbers - self._file.places([*numbers]).keys())):
            rows = all_rows(f"{_MESSAGES} WHERE m.id IN ({marks(some)}) ORDER BY m.id", some)
            late += self._documents(rows, known)
        with self._file.transaction():
            self._file.add(late)
            held = self._file.places([*numbers])
            missing: dict[int, set[str]] = {}
            for number, account in lying:
                if number in held and account not in held[number].split():
                    missing.setdefault(number, set()).add(account)
            for number, accounts in missing.items():
                late_place = " ".join([held[number], *sorted(accounts)])
                self._file.replace(number, lambda before, place=late_place: before | {"place": place})  # type: ignore[misc]
            self._file.followed(entries[-1][0])
        return len(entries)


def _latest_entry() -> int:
    """What the journal tells of until now is seen when the messages themselves are read."""
    (latest,) = one_row("SELECT coalesce(max(id), 0) FROM store_journal", []) or (0,)
    return int(latest)


def start_over() -> None:
    """Put a damaged index aside; the next writer builds it anew from the bytes."""
    path = file()
    path.replace(path.with_name(f"{path.name}.damaged"))
    remove_rest(path)
    older(path).unlink(missing_ok=True)


def behind() -> int:
    """How many messages are still to be indexed, or journal entries about known ones still to be followed."""
    done, journal = 0, None
    if (db := _current()) is not None:
        with closing(db):
            done, journal = db.execute("SELECT message, journal FROM progress").fetchone() or (0, None)
    row = one_row("SELECT count(*) FROM store_message WHERE id > %s", [done])
    if row and row[0]:
        return int(row[0])
    told = one_row(f"SELECT count(*) {_TOLD}", [journal]) if journal is not None else None
    return int(told[0]) if told else 0


def attachments_wait() -> bool:
    """Whether there are attachments to be read and nothing that goes before them: the messages' own words."""
    if (db := _current()) is None:
        return False
    with closing(db):
        waiting = db.execute(f"SELECT 1 FROM doc WHERE attachments = {WAITING} LIMIT 1").fetchone()  # noqa: S608
    return waiting is not None and not behind()


def attachments_waiting() -> int:
    """How many messages' attachments are still to be read: quick, however many there are."""
    if (db := _current()) is None:
        return 0
    with closing(db):
        (count,) = db.execute(f"SELECT count(*) FROM doc WHERE attachments = {WAITING}").fetchone()  # noqa: S608
    return int(count)


def attachments_behind() -> tuple[int, int]:
    """How many messages' attachments are still to be read, and how many could not be read in full."""
    if (db := _current()) is None:
        return 0, 0
    with closing(db):
        counts = dict(db.execute("SELECT attachments, count(*) FROM doc GROUP BY attachments"))
    return counts.get(WAITING, 0), counts.get(GIVEN_UP, 0)


def reader() -> sqlite3.Connection | None:
    """The index to be searched; None while there is none that may be asked. One being taken over answers until that is done."""
    return opened(older(file())) or opened(file())


def _current() -> sqlite3.Connection | None:
    """The index that is written; None while there is none of this layout."""
    db = opened(file())
    if db is None or layout(db) == LAYOUT:
        return db
    db.close()
    return None


def file() -> Path:
    """Where the index lies."""
    home: Path = django_settings.POSTSTELLE.home
    return home / "search.db"


def _fields(pool: int, accounts: Sequence[str], one: Digest) -> dict[str, str]:
    place = [tokens.pool_token(pool), *sorted(accounts)]
    if one.has_attachments:
        place.append(tokens.WITH_FILES)
    return {
        "subject": _storable(one.subject),
        "sender": _storable(" ".join(one.sender)),
        "recipients": _storable(" ".join([*(part for person in one.recipients for part in person), one.others])),
        "body": _storable(f"{one.text}\n{one.more}" if one.more else one.text),
        "files": _storable(" ".join(one.files)),
        "attached": "",
        "place": " ".join(place),
    }


def _storable(text: str) -> str:
    # Lone surrogates cannot be encoded; what goes in must come out the same.
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def _may_say_more(one: Digest) -> bool:
    endings = {name.rpartition(".")[2].lower() for name in one.files}
    return bool(one.has_attachments) and (not endings or bool(endings - _WORDLESS))
