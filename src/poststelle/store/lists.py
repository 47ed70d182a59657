"""Windows of lists: which placements stand in it, in which order, one row each or one per thread.

Law: a window is read from an index, never from a whole list. By date every list of any size is exact; by sender, subject and size
a list is sorted while one waits, which is exact up to `SORTED_MOST` messages, beyond that among half as many, the newest of each
folder (`Window.sorted_among`). A cursor is a row's place in the order, not a count: what arrives or leaves meanwhile moves nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from poststelle.errors import Invalid
from poststelle.mail.listing import Sort
from poststelle.mail.order import sender_key, subject_key
from poststelle.store import threads
from poststelle.store.rows import all_rows, marks, one_row
from poststelle.store.scopes import Scope

SORTED_MOST = 100_000
_FIRST_LOOK = 4
_KEYS = {Sort.SENDER: "by_sender", Sort.SUBJECT: "by_subject", Sort.SIZE: "size"}
_DATE = ("received_at", "ordinal", "id")
_LONGEST_CURSOR = 400
_MOST_SETTLED = 2000
_NEWEST, _UNREAD, _BY_THREAD = "placement_newest_first", "placement_unread_newest_first", "placement_by_thread"
_SORTED = "id, message_id, thread, received_at, ordinal, flags, has_attachments, size, by_sender, by_subject, folder_id"


@dataclass(frozen=True, slots=True)
class Key:
    """A row's place in the order: the sorted-by value (None for the date), then the date."""

    value: Any
    received_at: Any
    ordinal: int
    id: Any

    @property
    def date(self) -> tuple[Any, int, Any]:
        """What decides between equal values."""
        return self.received_at, self.ordinal, self.id


