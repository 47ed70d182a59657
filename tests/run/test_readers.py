"""What strangers sent is read elsewhere, and whatever it does there stays there."""

from __future__ import annotations

import mmap
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from poststelle.mail.digest import digest
from poststelle.run import readers
from poststelle.run.reader import NICENESS, from_json, to_json
from poststelle.run.readers import UNREADABLE, USUAL_BYTES, Readers
from poststelle.sync.folder import LONGEST_SILENCE
from tests.builders import a_letter

POISONED = "tests.run.poisoned_reader"


@pytest.fixture
async def crew() -> AsyncIterator[Readers]:
    made = Readers()
    yield made
    await made.close()


@pytest.fixture
async def poisoned(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Readers]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=":")
    made = Readers(module=POISONED)
    yield made
    await made.close()


async def test_a_reader_says_what_reading_here_would_say(crew: Readers) -> None:
    raws = [a_letter(f"Brief {number}", "Grüße\n" * number) for number in range(20)]
    raws += [b"", b"\xff\x00\r\n\r\n", b"Subject: =?utf-8?q?=ED=A0=80?=\r\n\r\n"]
    assert await crew.read(raws) == [from_json(to_json(digest(raw))) for raw in raws]


async def test_reading_gives_way_to_those_who_answer_pages(crew: Readers) -> None:
    await crew.read([a_letter()])
    (reader,) = crew._all
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, reader._process.pid) == min(ours + NICENESS, 19)


async def test_a_batch_larger_than_usual_and_the_next_small_one_are_read(crew: Readers, tmp_path: Path) -> None:
    big = a_letter("Groß", "Zeile\r\n" * (USUAL_BYTES // 5))
    file = tmp_path / "big"
    file.write_bytes(big)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert [one.subject for one in await crew.read([a_letter("Eins"), mapped])] == ["Eins", "Groß"]
    assert [one.subject for one in await crew.read([a_letter("Klein")])] == ["Klein"]


async def test_a_message_that_kills_its_reader_is_kept_as_unreadable_and_the_others_are_read(poisoned: Readers) -> None:
    raws = [a_letter("Eins"), a_letter("Zwei", "poison"), a_letter("Drei")]
    assert [one.subject for one in await poisoned.read(raws)] == ["Eins", "", "Drei"]
    assert (await poisoned.read(raws))[1] == UNREADABLE


async def test_a_message_that_wants_all_memory_does_not_get_it_and_the_others_are_read(poisoned: Readers) -> None:
    raws = [a_letter("Eins"), a_letter("Zwei", "greedy"), a_letter("Drei")]
    assert [one.subject for one in await poisoned.read(raws)] == ["Eins", "", "Drei"]


async def test_a_message_whose_reader_is_ended_once_by_the_machine_is_read_by_the_next(
    poisoned: Readers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KILLED_ONCE", str(tmp_path / "killed"))
    assert [one.subject for one in await poisoned.read([a_letter("Allein", "unlucky")])] == ["Allein"]
    assert (tmp_path / "killed").exists()


def test_readers_that_hang_do_not_make_an_account_look_stuck() -> None:
    assert 3 * readers.SECONDS_PER_BATCH < LONGEST_SILENCE


async def test_a_message_a_reader_never_finishes_is_given_up(
    poisoned: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "SECONDS_PER_BATCH", 2.0)
    assert [one.subject for one in await poisoned.read([a_letter("Eins"), a_letter("Zwei", "sleep")])] == ["Eins", ""]
