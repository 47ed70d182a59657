"""Plain SQL for the paths where objects would cost too much: parameters in, tuples out, in the current transaction.

Values travel in the shapes Django stores them in, so that models and these rows meet in the same tables: UUIDs as 32 hex
digits, moments as naive UTC, flags as one space-separated text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection

T = TypeVar("T")

_AT_ONCE = 500


def one_row(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
    """The first row, or None."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def all_rows(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Every row."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def column(sql: str, parameters: Sequence[Any]) -> list[Any]:
    """The first column of every row."""
    return [row[0] for row in all_rows(sql, parameters)]


def many(sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """The statement once per row."""
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(sql, rows)


def change(sql: str, parameters: Sequence[Any]) -> int:
    """Execute one statement; how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in lists short enough for one IN (…)."""
    iterator = iter(items)
    while some := list(islice(iterator, _AT_ONCE)):
        yield some


def marks(items: Sequence[object]) -> str:
    """Placeholders for an IN (…)."""
    return ", ".join(["%s"] * len(items))


def flags_text(flags: Iterable[str]) -> str:
    """Flags as stored: sorted, so that equal sets are equal texts."""
    return " ".join(sorted(flags))


def flags_from(text: str) -> frozenset[str]:
    """Flags as stored, read back."""
    return frozenset(text.split())


def stored(at: datetime) -> Any:
    """An aware moment in the shape Django's column holds it."""
    return connection.ops.adapt_datetimefield_value(at)


def id_text(value: Any) -> str:
    """A stored id as text; a page writes hundreds."""
    if isinstance(value, UUID):
        return str(value)
    return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"


def moment(value: Any) -> datetime:
    """A stored moment, aware."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return read if read.tzinfo else read.replace(tzinfo=UTC)
