"""The search index: a file of its own (`search.db`), its own writer, its own cursor, following behind the rows.

Laws: what is in it can be rebuilt from the bytes; it is never asked what somebody may see, only what matches, and every hit
passes through the reach of `store.messages`. The FTS5 table is contentless (unicode61, diacritics removed): the exact indexed
text is kept beside it, compressed, for snippets and because taking a row out of a contentless index needs the very text that
went in. rowid follows the received second (the next free one), so newest-first is the natural order.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from django.conf import settings as django_settings

from poststelle.errors import Conflict, Invalid
from poststelle.mail.digest import Digest
from poststelle.mail.digest import digest as read_digest
from poststelle.mail.records import Page, SearchHit
from poststelle.store import messages
from poststelle.store.access import Reach
from poststelle.store.rows import all_rows, moment, one_row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

log = logging.getLogger(__name__)

_SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE IF NOT EXISTS doc (rowid INTEGER PRIMARY KEY, message INTEGER NOT NULL UNIQUE, text BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), message INTEGER NOT NULL);
INSERT OR IGNORE INTO progress VALUES (1, 0);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
  subject, people, body, files, place, content='', tokenize="unicode61 remove_diacritics 2");
"""
_COLUMNS = ("subject", "people", "body", "files", "place")
_BATCH = 1000
_HASH_BYTES = 32 << 20
_WINDOW = 200
_WORD = re.compile(r'"[^"]*"|[^\s"]+')
_TOKEN = re.compile(r"\w+")
_SNIPPET = 160


