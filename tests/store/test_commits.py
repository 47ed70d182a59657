"""Commits are noticed at once, whoever makes them, and cost nothing while there are none."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings

from poststelle.store import commits
from poststelle.store.commits import Commits


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Somebody else's connection to a database of its own."""
    path = tmp_path / "some.db"
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", path)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE said (word TEXT)")
        yield other


@pytest.fixture
def noticed(database: sqlite3.Connection) -> Iterator[Commits]:
    """Has looked once."""
    made = Commits()
    assert made.happened()
    yield made
    made.close()


def test_a_commit_ends_the_waiting(database: sqlite3.Connection, noticed: Commits) -> None:
    writing = threading.Timer(0.01, database.execute, ["INSERT INTO said VALUES ('Hallo')"])
    writing.start()
    assert noticed.wait(20.0)
    writing.join()
    assert not noticed.happened()


def test_what_is_written_long_before_it_is_committed_is_noticed_when_it_is(
    database: sqlite3.Connection, noticed: Commits
) -> None:
    database.execute("PRAGMA cache_size=2")
    database.execute("BEGIN")
    for _ in range(50):
        database.execute("INSERT INTO said VALUES (?)", ["Wort" * 1000])
    assert not noticed.wait(0.02)
    database.execute("COMMIT")
    assert noticed.wait(20.0)


def test_one_commit_right_behind_another_is_noticed_too(database: sqlite3.Connection, noticed: Commits) -> None:
    for _ in range(20):
        database.execute("INSERT INTO said VALUES ('eins')")
        assert noticed.wait(20.0)
        database.execute("INSERT INTO said VALUES ('zwei')")
        assert noticed.wait(20.0)


def test_where_the_kernel_tells_nobody_looks_while_nothing_happens(
    database: sqlite3.Connection, noticed: Commits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "LONGEST_COMMIT_SECONDS", 0.0)
    while noticed.due != float("inf"):
        noticed.wait(0.01)
    database.execute("INSERT INTO said VALUES ('doch')")
    assert noticed.wait(20.0)


def test_where_it_does_not_tell_somebody_looks_now_and_then(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_told_of", lambda _: None)
    with closing(Commits()) as noticed:
        assert noticed.happened()
        assert not noticed.wait(0.01)
        assert noticed.handle is None
        database.execute("INSERT INTO said VALUES ('Hallo')")
        assert noticed.wait(20.0)


def test_between_two_there_is_a_rest(database: sqlite3.Connection) -> None:
    with closing(Commits(rest=1000.0)) as noticed:
        assert noticed.happened()
        database.execute("INSERT INTO said VALUES ('Hallo')")
        assert not noticed.wait(0.02)


def test_a_few_in_a_row_are_noticed_without_a_rest_and_only_then_there_is_one(database: sqlite3.Connection) -> None:
    with closing(Commits(rest=1000.0, at_once=3)) as noticed:
        assert noticed.happened()
        for word in ("eins", "zwei"):
            database.execute("INSERT INTO said VALUES (?)", [word])
            assert noticed.wait(20.0)
        database.execute("INSERT INTO said VALUES ('drei')")
        assert not noticed.wait(0.02)
