"""Whatever part of an installation freezes, it is noticed and replaced (RELIABILITY G6). A mailbox that freezes: `test_own_machine`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from poststelle.run import engine, serve
from poststelle.run.engine import Engine
from tests.journeys.office import eventually
from tests.run.engine_office import Office, home, office, until

__all__ = ["home", "office"]

TWO_MINUTES = 120.0


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What the engines note that are started one after the other."""
    notes = tmp_path / "notes"
    notes.touch()
    monkeypatch.setenv("NOTES", str(notes))
    monkeypatch.setattr(serve, "SILENCE_SECONDS", 2.0)
    made = serve.EngineProcess("tests.run.frozen_engine")
    made.start()
    yield notes
    made.stop()


def test_an_engine_that_has_frozen_is_replaced_and_one_that_speaks_is_left_alone(watched: Path) -> None:
    eventually(lambda: "spoken" in watched.read_text())
    assert watched.read_text().split() == ["begun", "begun", "spoken"]


def test_a_frozen_engine_is_noticed_within_two_minutes() -> None:
    assert serve.SILENCE_SECONDS <= TWO_MINUTES
    assert engine.SIGN_OF_LIFE_SECONDS < serve.SILENCE_SECONDS / 2, "one sign that comes late is not the end"
    assert engine.FROZEN_SECONDS <= TWO_MINUTES


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that looks around all the time."""
    monkeypatch.setattr(engine, "LOOK_ANYWAY_SECONDS", 0.05)


def signs_of(running: Engine) -> list[None]:
    """One for each time it says that it is alive."""
    signs: list[None] = []
    running._heard = lambda: signs.append(None)
    return signs


async def _some_more(signs: Sequence[None], than: int) -> bool:
    return len(signs) > than


async def test_while_nothing_can_be_written_the_engine_gives_no_sign_of_life(office: Office, restless: None) -> None:
    async with office.at_work() as running:
        signs = signs_of(running)
        await until(partial(_some_more, signs, 2))
        gate = threading.Event()
        stuck = asyncio.ensure_future(office.shop.write(gate.wait))
        last = len(signs) + 1  # what was under way when the gate fell
        await asyncio.sleep(0.7)
        assert len(signs) <= last
        gate.set()
        await stuck
        await until(partial(_some_more, signs, last))


async def test_an_index_that_has_frozen_ends_the_signs_of_life_and_is_told_once(
    office: Office, restless: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with office.at_work() as running:
        signs = signs_of(running)
        await until(partial(_some_more, signs, 2))
        monkeypatch.setattr(engine, "FROZEN_SECONDS", -1.0)
        last = len(signs)
        await asyncio.sleep(0.7)
        assert len(signs) == last
    assert [record.message for record in caplog.records].count(
        "the index has frozen: nothing was heard of it for -1 s"
    ) == 1