@dataclass(frozen=True, slots=True)
class Row:
    """A placement in a window: `id` as stored, its message and thread (0: alone)."""

    message: int
    thread: int
    key: Key

    @property
    def id(self) -> Any:
        """The placement."""
        return self.key.id


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a window begins: behind this row, upwards or downwards."""

    key: Key
    upwards: bool = False

    def __str__(self) -> str:
        key = self.key
        values = [int(self.upwards), key.value, str(key.received_at), key.ordinal, str(key.id)]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def read_cursor(text: str, sort: Sort) -> Cursor:
    """The cursor a text is. Raises Invalid({"cursor": "unknown-value"})."""
    try:
        if len(text) > _LONGEST_CURSOR:
            raise ValueError(len(text))
        given: list[Any] = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
        upwards, value, received_at, ordinal, number = given
        expected = {Sort.DATE: type(None), Sort.SIZE: int}.get(sort, str)
        if type(value) is not expected or not _is_number(ordinal) or (sort is Sort.SIZE and not _is_number(value)):
            raise ValueError(value)
        if not isinstance(received_at, str) or not received_at[:4].isdigit():
            raise ValueError(received_at)
        return Cursor(Key(value, received_at, ordinal, UUID(number).hex), bool(upwards))
    except (ValueError, TypeError, AttributeError, binascii.Error, UnicodeError, RecursionError) as error:
        raise Invalid({"cursor": "unknown-value"}) from error


@dataclass(frozen=True, slots=True)
class Window:
    """Rows in their order, whether there are more behind and before them, and among how many they were sorted (None: all)."""

    rows: Sequence[Row]
    more_below: bool
    more_above: bool
    sorted_among: int | None


@dataclass(slots=True)
class Listing:
    """One list: its scope and order. `window` reads it."""

    scope: Scope
    sort: Sort = Sort.DATE
    descending: bool = True
    threads: bool = False
    _heads: dict[int, Any] = field(default_factory=dict)
    _settled: dict[int, Any] = field(default_factory=dict)

    def window(self, limit: int, cursor: Cursor | None = None) -> Window:
        """At most `limit` rows behind the cursor (from the beginning without one)."""
        upwards = cursor is not None and cursor.upwards
        rows = self._rows(limit + 1, cursor.key if cursor else None, upwards=upwards)
        more, rows = len(rows) > limit, rows[:limit]
        if upwards:
            return Window(rows[::-1], True, more, self._among)
        return Window(rows, more, cursor is not None, self._among)

    def around(self, key: Key, limit: int, above_it: int | None = None) -> Window:
        """Rows before (half of them, or at most so many) and after a place, the row at the place among them if it is in the list."""
        half = limit // 2 if above_it is None else min(max(above_it, 0), limit - 1)
        above = self._rows(half + 1, key, upwards=True)
        below = self._rows(limit - len(above[:half]) + 1, key, upwards=False, inclusive=True)
        more, below = len(below) > limit - len(above[:half]), below[: limit - len(above[:half])]
        return Window([*above[:half][::-1], *below], more, len(above) > half, self._among)

    def place_of(self, placement: str) -> Key | None:
        """A placement's place in this order, whether it is in the list or not; in a list of threads that of its thread, if it is in it."""
        row = self._row_of(UUID(placement))
        if row is None or not (self.threads and row.thread):
            return row.key if row else None
        head = self._heads_of([row.thread]).get(row.thread)
        if head is None or head == row.id:
            return row.key
        return (self._row_of(UUID(str(head))) or row).key

    def _row_of(self, placement: UUID) -> Row | None:
        row = one_row(
            f"SELECT {self._columns} FROM {self._told('store_placement p')} WHERE p.id = %s",  # noqa: S608 - our own columns
            [placement.hex],
        )
        return _row(row) if row else None

    def _rows(self, count: int, key: Key | None, *, upwards: bool, inclusive: bool = False) -> list[Row]:
        if not self.threads:
            return self._flat(count, key, upwards=upwards, inclusive=inclusive)
        found: list[Row] = []
        size = 2 * count
        self._settled.clear()
        while len(found) < count:
            rows = self._flat(size, key, upwards=upwards, inclusive=inclusive)
            heads = self._heads_of([row.thread for row in rows if row.thread])
            found += [row for row in rows if not row.thread or heads[row.thread] == row.id]
            if len(rows) < size:
                break
            # Of a thread met once only its newest message matters from here on: a thread of thousands is passed over at once.
            beneath = {row.thread for row in rows if row.thread and heads[row.thread] != row.id}
            self._settled |= {thread: heads[thread] for thread in [*beneath][:_MOST_SETTLED]}
            key, inclusive, size = rows[-1].key, False, min(2 * size, 2000)
        return found[:count]

    def _heads_of(self, threads: Sequence[int]) -> Mapping[int, Any]:
        """The newest placement of each thread in this list. What a list knows of a thread it need not read again."""
        unknown = [*dict.fromkeys(thread for thread in threads if thread not in self._heads)]
        condition, bound = self.scope.where("q")
        for some in (unknown[at : at + 200] for at in range(0, len(unknown), 200)):
            self._heads |= dict(
                all_rows(
                    f"SELECT t.column1, (SELECT q.id FROM {using('q', _BY_THREAD)} WHERE q.thread = t.column1 AND {condition}"  # noqa: S608
                    " ORDER BY q.received_at DESC, q.ordinal DESC, q.id DESC LIMIT 1)"
                    f" FROM (VALUES {_values(some)}) t",
                    [*bound, *some],
                )
            )
        return self._heads

    def _flat(self, count: int, key: Key | None, *, upwards: bool, inclusive: bool) -> list[Row]:
        folders = self.scope.folders
        if folders is not None and len(folders) > 1 and self.sort is Sort.DATE and not self.scope.is_few:
            return self._merged(folders, count, key, upwards=upwards, inclusive=inclusive)
        where = (
            self.scope.where() if self._each is None else (self.scope.condition.format(p="p"), self.scope.parameters)
        )
        return self._select(self._table, where, count, key, upwards=upwards, inclusive=inclusive)

    def _select(
        self,
        table: str,
        where: tuple[str, Sequence[Any]],
        count: int,
        key: Key | None,
        *,
        upwards: bool,
        inclusive: bool,
    ) -> list[Row]:
        condition, bound = self._with(where, key, upwards=upwards, inclusive=inclusive)
        return [
            _row(row)
            for row in all_rows(
                f"SELECT {self._columns} FROM {table} WHERE {condition} ORDER BY {self._order(upwards=upwards)} LIMIT %s",  # noqa: S608
                [*bound, count],
            )
        ]

    def _merged(
        self, folders: Sequence[str], count: int, key: Key | None, *, upwards: bool, inclusive: bool
    ) -> list[Row]:
        """Many folders as one, by date: a few rows of each, then more of those whose rows all stand in the window."""
        nearest = self._nearest(folders, key, upwards=upwards, inclusive=inclusive)
        # A folder whose next row is behind as many others holds none of the rows.
        wanted = [folder for _, folder in nearest[:count]]
        newest_first = self.descending is not upwards
        found: dict[str, list[Row]] = {}
        rows: list[Row] = []
        each = max(_FIRST_LOOK, 2 * count // max(len(wanted), 1))
        while wanted:
            each = min(each, count)
            found |= self._first(wanted, each, key, upwards=upwards, inclusive=inclusive)
            together = (row for some in found.values() for row in some)
            rows = sorted(together, key=lambda row: row.key.date, reverse=newest_first)[:count]
            shown = {row.id for row in rows}
            wanted = [one for one in wanted if each < count and len(found[one]) == each and found[one][-1].id in shown]
            each *= 4
        return rows

    def _first(
        self, folders: Sequence[str], each: int, key: Key | None, *, upwards: bool, inclusive: bool
    ) -> dict[str, list[Row]]:
        """The first rows of every folder behind the key, at most so many of each."""
        condition, bound = self._with(
            (self.scope.condition.format(p="p"), self.scope.parameters), key, upwards=upwards, inclusive=inclusive
        )
        order = self._order(upwards=upwards)
        found: dict[str, list[Row]] = {folder: [] for folder in folders}
        for folder, *row in all_rows(
            f"SELECT f.column1, {self._columns.replace('p.', 'o.')} FROM (VALUES {_values(folders)}) f JOIN store_placement o ON o.id IN"  # noqa: S608
            f" (SELECT p.id FROM {using('p', self._index)} WHERE p.folder_id = f.column1 AND {condition} ORDER BY {order} LIMIT %s)"
            f" ORDER BY {order.replace('p.', 'o.')}",
            [*folders, *bound, each],
        ):
            found[folder].append(_row(tuple(row)))
        return found

    def _nearest(
        self, folders: Sequence[str], key: Key | None, *, upwards: bool, inclusive: bool
    ) -> list[tuple[Any, str]]:
        """Folders that have rows behind the key, each with the date of the first, those with the nearest first."""
        condition, bound = self._with(
            (self.scope.condition.format(p="p"), self.scope.parameters), key, upwards=upwards, inclusive=inclusive
        )
        found: list[tuple[Any, str]] = []
        for some in (folders[at : at + 500] for at in range(0, len(folders), 500)):
            found += [
                (str(at), folder)
                for folder, at in all_rows(
                    f"SELECT f.column1, (SELECT p.received_at FROM {using('p', self._index)} WHERE p.folder_id = f.column1"  # noqa: S608
                    f" AND {condition} ORDER BY {self._order(upwards=upwards)} LIMIT 1)"
                    f" FROM (VALUES {_values(some)}) f",
                    [*bound, *some],
                )
                if at is not None
            ]
        return sorted(found, reverse=self.descending is not upwards)

    def _with(
        self, where: tuple[str, Sequence[Any]], key: Key | None, *, upwards: bool, inclusive: bool
    ) -> tuple[str, list[Any]]:
        """The condition, and behind the key."""
        pieces, bound = [where[0]] if where[0] else [], [*where[1]]
        if key is not None:
            condition, parameters = self._beyond(key, upwards=upwards, inclusive=inclusive)
            pieces.append(condition)
            bound += parameters
        if self._settled:
            threads, heads = [*self._settled], [*self._settled.values()]
            pieces.append(f"(p.thread NOT IN ({marks(threads)}) OR p.id IN ({marks(heads)}))")
            bound += [*threads, *heads]
        return " AND ".join(pieces) or "1 = 1", bound

    def _beyond(self, key: Key, *, upwards: bool, inclusive: bool) -> tuple[str, list[Any]]:
        date = ", ".join(f"p.{name}" for name in _DATE)
        itself = "=" if inclusive else ""
        if self.sort is Sort.DATE:
            sign = "<" if self.descending is not upwards else ">"
            return f"({date}) {sign}{itself} (%s, %s, %s)", [*key.date]
        column = f"p.{_KEYS[self.sort]}"
        sign, later = ("<" if self.descending is not upwards else ">"), (">" if upwards else "<") + itself
        return (
            f"({column} {sign} %s OR ({column} = %s AND ({date}) {later} (%s, %s, %s)))",
            [key.value, key.value, *key.date],
        )

    def _order(self, *, upwards: bool) -> str:
        if self.sort is Sort.DATE:
            way = "DESC" if self.descending is not upwards else "ASC"
            return ", ".join(f"p.{name} {way}" for name in _DATE)
        way, later = ("DESC" if self.descending is not upwards else "ASC"), ("ASC" if upwards else "DESC")
        return ", ".join([f"p.{_KEYS[self.sort]} {way}", *(f"p.{name} {later}" for name in _DATE)])

    @property
    def _columns(self) -> str:
        value = f"p.{_KEYS[self.sort]}" if self.sort in _KEYS else "NULL"
        return f"p.message_id, p.thread, {value}, p.received_at, p.ordinal, p.id"

    @property
    def _each(self) -> int | None:
        """How many messages of each folder are sorted; None: all."""
        folders = self.scope.folders
        if self.sort is Sort.DATE or not folders or self.scope.is_few or (self.scope.most or 0) <= SORTED_MOST:
            return None
        return max(SORTED_MOST // 2 // len(folders), 1)

    @property
    def _among(self) -> int | None:
        return None if self._each is None else self._each * len(self.scope.folders or ())

    @property
    def _index(self) -> str:
        """The index a folder's placements are read from."""
        return _UNREAD if self.scope.is_unread else _NEWEST

    @property
    def _table(self) -> str:
        """The placements to choose from; where there are too many to sort, the newest of each folder."""
        if self._each is None:
            walked = self.scope.folders is not None and not self.scope.is_few
            return self._told(using("p", self._index) if walked else "store_placement p")
        columns, unread = (f"{_SORTED}, seen", " AND NOT seen") if self.scope.is_unread else (_SORTED, "")
        # Ids are hexadecimal digits from our own rows, the number is ours: nothing here needs to be bound.
        each = [
            f"SELECT * FROM (SELECT {columns} FROM {using('n', self._index)} WHERE folder_id = '{folder}'{unread}"  # noqa: S608
            f" ORDER BY received_at DESC, ordinal DESC, id DESC LIMIT {self._each}) x"
            for folder in self.scope.folders or ()
        ]
        blocks = [" UNION ALL ".join(each[at : at + 400]) for at in range(0, len(each), 400)]
        # The limit bounds nothing; it keeps the planner from sorting every block and merging them one by one.
        together = " UNION ALL ".join(f"SELECT * FROM ({block}) y" for block in blocks)  # noqa: S608
        return self._told(f"({together} LIMIT {2 * SORTED_MOST}) p")

    def _told(self, table: str) -> str:
        """These placements (alias p), with what they do not repeat yet of their messages (`threads.catch_up`) read from those."""
        if self.sort is Sort.DATE or not threads.is_behind():
            return table
        _teach_keys()
        seen = ", p.seen" if "seen" in table or not table.startswith("(") else ""
        return (
            f"(SELECT p.id, p.folder_id, p.message_id, p.thread, p.received_at, p.ordinal, p.flags{seen}, m.has_attachments, m.size,"  # noqa: S608
            " sender_key(m.from_name, m.from_address) AS by_sender, subject_key(m.subject) AS by_subject"
            f" FROM {table} JOIN store_message m ON m.id = p.message_id) p"
        )


def _teach_keys() -> None:
    """The database makes the keys of an order as `repeated.of` does. SQLite only: no other database has rows from before."""
    connection.ensure_connection()
    connection.connection.create_function("sender_key", 2, sender_key, deterministic=True)
    connection.connection.create_function("subject_key", 1, subject_key, deterministic=True)


def _values(items: Sequence[object]) -> str:
    """Placeholders for the rows of a VALUES."""
    return ", ".join(["(%s)"] * len(items))


def using(alias: str, index: str) -> str:
    """The placements under an alias, read from that index: SQLite's planner, which knows no figures, would take another one."""
    return f"store_placement {alias}" + (f" INDEXED BY {index}" if connection.vendor == "sqlite" else "")


def _is_number(value: object) -> bool:
    """Whether a database can hold it."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _row(row: tuple[Any, ...]) -> Row:
    message, thread, value, received_at, ordinal, number = row
    # A moment read straight from its column comes as one, in an expression as it is stored: the order is that of the latter.
    return Row(message, thread or 0, Key(value, str(received_at), ordinal, number))
