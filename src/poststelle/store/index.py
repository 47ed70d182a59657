"""The search index: a file of its own (`search.db`), written here only, following behind the rows with its own cursors.

Laws: what is in it can be rebuilt from the bytes, and is, when the layout changes. Rows come first, then their own words at once,
then the words of their attachments, which cost more and may fail (`waiting`, `attach`). Who may see a message is in its tokens:
its pool and the accounts it lies in; where it came to lie later is learned from the journal. The FTS5 table is contentless
(unicode61, diacritics removed): the exact indexed text is kept beside it, compressed, for snippets and because taking a row out
of a contentless index needs the very text that went in; only the stems are made again, by the rules that made them, or else
everything is. rowid follows the received second (the next free one), so newest-first is the natural order. The long words of all messages are kept in a vocabulary with trigrams, in which compounds are found; the
first three letters of every word stand beside the stems, for those who have typed no more.

This module does not know what people ask (`store.search`), nor how attachments are read.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from poststelle.errors import Conflict
from poststelle.mail import words
from poststelle.mail.digest import Digest
from poststelle.mail.digest import digest as read_digest
from poststelle.store import messages, tokens
from poststelle.store.blobs import CACHED
from poststelle.store.rows import all_rows, chunks, marks, moment, one_row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

log = logging.getLogger(__name__)

_VERSION = 5
LAYOUT = _VERSION << 16 | zlib.crc32(words.RULES.encode()) & 0xFFFF
"""Which tables, and which rules of stemming, the file was made by."""

_KEPT = ("body", "subject", "sender", "recipients", "files", "attached", "place")
COLUMNS = (*_KEPT, "stems")  # FTS5 names every column but the first with each word: that is the fullest one
MAX_ATTACHED = 1_000_000

NOTHING, WAITING, READ, GIVEN_UP = range(4)

_SCHEMA = f"""
PRAGMA journal_mode=WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS doc (
  rowid INTEGER PRIMARY KEY, message INTEGER NOT NULL UNIQUE, place TEXT NOT NULL, attachments INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS said (message INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS doc_waiting ON doc (rowid) WHERE attachments = {WAITING};
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), message INTEGER NOT NULL, journal INTEGER NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
  {", ".join(COLUMNS)}, content='', tokenize="unicode61 remove_diacritics 2");
