"""The file the search index is (`search.db`): its tables, and what is written into them. SQLite and nothing else.

Law: the FTS5 table is contentless (unicode61, diacritics removed): the exact indexed text is kept beside it, compressed, for
snippets and because taking a row out of a contentless index needs the very text that went in. rowid follows the received second
(the next free one), so newest-first is the natural order. What is true of a word whatever message it is in is kept once: the words
of a stem (`family`), and in long words, by trigrams, what they are made of (`inside`). A file of an older layout is put aside, where
it answers until its documents have been taken over.

This module does not know Django, rows or what people ask: a process that knows nothing else writes most of it (`run.indexer`).
"""

from __future__ import annotations

import json
import sqlite3
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from poststelle.mail import words

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OLDEST, _VERSION = 5, 6
LAYOUT = _VERSION << 16 | zlib.crc32(words.RULES.encode()) & 0xFFFF
"""Which tables, and which rules of stemming, the file was made by."""

# FTS5 names every column but the first with each word: that is the fullest one.
COLUMNS = ("body", "subject", "sender", "recipients", "files", "attached", "place")

NOTHING, WAITING, READ, GIVEN_UP = range(4)
"""What is known of a message's attachments."""

Document = tuple[int, int, Mapping[str, str], int]
"""Second it was received in, number of the message, text by column, attachments (`NOTHING`, `WAITING`)."""

_SCHEMA = f"""
PRAGMA journal_mode=WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS doc (
  rowid INTEGER PRIMARY KEY, message INTEGER NOT NULL UNIQUE, place TEXT NOT NULL, attachments INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS said (message INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS doc_waiting ON doc (rowid) WHERE attachments = {WAITING};
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), message INTEGER NOT NULL, journal INTEGER NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
  {", ".join(COLUMNS)}, content='', tokenize="unicode61 remove_diacritics 2", prefix={words.START_LENGTH});
CREATE TABLE IF NOT EXISTS family (stem TEXT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (stem, word)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS term (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE VIRTUAL TABLE IF NOT EXISTS inside USING fts5(
  word, content='term', content_rowid='id', tokenize='trigram', detail=none, columnsize=0);
INSERT INTO words (words, rank) VALUES ('hashsize', {32 << 20});
PRAGMA user_version = {LAYOUT};
COMMIT;
"""  # noqa: S608 - our own names only
_MARKS = ", ".join("?" * (len(COLUMNS) + 1))
_ENTER = f"INSERT INTO words (rowid, {', '.join(COLUMNS)}) VALUES ({_MARKS})"  # noqa: S608
_TAKE_OUT = f"INSERT INTO words (words, rowid, {', '.join(COLUMNS)}) VALUES ('delete', {_MARKS})"  # noqa: S608
# Before version 6, stems stood in the index itself, and a message's texts were JSON.
_LACKING = "CREATE TEMP TABLE IF NOT EXISTS family (stem TEXT, word TEXT)"
_SAID = "SELECT d.rowid, s.text FROM doc d JOIN said s ON s.message = d.message"
_FOLLOWING = (
    "SELECT d.message, d.rowid, d.attachments, s.text FROM doc d JOIN said s ON s.message = d.message WHERE d.message > ?"
    " ORDER BY d.message"
)
_GAP = (
    "SELECT d.rowid + 1 FROM doc d WHERE d.rowid >= ? AND NOT EXISTS (SELECT 1 FROM doc n WHERE n.rowid = d.rowid + 1)"
    " ORDER BY d.rowid LIMIT 1"
)
_PER_SECOND = 1 << 8
_RUNS_REMEMBERED = 50_000
_TAKEN_OVER = 4 << 20


