"""What a machine lacks is known by what SQLite and the system say, and mail leaves room for everything else."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, connection

from poststelle.store import disk
from tests.builders import an_office


def full(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE said (word TEXT)")
        db.execute("PRAGMA max_page_count = 2")
        db.executemany("INSERT INTO said VALUES (?)", [("x" * 4000,)] * 9)


def only_to_be_read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA query_only = ON")
        db.execute("CREATE TABLE said (word TEXT)")


def in_use(path: Path) -> None:
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(path, timeout=0.0)) as other:
        one.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE said (word TEXT)")


def wrong(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT word FROM said")


@pytest.mark.parametrize(
    ("fails", "code"), [(full, "no-room"), (only_to_be_read, "disk-read-only"), (in_use, "database-busy"), (wrong, "")]
)
def test_what_the_database_says_is_put_into_a_word(fails: Callable[[Path], None], code: str, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error) as caught:
        fails(tmp_path / "some.db")
    assert disk.trouble_of(caught.value) == code


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "no-room"), (errno.EROFS, "disk-read-only"), (errno.EIO, "disk-failing"), (errno.ENOENT, "")],
)
def test_what_the_system_says_is_put_into_a_word(number: int, code: str) -> None:
    assert disk.trouble_of(OSError(number, "so it says")) == code


@pytest.mark.django_db
def test_what_comes_through_django_is_known_as_well() -> None:
    an_office()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        try:
            with pytest.raises(DatabaseError) as caught:
                cursor.execute("UPDATE store_user SET name = 'Bea'")
        finally:
            cursor.execute("PRAGMA query_only = OFF")
    assert disk.trouble_of(caught.value) == "disk-read-only"


def test_mail_is_not_kept_where_it_would_take_the_last_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.leave_room()
    assert disk.trouble() == ""
    monkeypatch.setattr(disk, "RESERVE", disk.free() * 2)
    with pytest.raises(OSError, match="less room") as caught:
        disk.leave_room()
    assert disk.trouble_of(caught.value) == disk.trouble() == "no-room"


def test_a_disk_that_takes_nothing_is_found_out_by_trying(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk.trouble() == ""
    # Root may write where it has no right to: a folder of the kernel's refuses everybody.
    nothing = settings.POSTSTELLE.model_copy(update={"home": Path("/proc/self")})
    monkeypatch.setattr(disk, "RESERVE", 0)
    monkeypatch.setattr(settings, "POSTSTELLE", nothing)
    assert disk.trouble() == "disk-failing"


@pytest.mark.django_db
def test_a_commit_is_durable_when_it_returns() -> None:
    assert "PRAGMA synchronous=FULL" in settings.DATABASES["default"]["OPTIONS"]["init_command"]
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        (level,) = cursor.fetchone()
    assert level == 2