CREATE TABLE IF NOT EXISTS term (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE VIRTUAL TABLE IF NOT EXISTS inside USING fts5(
  word, content='term', content_rowid='id', tokenize='trigram', detail=none, columnsize=0);
INSERT INTO words (words, rank) VALUES ('hashsize', {32 << 20});
PRAGMA user_version = {LAYOUT};
COMMIT;
"""  # noqa: S608 - our own names only
_MESSAGES = "SELECT m.id, m.pool_id, m.sha256, m.created_at, s.name FROM store_message m JOIN store_segment s ON s.id = m.segment_id"
_MARKS = ", ".join("?" * (len(COLUMNS) + 1))
_ENTER = f"INSERT INTO words (rowid, {', '.join(COLUMNS)}) VALUES ({_MARKS})"  # noqa: S608
_TAKE_OUT = f"INSERT INTO words (words, rowid, {', '.join(COLUMNS)}) VALUES ('delete', {_MARKS})"  # noqa: S608
_SAID = "SELECT d.rowid, s.text FROM doc d JOIN said s ON s.message = d.message"
_GAP = (
    "SELECT d.rowid + 1 FROM doc d WHERE d.rowid >= ? AND NOT EXISTS (SELECT 1 FROM doc n WHERE n.rowid = d.rowid + 1)"
    " ORDER BY d.rowid LIMIT 1"
)
_BATCH = 1000
_ENTRIES = 200
_PER_SECOND = 1 << 8
# What no words can be read from; everything else is worth a try.
_WORDLESS = frozenset(["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "svg", "ico", "heic", "zip", "gz", "7z", "rar", "tar", "exe", "mp3", "mp4", "wav", "avi", "mov", "p7s", "p7m", "asc", "sig", "vcf"])  # fmt: skip

_TOLD = (
    "FROM store_journal WHERE id > %s AND folder_id IS NOT NULL AND kind NOT IN"
    " ('messages-removed', 'messages-changed', 'flags-changed', 'messages-looked-up')"
)
"""Journal entries after one that may say where a known message lies now."""


class Writer:
    """Writes the index, in short transactions. Several may write in turn; each belongs to one thread at a time."""

    def __init__(self, path: Path | None = None) -> None:
        chosen = path or file()
        _remove_other_layouts(chosen)
        self._db = sqlite3.connect(chosen, isolation_level=None, timeout=20, check_same_thread=False)
        # A lost index entry is found again by the cursors: it is enough that file and cursors agree.
        self._db.execute("PRAGMA synchronous=NORMAL")
        if _layout(self._db) != LAYOUT:
            self._db.executescript(_SCHEMA)
            # What the journal tells of until now is seen when the messages themselves are read.
            (latest,) = one_row("SELECT coalesce(max(id), 0) FROM store_journal", []) or (0,)
            self._db.execute("INSERT OR IGNORE INTO progress VALUES (1, 0, ?)", (latest,))
        self._stems = words.Stems(tokens.OURS)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def index_some(self, known: Callable[[bytes], Digest | None], limit: int = _BATCH) -> int:
        """Index up to `limit` messages that follow the cursor, or what the journal says of those known; how much there was.

        `known` may spare parsing again.
        """
        done, journal = self._db.execute("SELECT message, journal FROM progress").fetchone()
        rows = all_rows(f"{_MESSAGES} WHERE m.id > %s ORDER BY m.id LIMIT %s", [done, limit])
        if not rows:
            return self._follow(journal, known)
        documents = self._documents(rows, known)
        with _Transaction(self._db):
            self._put(documents)
            self._db.execute("UPDATE progress SET message = ?", (rows[-1][0],))
        return len(rows)

    def _documents(
        self, rows: Sequence[tuple[Any, ...]], known: Callable[[bytes], Digest | None]
    ) -> list[tuple[int, int, dict[str, str], int]]:
        """What the index says of these messages. Those in the cache are searched on their server."""
        rows = [row for row in rows if not row[4].startswith(CACHED)]
        if not rows:
            return []
        lying = tokens.places(rows[0][0], rows[-1][0])
        documents = []
        for number, pool, sha256, created_at, _ in rows:
            try:
                one = known(bytes(sha256)) or read_digest(messages.content(pool, bytes(sha256)))
            except Conflict as error:
                log.warning("message %s cannot be read back and is left out of the index: %s", number, error)
                continue
            accounts, received_at = lying.get(number, ([], None))
            second = max(0, int((received_at or moment(created_at)).timestamp()))
            documents.append((second, number, _fields(pool, accounts, one), WAITING if _may_say_more(one) else NOTHING))
        return sorted(documents, key=lambda document: document[:2])

    def waiting(self, limit: int) -> list[tuple[int, int, bytes]]:
        """Messages whose attachments have not been read yet, newest first: (number, pool, SHA-256)."""
        rows = self._db.execute(
            f"SELECT message FROM doc WHERE attachments = {WAITING} ORDER BY rowid DESC LIMIT ?",  # noqa: S608
            (limit,),
        ).fetchall()
        numbers = [number for (number,) in rows]
        if not numbers:
            return []
        found = {
            number: (number, pool, bytes(sha256))
            for number, pool, sha256 in all_rows(
                f"SELECT id, pool_id, sha256 FROM store_message WHERE id IN ({marks(numbers)})",  # noqa: S608
                numbers,
            )
        }
        gone = [number for number in numbers if number not in found]
        self._db.executemany(f"UPDATE doc SET attachments = {GIVEN_UP} WHERE message = ?", [(one,) for one in gone])  # noqa: S608
        return [found[number] for number in numbers if number in found]

    def attach(self, number: int, text: str, *, complete: bool) -> None:
        """Add the words of a message's attachments. Not `complete`: something in them could not be read, nor will it be tried again."""
        state = READ if complete else GIVEN_UP
        with _Transaction(self._db):
            if text.strip():
                self._replace(number, lambda before: before | {"attached": _storable(text[:MAX_ATTACHED])})
            self._db.execute("UPDATE doc SET attachments = ? WHERE message = ?", (state, number))

    def _put(self, documents: Sequence[tuple[int, int, dict[str, str], int]]) -> None:
        texts, entries = [], []
        free: dict[int, int] = {}
        held = self._held([number for _, number, _, _ in documents])
        for second, number, fields, attachments in documents:
            if number in held:
                continue
            rowid = self._free(free.get(second) or rowid_of(second))
            free[second] = rowid + 1
            self._db.execute(
                "INSERT INTO doc (rowid, message, place, attachments) VALUES (?, ?, ?, ?)",
                (rowid, number, fields["place"], attachments),
            )
            texts.append((number, _packed(fields)))
            entries.append(self._entry(rowid, fields))
        self._db.executemany("INSERT OR REPLACE INTO said (message, text) VALUES (?, ?)", texts)
        self._db.executemany(_ENTER, entries)
        self._learn()

    def _replace(self, number: int, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Say something else of a message that is in the index."""
        found = self._db.execute(f"{_SAID} WHERE d.message = ?", (number,)).fetchone()
        if found is None:
            return
        rowid, before = found[0], unpacked(found[1])
        after = change(before)
        self._db.execute(_TAKE_OUT, self._entry(rowid, before))
        self._db.execute(_ENTER, self._entry(rowid, after))
        self._db.execute("UPDATE doc SET place = ? WHERE rowid = ?", (after["place"], rowid))
        self._db.execute("UPDATE said SET text = ? WHERE message = ?", (_packed(after), number))
        self._learn()

    def _entry(self, rowid: int, fields: dict[str, str]) -> tuple[object, ...]:
        """What FTS5 is given: the fields, and the stems of all that is said with how all its words start."""
        said = {word for name in ("subject", "body", "files", "attached") for word in words.words(fields[name])}
        named = {word for name in ("sender", "recipients") for word in words.words(fields[name])}
        stems = self._stems.forms(said) | self._stems.starts(named)
        # Sorted, because taking it out again takes the same text.
        return (rowid, *(fields[name] for name in _KEPT), " ".join(sorted(stems)))

    def _learn(self) -> None:
        """Long words met for the first time go into the vocabulary."""
        if not self._stems.unmet:
            return
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM term").fetchone()
        self._db.executemany("INSERT OR IGNORE INTO term (word) VALUES (?)", [(word,) for word in self._stems.unmet])
        self._db.execute("INSERT INTO inside (rowid, word) SELECT id, word FROM term WHERE id > ?", (last,))
        self._stems.unmet.clear()

    def _free(self, wanted: int) -> int:
        """The first free rowid from the wanted one on: where a second is full, messages go into the next."""
        if self._db.execute("SELECT 1 FROM doc WHERE rowid = ?", (wanted,)).fetchone() is None:
            return wanted
        (gap,) = self._db.execute(_GAP, (wanted,)).fetchone()
        return int(gap)

    def _held(self, numbers: Sequence[int]) -> dict[int, str]:
        """Those that are in the index, with their places."""
        found: dict[int, str] = {}
        for some in chunks(numbers):
            found |= self._db.execute(
                f"SELECT message, place FROM doc WHERE message IN ({', '.join('?' * len(some))})",  # noqa: S608
                some,
            )
        return found

    def _follow(self, journal: int, known: Callable[[bytes], Digest | None]) -> int:
        """Messages known before that have come to lie in another account, or are no longer in the cache only: what the next journal
        entries tell."""
        entries = all_rows(f"SELECT id, subject, folder_id, facts {_TOLD} ORDER BY id LIMIT %s", [journal, _ENTRIES])
        if not entries:
            return 0
        lying = [pair for _, subject, folder, facts in entries for pair in tokens.told_places(subject, folder, facts)]
        held = self._held([*{number for number, _ in lying}])
        late = []
        for some in chunks(sorted({number for number, _ in lying} - held.keys())):
            rows = all_rows(f"{_MESSAGES} WHERE m.id IN ({marks(some)}) ORDER BY m.id", some)
            late += self._documents(rows, known)
        with _Transaction(self._db):
            self._put(sorted(late, key=lambda document: document[:2]))
            held = self._held([*{number for number, _ in lying}])
            missing: dict[int, set[str]] = {}
            for number, account in lying:
                if number in held and account not in held[number].split():
                    missing.setdefault(number, set()).add(account)
            for number, accounts in missing.items():
                late_place = " ".join([held[number], *sorted(accounts)])
                self._replace(number, lambda before, place=late_place: before | {"place": place})  # type: ignore[misc]
            self._db.execute("UPDATE progress SET journal = ?", (entries[-1][0],))
        return len(entries)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        if self._db.in_transaction:
            self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def is_damaged(error: Exception) -> bool:
    """Whether the error says that the index file itself is broken, not merely busy or without room."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)


def start_over() -> None:
    """Put a damaged index aside; the next writer builds it anew from the bytes."""
    path = file()
    path.replace(path.with_name(f"{path.name}.damaged"))
    _remove_rest(path)


def behind() -> int:
    """How many messages are still to be indexed, or journal entries about known ones still to be followed."""
    done, journal = 0, None
    if (db := reader()) is not None:
        with closing(db):
            done, journal = db.execute("SELECT message, journal FROM progress").fetchone() or (0, None)
    row = one_row("SELECT count(*) FROM store_message WHERE id > %s", [done])
    if row and row[0]:
        return int(row[0])
    told = one_row(f"SELECT count(*) {_TOLD}", [journal]) if journal is not None else None
    return int(told[0]) if told else 0


def attachments_wait() -> bool:
    """Whether there are attachments to be read and nothing that goes before them: the messages' own words."""
    if (db := reader()) is None:
        return False
    with closing(db):
        waiting = db.execute(f"SELECT 1 FROM doc WHERE attachments = {WAITING} LIMIT 1").fetchone()  # noqa: S608
    return waiting is not None and not behind()


def attachments_waiting() -> int:
    """How many messages' attachments are still to be read: quick, however many there are."""
    if (db := reader()) is None:
        return 0
    with closing(db):
        (count,) = db.execute(f"SELECT count(*) FROM doc WHERE attachments = {WAITING}").fetchone()  # noqa: S608
    return int(count)


def attachments_behind() -> tuple[int, int]:
    """How many messages' attachments are still to be read, and how many could not be read in full."""
    if (db := reader()) is None:
        return 0, 0
    with closing(db):
        counts = dict(db.execute("SELECT attachments, count(*) FROM doc GROUP BY attachments"))
    return counts.get(WAITING, 0), counts.get(GIVEN_UP, 0)


def reader() -> sqlite3.Connection | None:
    """The index to read from; None while there is none of this layout."""
    path = file()
    if not path.exists():
        return None
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    if _layout(db) == LAYOUT:
        return db
    db.close()
    return None


def rowid_of(second: int) -> int:
    """The first rowid of what was received in that second (since 1970)."""
    return second * _PER_SECOND


def said(db: sqlite3.Connection, rowid: int) -> dict[str, str]:
    """The exact texts of a document by column."""
    (stored,) = db.execute(
        "SELECT s.text FROM doc d JOIN said s ON s.message = d.message WHERE d.rowid = ?", (rowid,)
    ).fetchone()
    return unpacked(stored)


def said_of(db: sqlite3.Connection, rowids: Sequence[int]) -> Iterator[tuple[int, dict[str, str]]]:
    """The same of several documents, one after the other."""
    for some in chunks(rowids):
        for rowid, stored in db.execute(f"{_SAID} WHERE d.rowid IN ({', '.join('?' * len(some))})", some):
            yield rowid, unpacked(stored)


def unpacked(stored: bytes) -> dict[str, str]:
    """The exact texts of a document by column."""
    texts: dict[str, str] = json.loads(zstd.decompress(stored))
    return texts


def file() -> Path:
    """Where the index lies."""
    home: Path = django_settings.POSTSTELLE.home
    return home / "search.db"


def _packed(fields: dict[str, str]) -> bytes:
    return zstd.compress(json.dumps(fields, ensure_ascii=False).encode(), 3)


def _layout(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _remove_other_layouts(path: Path) -> None:
    if not path.exists() or not path.stat().st_size:
        return
    with closing(sqlite3.connect(path, timeout=20)) as db:
        if _layout(db) == LAYOUT:
            return
    path.unlink()
    _remove_rest(path)


def _remove_rest(path: Path) -> None:
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)


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