class File:
    """Open to be written, in short transactions. Several may write in turn; each belongs to one thread at a time."""

    def __init__(self, path: Path, journal: Callable[[], int] = lambda: 0) -> None:
        """`journal`: up to where it is followed already in a file that has to be made."""
        _put_aside(path)
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None, timeout=20, check_same_thread=False)
        # A lost index entry is found again by the cursors: it is enough that file and cursors agree.
        self._db.execute("PRAGMA synchronous=NORMAL")
        if layout(self._db) != LAYOUT:
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT OR IGNORE INTO progress VALUES (1, 0, ?)", (journal(),))
        self._vocabulary = words.Vocabulary()
        self._compressor = zstd.ZstdCompressor(3)
        self._runs: dict[int, int] = {}
        """From the first rowid of a second on, everything below this one is taken."""

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @property
    def progress(self) -> tuple[int, int]:
        """The last message and the last entry of the journal that are in the index."""
        message, journal = self._db.execute("SELECT message, journal FROM progress").fetchone()
        return int(message), int(journal)

    def put(self, documents: Sequence[Document], upto: int) -> None:
        """Add what follows the cursor, and move it: all messages up to that one are in the index."""
        with self.transaction():
            self.add(documents)
            self._db.execute("UPDATE progress SET message = ?", (upto,))

    def followed(self, journal: int) -> None:
        """Entries of the journal are followed up to that one."""
        self._db.execute("UPDATE progress SET journal = ?", (journal,))

    def add(self, documents: Sequence[Document]) -> None:
        """Add these in ascending order; what is there stays as it is. Within a transaction."""
        held = self.places([number for _, number, _, _ in documents])
        fresh = sorted((one for one in documents if one[1] not in held), key=lambda one: one[:2])
        docs, texts, entries = [], [], []
        if len(self._runs) > _RUNS_REMEMBERED:
            self._runs.clear()
        for second, number, fields, attachments in fresh:
            rowid = self._free(rowid_of(second))
            docs.append((rowid, number, fields["place"], attachments))
            texts.append((number, self._packed(fields)))
            entries.append(_entry(rowid, fields))
        self._db.executemany("INSERT INTO doc (rowid, message, place, attachments) VALUES (?, ?, ?, ?)", docs)
        self._db.executemany("INSERT OR REPLACE INTO said (message, text) VALUES (?, ?)", texts)
        self._db.executemany(_ENTER, entries)
        self._learn()

    def inherited(self) -> tuple[list[Document], int] | None:
        """What a file of an older layout holds behind the cursor, a few MB of it, and up to which message; None where none is left.

        Put as it is given, all of it is taken over, and its cursors at last.
        """
        path = older(self._path)
        if not path.exists():
            return None
        documents: list[Document] = []
        if (db := opened(path)) is not None:
            with closing(db):
                documents = self._following(db)
                if not documents:
                    ended = db.execute("SELECT message, journal FROM progress").fetchone()
                    self._db.execute("UPDATE progress SET message = ?, journal = ?", ended)
                    # What takes its place is durable before it goes.
                    self._db.execute("PRAGMA wal_checkpoint")
        if documents:
            return documents, documents[-1][1]
        path.unlink()
        return None

    def _following(self, db: sqlite3.Connection) -> list[Document]:
        documents: list[Document] = []
        size = 0
        for number, rowid, attachments, stored in db.execute(_FOLLOWING, (self.progress[0],)):
            fields = unpacked(stored)
            documents.append((rowid // _PER_SECOND, number, fields, attachments))
            size += sum(map(len, fields.values()))
            if size > _TAKEN_OVER:
                break
        return documents

    def replace(self, number: int, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Say something else of a message that is in the index. Within a transaction."""
        found = self._db.execute(f"{_SAID} WHERE d.message = ?", (number,)).fetchone()
        if found is None:
            return
        rowid, before = found[0], unpacked(found[1])
        after = change(before)
        self._db.execute(_TAKE_OUT, _entry(rowid, before))
        self._db.execute(_ENTER, _entry(rowid, after))
        self._db.execute("UPDATE doc SET place = ? WHERE rowid = ?", (after["place"], rowid))
        self._db.execute("UPDATE said SET text = ? WHERE message = ?", (self._packed(after), number))
        self._learn()

    def waiting(self, limit: int) -> list[int]:
        """Messages whose attachments have not been read yet, newest first."""
        asked = f"SELECT message FROM doc WHERE attachments = {WAITING} ORDER BY rowid DESC LIMIT ?"  # noqa: S608
        return [number for (number,) in self._db.execute(asked, (limit,))]

    def mark(self, numbers: Sequence[int], attachments: int) -> None:
        """What became of these messages' attachments."""
        rows = [(attachments, number) for number in numbers]
        self._db.executemany("UPDATE doc SET attachments = ? WHERE message = ?", rows)

    def places(self, numbers: Sequence[int]) -> dict[int, str]:
        """Those that are in the index, with their places."""
        asked = "SELECT message, place FROM doc WHERE message IN (SELECT value FROM json_each(?))"
        return dict(self._db.execute(asked, (json.dumps([*numbers]),)).fetchall())

    def _packed(self, fields: Mapping[str, str]) -> bytes:
        """The texts to be kept, their words met on the way."""
        text = "".join(f"\0{fields[name]}" for name in COLUMNS).encode()
        self._vocabulary.read(text)
        # A compressor made anew for every text would cost more than its work.
        return self._compressor.compress(text, mode=zstd.ZstdCompressor.FLUSH_FRAME)

    def _learn(self) -> None:
        """Words met for the first time are kept."""
        inflected, long = self._vocabulary.inflected, self._vocabulary.long
        self._db.executemany("INSERT OR IGNORE INTO family (stem, word) VALUES (?, ?)", sorted(inflected))
        if long:
            (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM term").fetchone()
            self._db.executemany("INSERT OR IGNORE INTO term (word) VALUES (?)", [(word,) for word in long])
            self._db.execute("INSERT INTO inside (rowid, word) SELECT id, word FROM term WHERE id > ?", (last,))
        inflected.clear()
        long.clear()

    def _free(self, wanted: int) -> int:
        """The first free rowid from the wanted one on, taken from now on: where a second is full, messages go into the next."""
        rowid, taken = wanted, True
        while taken:
            while (known := self._runs.get(rowid - rowid % _PER_SECOND, 0)) > rowid:
                rowid = known
            taken = self._db.execute("SELECT 1 FROM doc WHERE rowid = ?", (rowid,)).fetchone() is not None
            if taken:
                ((rowid,),) = self._db.execute(_GAP, (rowid,)).fetchall()
        self._runs[wanted] = self._runs[rowid - rowid % _PER_SECOND] = rowid + 1
        return rowid


def _entry(rowid: int, fields: Mapping[str, str]) -> tuple[object, ...]:
    """What FTS5 is given."""
    return (rowid, *(fields[name] for name in COLUMNS))


def is_damaged(error: Exception) -> bool:
    """Whether the error says that the index file itself is broken, not merely busy or without room."""
    return isinstance(error, (sqlite3.DatabaseError, zstd.ZstdError)) and not isinstance(
        error, sqlite3.OperationalError
    )


def rowid_of(second: int) -> int:
    """The first rowid of what was received in that second (since 1970)."""
    return second * _PER_SECOND


def said(db: sqlite3.Connection, rowid: int) -> dict[str, str]:
    """The exact texts of a document by column."""
    _, stored = db.execute(f"{_SAID} WHERE d.rowid = ?", (rowid,)).fetchone()
    return unpacked(stored)


def said_of(db: sqlite3.Connection, rowids: Sequence[int]) -> Iterator[tuple[int, dict[str, str]]]:
    """The same of several documents, one after the other."""
    asked = f"{_SAID} WHERE d.rowid IN (SELECT value FROM json_each(?))"  # noqa: S608 - our own names only
    for rowid, stored in db.execute(asked, (json.dumps([*rowids]),)):
        yield rowid, unpacked(stored)


def unpacked(stored: bytes) -> dict[str, str]:
    """The exact texts of a document by column."""
    text = zstd.decompress(stored).decode()
    texts: dict[str, str] = (
        dict(zip(COLUMNS, text[1:].split("\0"), strict=True)) if text[0] == "\0" else json.loads(text)
    )
    return texts


def layout(db: sqlite3.Connection) -> int:
    """Which layout a file has; 0 for an empty one."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def may_be_asked(db: sqlite3.Connection) -> bool:
    """Whether what is asked today can be asked of a file of that layout. What it lacks for it is added for this connection."""
    version = layout(db) >> 16
    if version == _OLDEST:
        db.execute(_LACKING)
    return _OLDEST <= version <= _VERSION


def older(path: Path) -> Path:
    """Where a file of an older layout lies while this one takes it over: only as long as there is something to take."""
    return path.with_name(f"{path.name}.older")


def opened(path: Path) -> sqlite3.Connection | None:
    """An index to read from, of this layout or another that may be asked; None where there is none."""
    try:
        db = _read_only(path)
    except sqlite3.OperationalError:
        if not path.exists():
            return None
        db = _read_only(path)  # it has come meanwhile
    if may_be_asked(db):
        return db
    db.close()
    return None


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)


def remove_rest(path: Path) -> None:
    """What SQLite keeps beside a file that is gone."""
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)


def _put_aside(path: Path) -> None:
    """A file of another layout goes: to where it answers until it has been taken over, or for good."""
    if not path.exists() or not path.stat().st_size:
        return
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as db:
        if layout(db) == LAYOUT:
            return
        # If one waits already, this one has not taken it over in full.
        answers = may_be_asked(db) and not older(path).exists()
        if answers:
            db.execute("PRAGMA journal_mode=DELETE")
    if answers:
        path.replace(older(path))
    else:
        path.unlink()
    remove_rest(path)
