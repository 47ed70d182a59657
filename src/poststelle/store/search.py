"""Answering what people look for: a query, somebody's reach, and the index make a page of hits.

Laws: what may be seen is part of the question put to the index (the accounts' tokens), and every hit passes through the reach of
`store.messages` once more, for tokens may be older than rights. A question costs a bounded number of rows, however much matches:
what is left is found by the page's cursor. A word finds its inflections, its spellings with and without umlauts and, when it is
long enough, compounds with it; a word still being typed finds its continuations; what stands in quotes finds only itself.
The index holds words as they stand: their relatives are looked up and asked for by name.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from unicodedata import normalize

from django.utils import timezone

from poststelle.errors import Invalid
from poststelle.mail import words
from poststelle.mail.query import Query, Term, parse
from poststelle.mail.records import Page, PlacementRecord, SearchHit
from poststelle.mail.settings import Right
from poststelle.store import asked_rows, guards, messages
from poststelle.store.access import Reach, granted_sql
from poststelle.store.index import reader
from poststelle.store.index_file import said, said_of
from poststelle.store.rows import all_rows, one_row
from poststelle.store.tokens import WITH_FILES, account_token, pool_token

_SURFACE = "{subject sender recipients body files attached}"
_PEOPLE = ("from", "to")
_WHERE = {"subject": "{subject}", "from": "{sender}", "to": "{recipients}", "file": "{files}"}
# By column: body, subject, sender, recipients, files, attached, place.
_WEIGHED = (
    "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?"
    " ORDER BY bm25(words, 1.0, 10.0, 6.0, 3.0, 4.0, 0.5, 0.0), rowid DESC"
)
_NAMED = "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC"
_NEWEST = (
    "SELECT d.rowid, d.message FROM words JOIN doc d ON d.rowid = words.rowid WHERE words MATCH ?"
    " AND words.rowid < ? AND words.rowid >= ? ORDER BY words.rowid DESC LIMIT ?"
)
_RELATIVES = "SELECT word FROM family WHERE stem IN (SELECT value FROM json_each(?)) LIMIT ?"

_WINDOW, _WIDEST, _IN_VAIN = 250, 1_000, 2_000
_MOST_LOOKED_AT = 100_000
_WORTH = 550
_SAID = ("body", "subject", "sender", "recipients", "files", "attached")
_MARKS = re.compile(r"[\u0300-\u036f]+")
_RANKED = 300
_MOST_HITS = 200
_COMPOUND, _COMPOUNDS, _CANDIDATES = 5, 30, 400
_FAMILY = 60
_SNIPPET = 160
_ACCOUNTS_AS_TOKENS = 300


def find(reach: Reach, query: str, limit: int, after: str | None, *, ranked: bool = False) -> Page[SearchHit]:
    """Messages within reach that the query (`mail.query`) describes: newest first, or by how well they fit.

    A page may hold fewer than `limit` hits and still have a following one: flags and folders are looked up within bounds.
    Ranked pages end after the best 200. Raises Invalid({"cursor": "unknown-value"}).
    """
    wanted = parse(query, timezone.localdate())
    place = _read_cursor(after)
    db = None if wanted.is_empty else reader()
    if db is None:
        return Page([], None)
    with closing(db):
        search = _Search(db, reach, wanted)
        return search.ranked(limit, place or 0) if ranked else search.newest(limit, place)


def everything(reach: Reach, query: str, limit: int) -> list[str]:
    """The ids of all placements within reach that `find` would show, newest first, at most `limit`."""
    wanted = parse(query, timezone.localdate())
    db = None if wanted.is_empty else reader()
    if db is None:
        return []
    with closing(db):
        return _Search(db, reach, wanted).everything(limit)


class _Search:
    def __init__(self, db: sqlite3.Connection, reach: Reach, query: Query) -> None:
        self._db, self._reach, self._query = db, reach, query
        self._stems = words.Stems()
        # FTS5 would first merge the lists of all words that begin so, which may be half the index. As long as many messages have
        # such a word, it is quicker to look into the newest that have one with the same start.
        self._open = next((term for term in query.terms if _is_open(term)), None)
        (size,) = db.execute("SELECT message FROM progress").fetchone() or (0,)
        self._size = int(size)
        self._seen = self._accounts()
        folders = asked_rows.folders_named(reach, query.folder) if query.folder else None
        self._filter = asked_rows.condition(query, folders)
        self._low, self._high = asked_rows.rowids(query)
        if folders == []:
            # In no folder there is no message.
            self._high = 0
        self._looked_for = [
            form
            for term in query.terms
            if not term.excluded
            for word in term.words
            for form in (word, self._stems.of(word))
        ]

    def newest(self, limit: int, place: int | None) -> Page[SearchHit]:
        high = self._high if place is None else min(place, self._high)
        hits: list[tuple[int, PlacementRecord]] = []
        looked_at, several = 0, _WINDOW if self._query.asks_rows else min(limit + 1, _WINDOW)
        while looked_at - len(hits) < _IN_VAIN:
            rows, looked, high = self._below(high, several, limit + 1)
            hits += self._visible(rows, limit + 1 - len(hits))
            if not looked:
                return Page(self._shown(hits), None)
            looked_at += looked
            if len(hits) > limit:
                return Page(self._shown(hits[:limit]), _cursor(hits[limit - 1][0]))
            # Each question to FTS5 opens the lists of all words anew: as much as it may take by what has been found so far.
            likely = 2 * (limit + 1 - len(hits)) * looked_at // max(len(hits), 1)
            # Of a word being typed, texts are looked into.
            several = _WINDOW if self._open else min(max(likely, _WINDOW), _WIDEST)
        return Page(self._shown(hits), _cursor(high))

    def everything(self, limit: int) -> list[str]:
        found: list[str] = []
        high, looked, looked_at = self._high, 1, 0
        while looked and len(found) < limit and looked_at < _MOST_LOOKED_AT:
            rows, looked, high = self._below(high, _WINDOW if self._open else _WIDEST, _WINDOW)
            looked_at += looked
            found += [record.id for _, record in self._visible(rows, limit - len(found))]
        return found

    def ranked(self, limit: int, skip: int) -> Page[SearchHit]:
        """The best of the newest: what is older than the newest few hundred that fit is not weighed."""
        newest: list[tuple[int, int]] = []
        looked_at, looked, high = 0, 1, self._high
        while looked and len(newest) < _RANKED and looked_at < 3 * _RANKED:
            rows_below, looked, high = self._below(high, _RANKED, _RANKED)
            newest = [*newest, *rows_below][:_RANKED]
            looked_at += looked
        if not newest:
            return Page([], None)
        rows = dict(newest)
        weighed = self._weighed(newest[-1][0], newest[0][0])
        # What only continues a word being typed is not weighed: it follows, newest first.
        best = {rowid: rows[rowid] for (rowid,) in weighed if rowid in rows} | rows
        in_order, wanted = [*best.items()], min(skip + limit, _MOST_HITS) + 1
        hits: list[tuple[int, PlacementRecord]] = []
        for at in range(0, len(in_order), wanted):
            hits += self._visible(in_order[at : at + wanted], wanted - len(hits))
            if len(hits) >= wanted:
                break
        following = skip + limit if skip + limit < min(len(hits), _MOST_HITS) else None
        return Page(self._shown(hits[skip : skip + limit]), None if following is None else _cursor(following))

    def _weighed(self, oldest: int, newest: int) -> Iterable[tuple[int]]:
        """What fits between two rows, the best first; and perhaps what has only the words of a phrase."""
        terms = [term for term in self._query.terms if not term.excluded]
        if not terms:
            return ()
        if any(len(term.words) == 1 for term in terms):
            return self._db.execute(_WEIGHED, (self._weighing(), oldest, newest))
        # Of phrases alone BM25 would weigh every message with all their words, which may be a hundred times as many: here counts
        # whether the subject has them.
        named = " AND ".join(_phrase(term, _WHERE.get(term.where, _WHERE["subject"])) for term in terms)
        return self._db.execute(_NAMED, (named, oldest, newest))

    def _is_worth(self, wanted: int, share: float) -> bool:
        """Whether looking into messages is quicker than merging: the one costs by the messages it takes, the other by all there are."""
        return share * share * self._size > wanted * _WORTH

    def _below(self, high: int, several: int, wanted: int) -> tuple[list[tuple[int, int]], int, int]:
        """Rows that match below `high`, at most `several`; how many were looked at for it, and how far down (none: to the end)."""
        if not self._is_worth(wanted, 1):
            self._open = None
        rows = self._db.execute(_NEWEST, (self._expression(), high, self._low, several)).fetchall()
        if not rows or self._open is None:
            return rows, len(rows), rows[-1][0] if rows else high
        kept = self._going_on(self._open, rows)
        if not self._is_worth(wanted, len(kept) / len(rows)):
            self._open = None
            return self._below(high, several, wanted)
        return kept, len(rows), rows[-1][0]

    def _going_on(self, term: Term, rows: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those rows in which a word goes on from what is being typed, or that have it in another way."""
        (word,) = term.words
        other_ways = f"({' OR '.join(self._whole(word))})"
        found = {
            rowid
            for (rowid,) in self._db.execute(
                "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?",
                (other_ways, rows[-1][0], rows[0][0]),
            )
        }
        begins = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, words.spellings(word)))})")
        for rowid, fields in said_of(self._db, [rowid for rowid, _ in rows if rowid not in found]):
            if any(begins.search(_unmarked(fields[name])) for name in _SAID):
                found.add(rowid)
        return [row for row in rows if row[0] in found]

    def _visible(self, rows: Sequence[tuple[int, int]], limit: int) -> list[tuple[int, PlacementRecord]]:
        rowids = {number: rowid for rowid, number in rows}
        found = messages.placements_of(self._reach, [*rowids], limit, self._filter)
        return [(rowids[number], record) for number, record in found]

    def _shown(self, found: Sequence[tuple[int, PlacementRecord]]) -> list[SearchHit]:
        closed = guards.closed(self._reach, [record.id for _, record in found])
        return [SearchHit(record, self._snippet(rowid, attached=record.id not in closed)) for rowid, record in found]

    def _expression(self) -> str:
        """What FTS5 is asked."""
        query, parts = self._query, [pool_token(self._reach.pool)]
        if self._seen:
            parts.append(f"({self._seen})")
        without: list[str] = []
        for term in query.terms:
            (without if term.excluded else parts).append(self._term(term))
        if query.case and (named := tuple(words.words(query.case))):
            parts.append(self._term(Term(named, exact=True)))
        if query.has_attachment is not None:
            (parts if query.has_attachment else without).append(WITH_FILES)
        asked = " AND ".join(parts)
        return f"({asked}) NOT ({' OR '.join(without)})" if without else asked

    def _weighing(self) -> str:
        """The words asked for, by themselves: BM25 counts every place of every phrase, and what is no word weighs nothing."""
        parts = [f"({self._seen})"] if self._seen else []
        without = []
        for term in self._query.terms:
            if term.excluded:
                without.append(self._term(term))
            elif len(term.words) == 1 and not term.exact:
                parts.append(self._term(term, weighing=True))
            else:
                where = f"{_WHERE[term.where]} : " if term.where else ""
                parts += [f'{where}"{words.folded(word)}"' for word in term.words]
        asked = " AND ".join(parts) or "nothing"
        return f"({asked}) NOT ({' OR '.join(without)})" if without else asked

    def _accounts(self) -> str:
        """The tokens of the accounts in reach; "" where that is everything in the pool, or more than a question holds."""
        if self._reach.user is None:
            return ""
        condition, parameters = granted_sql(self._reach, Right.SEE, "f.account_id", folder="f.id")
        seen = all_rows(f"SELECT DISTINCT f.account_id FROM store_folder f WHERE {condition}", [*parameters])  # noqa: S608
        rest = one_row(
            "SELECT count(DISTINCT f.account_id) FROM store_folder f JOIN store_account a ON a.id = f.account_id WHERE a.pool_id = %s",
            [self._reach.pool],
        )
        if len(seen) > _ACCOUNTS_AS_TOKENS or (rest is not None and len(seen) == rest[0]):
            return ""
        return " OR ".join(account_token(account) for (account,) in seen) or "nothing"

    def _term(self, term: Term, *, weighing: bool = False) -> str:
        where = _WHERE.get(term.where, _SURFACE)
        if len(term.words) > 1 or term.exact:
            return _phrase(term, where)
        forms = _forms(term)
        (word,) = term.words
        if not weighing and term is self._open:
            forms = [_beginning(form[: words.START_LENGTH]) for form in words.spellings(word)]
        elif not weighing and _is_open_ended(term):
            forms = [_beginning(form) for form in words.spellings(word)]
        # A name is no compound, and what is left out or weighed is what was said.
        by_itself = term.where in _PEOPLE or term.excluded or weighing
        forms += self._family(word) if by_itself else self._whole(word)
        asked = " OR ".join(dict.fromkeys(forms))
        # Where no column is named there is no need to: what is ours is no word anybody can type.
        return f"({where} : ({asked}))" if term.where else f"({asked})"

    def _family(self, word: str) -> list[str]:
        """The stem, and the words that have it."""
        stems = [self._stems.of(word), *words.spellings(word)]
        rows = self._db.execute(_RELATIVES, (json.dumps(stems), _FAMILY))
        return [f'"{form}"' for form in (stems[0], *(found for (found,) in rows))]

    def _whole(self, word: str) -> list[str]:
        """The family, and compounds."""
        return self._family(word) + [f'"{form}"' for form in self._compounds(word, self._stems.of(word))]

    def _compounds(self, word: str, stem: str) -> list[str]:
        """Words of the vocabulary with this one in them, the shortest first."""
        part = min(words.folded(word), stem, key=len)
        if len(part) < _COMPOUND or not part.isalpha():
            return []
        rows = self._db.execute("SELECT word FROM inside WHERE word LIKE ? LIMIT ?", (f"%{part}%", _CANDIDATES))
        return sorted((found for (found,) in rows), key=lambda found: (len(found), found))[:_COMPOUNDS]

    def _snippet(self, rowid: int, *, attached: bool) -> str:
        fields = said(self._db, rowid)
        for name in ("body", "attached") if attached else ("body",):
            if places := list(_found(fields[name], self._looked_for)):
                return _piece(fields[name], min(places))
        return _piece(fields["body"] or fields["subject"], 0)