class Writer:
    """The one writer of the index. `index_some` indexes the next messages after its cursor; nothing else writes."""

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(path or _path(), isolation_level=None, timeout=20, check_same_thread=False)
        self._db.executescript(_SCHEMA)
        # A lost index entry is found again by the cursor: it is enough that file and cursor agree.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("INSERT INTO words (words, rank) VALUES ('hashsize', ?)", (_HASH_BYTES,))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def index_some(self, known: Callable[[bytes], Digest | None], limit: int = _BATCH) -> int:
        """Index up to `limit` messages that follow the cursor; how many there were. `known` may spare parsing again."""
        (done,) = self._db.execute("SELECT message FROM progress").fetchone()
        rows = all_rows(
            "SELECT m.id, m.pool_id, m.sha256, m.created_at, (SELECT min(p.received_at) FROM store_placement p"
            " WHERE p.message_id = m.id) FROM store_message m WHERE m.id > %s ORDER BY m.id LIMIT %s",
            [done, limit],
        )
        if not rows:
            return 0
        documents = []
        for number, pool, sha256, created_at, received_at in rows:
            try:
                one = known(bytes(sha256)) or read_digest(messages.content(pool, bytes(sha256)))
            except Conflict as error:
                log.warning("message %s cannot be read back and is left out of the index: %s", number, error)
                continue
            documents.append((int(moment(received_at or created_at).timestamp()), number, _fields(pool, one)))
        documents.sort()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for second, number, fields in documents:
                self._put(second, number, fields)
            self._db.execute("UPDATE progress SET message = ?", (rows[-1][0],))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return len(rows)

    def _put(self, second: int, number: int, fields: Mapping[str, str]) -> None:
        if self._db.execute("SELECT 1 FROM doc WHERE message = ?", (number,)).fetchone():
            return
        rowid = self._free(second)
        text = zstd.compress(json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace"), 3)
        self._db.execute("INSERT INTO doc (rowid, message, text) VALUES (?, ?, ?)", (rowid, number, text))
        self._db.execute(
            "INSERT INTO words (rowid, subject, people, body, files, place) VALUES (?, ?, ?, ?, ?, ?)",
            (rowid, *(fields[name] for name in _COLUMNS)),
        )

    def _free(self, second: int) -> int:
        """The next rowid from `second` << 20 on: a million messages may share a second."""
        low = second << 20
        (last,) = self._db.execute(
            "SELECT max(rowid) FROM doc WHERE rowid BETWEEN ? AND ?", (low, low | 0xFFFFF)
        ).fetchone()
        return low if last is None else last + 1


def is_damaged(error: Exception) -> bool:
    """Whether the error says that the index file itself is broken, not merely busy or without room."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)


def start_over() -> None:
    """Put a damaged index aside; the next writer builds it anew from the bytes."""
    path = _path()
    path.replace(path.with_name(f"{path.name}.damaged"))
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)


def behind() -> int:
    """How many messages are still to be indexed."""
    if not _path().exists():
        done = 0
    else:
        with closing(_reader()) as db:
            (done,) = db.execute("SELECT message FROM progress").fetchone()
    row = one_row("SELECT count(*) FROM store_message WHERE id > %s", [done])
    return int(row[0]) if row else 0


def find(reach: Reach, query: str, limit: int, after: str | None) -> Page[SearchHit]:
    """Messages within reach that hold every word of the query, newest first; the last word may be a beginning.

    Words in quotes are a phrase. Raises Invalid({"cursor": "unknown-value"}).
    """
    match = _match(query, reach.pool)
    if match is None or not _path().exists():
        return Page([], None)
    below = _read_cursor(after)
    hits: list[tuple[int, SearchHit]] = []
    with closing(_reader()) as db:
        words = [word.casefold() for word in _TOKEN.findall(query)]
        while len(hits) <= limit:
            rows = db.execute(
                "SELECT d.rowid, d.message, d.text FROM words JOIN doc d ON d.rowid = words.rowid"
                " WHERE words MATCH ? AND words.rowid < ? ORDER BY words.rowid DESC LIMIT ?",
                (match, below, _WINDOW),
            ).fetchall()
            by_message = {number: (rowid, text) for rowid, number, text in rows}
            for number, record in messages.placements_of(reach, [*by_message], _WINDOW):
                rowid, text = by_message[number]
                hits.append((rowid, SearchHit(record, _snippet(_text(text), words))))
            if len(rows) < _WINDOW:
                break
            below = rows[-1][0]
    following = _cursor(hits[limit - 1][0]) if len(hits) > limit else None
    return Page([hit for _, hit in hits[:limit]], following)


def _fields(pool: int, one: Digest) -> dict[str, str]:
    people = " ".join(part for person in (one.sender, *one.recipients) for part in person)
    fields = (one.subject, people, one.text, " ".join(one.files), f"pool{pool}")
    return dict(zip(_COLUMNS, fields, strict=True))


def _match(query: str, pool: int) -> str | None:
    pieces = list(_pieces(query))
    if not pieces:
        return None
    quoted = [f'"{piece}"' for piece in pieces[:-1]]
    last = f'"{pieces[-1]}"' + ("" if query.rstrip().endswith('"') else "*")
    return f"{{subject people body files}} : ({' AND '.join([*quoted, last])}) AND place : pool{pool}"


def _pieces(query: str) -> Iterator[str]:
    for piece in _WORD.findall(query):
        # FTS5 reads a quoted string as a phrase of tokens; what holds no token at all would match nothing.
        if words := _TOKEN.findall(piece):
            yield " ".join(words)


def _text(stored: bytes) -> str:
    fields = json.loads(zstd.decompress(stored))
    return str(fields["body"] or fields["subject"])


def _snippet(text: str, words: Sequence[str]) -> str:
    folded = text.casefold()
    found = [place for word in words if (place := folded.find(word)) >= 0]
    start = max(0, min(found, default=0) - 40)
    piece = " ".join(text[start : start + _SNIPPET].split())
    return ("… " if start else "") + piece + (" …" if start + _SNIPPET < len(text) else "")


def _path() -> Path:
    home: Path = django_settings.POSTSTELLE.home
    return home / "search.db"


def _reader() -> sqlite3.Connection:
    return sqlite3.connect(f"file:{_path()}?mode=ro", uri=True, timeout=5)


def _cursor(rowid: int) -> str:
    return base64.urlsafe_b64encode(str(rowid).encode()).decode().rstrip("=")


def _read_cursor(text: str | None) -> int:
    if text is None:
        return sys.maxsize
    try:
        rowid = int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise Invalid({"cursor": "unknown-value"}) from error
    if not 0 <= rowid <= sys.maxsize:
        raise Invalid({"cursor": "unknown-value"})
    return rowid