def _is_open(term: Term) -> bool:
    """Whether it is a word being typed of which there is more than the index keeps of every word's start."""
    if term.exact or term.excluded or term.where or not term.open_ended or len(term.words) > 1:
        return False
    return all(len(form) > words.START_LENGTH for form in words.spellings(term.words[0]))


def _phrase(term: Term, where: str) -> str:
    """The words next to each other, in these columns."""
    end = "*" if _is_open_ended(term) else ""
    return f"({where} : ({' OR '.join(form + end for form in _forms(term))}))"


def _forms(term: Term) -> list[str]:
    return [f'"{" ".join(form)}"' for form in _spelled(term.words)]


def _is_open_ended(term: Term) -> bool:
    return term.open_ended and len(term.words[-1]) >= words.START_LENGTH


def _unmarked(text: str) -> str:
    """The text as the index keeps it: in lower case, without diacritics."""
    return text.lower() if text.isascii() else _MARKS.sub("", normalize("NFKD", text.lower()))


def _spelled(term: Sequence[str]) -> list[list[str]]:
    """The phrase with its words spelled as they are, and with each written the other way."""
    spelled = [words.spellings(word) for word in term]
    most = min(4, max(map(len, spelled)))
    return [[ways[min(way, len(ways) - 1)] for ways in spelled] for way in range(most)]


def _beginning(form: str) -> str:
    """A folded word as the beginning of others. Of a shorter one FTS5 would have to merge half the index."""
    return f'"{form}"*' if len(form) >= words.START_LENGTH else f'"{form}"'


def _found(text: str, looked_for: Sequence[str]) -> Iterator[int]:
    lower = text.lower()
    for word in looked_for:
        if (place := lower.find(word)) >= 0:
            yield place


def _piece(text: str, place: int) -> str:
    start = max(0, place - 40)
    piece = " ".join(text[start : start + _SNIPPET].split())
    return ("… " if start else "") + piece + (" …" if start + _SNIPPET < len(text) else "")


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def _read_cursor(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        place = int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise Invalid({"cursor": "unknown-value"}) from error
    if not 0 <= place <= sys.maxsize:
        raise Invalid({"cursor": "unknown-value"})
    return place
