"""Segments, sealed secrets, key file and search index, each by itself."""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from poststelle.errors import Conflict, Invalid
from poststelle.mail.secret import Secret
from poststelle.office import reading
from poststelle.store import health, index, index_file
from poststelle.store.blobs import Origin, Segments
from poststelle.store.keys import open_key_file
from poststelle.store.secrets import Place, seal, unseal
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, an_office, everything_is_indexed

PLACE = Place("login", "row", "secret", 1)


def _written(store: Segments, *raws: bytes) -> tuple[str, list[tuple[int, int]]]:
    parcels = [(Origin("a", "INBOX", str(n)), hashlib.sha256(raw).digest(), raw) for n, raw in enumerate(raws)]
    written = store.write(parcels)
    return written.name, [(entry.offset, entry.length) for entry in written.entries]


@given(some.lists(some.binary(max_size=3000), min_size=1, max_size=8))
def test_bytes_come_out_of_a_segment_as_they_went_in(raws: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Segments(Path(folder))
        name, places = _written(store, *raws)
        for raw, (offset, length) in zip(raws, places, strict=True):
            sha256 = hashlib.sha256(raw).digest()
            assert store.read(name, offset, length, sha256=sha256, size=len(raw)) == raw
        assert [entry.origin.remote_id for entry in store.index(name).entries] == [str(n) for n in range(len(raws))]


def test_a_mapped_file_of_several_megabytes_is_kept_like_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    file = tmp_path / "big"
    file.write_bytes(content)
    store = Segments(tmp_path / "segments")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        written = store.write([(Origin("a", "b", "c"), hashlib.sha256(raw).digest(), raw)])
    (entry,) = written.entries
    assert store.read(written.name, entry.offset, entry.length, sha256=entry.sha256, size=entry.size) == content


def test_a_changed_byte_never_comes_out_as_another_message(tmp_path: Path) -> None:
    raw = b"Subject: Akte 12/26\r\n\r\nGuten Tag\r\n" * 3
    store = Segments(tmp_path)
    name, ((offset, length),) = _written(store, raw)
    (file,) = tmp_path.glob("*/*.seg")
    good = file.read_bytes()
    for position in range(offset, offset + length):
        file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with suppress(Conflict):  # or it was a bit of the frame that carries nothing, and the bytes are right
            assert store.read(name, offset, length, sha256=hashlib.sha256(raw).digest(), size=len(raw)) == raw


def test_a_segment_cut_short_is_unreadable_and_says_so(tmp_path: Path) -> None:
    store = Segments(tmp_path)
    name, _ = _written(store, b"eins", b"zwei")
    (file,) = tmp_path.glob("*/*.seg")
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(Conflict, match="segment-unreadable"):
        store.index(name)


@pytest.mark.django_db
def test_the_newest_messages_are_proved_first(home: Path) -> None:
    inbox = a_folder(an_account(an_office()))
    a_message_in(inbox)
    before = {*home.glob("segments/*/*.seg")}
    a_message_in(inbox)
    (newest,) = {*home.glob("segments/*/*.seg")} - before
    newest.unlink()
    assert [*health.every_message()] == [False, True]
    assert (health.unreadable(1), health.unreadable(2)) == (1, 1)


@given(some.text(max_size=200).filter(lambda text: "\ud800" not in text))
def test_a_secret_opens_only_in_its_own_place(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keys = open_key_file(Path(folder) / "keys.json")
        try:
            text.encode()
        except UnicodeEncodeError:
            return
        sealed = seal(keys, Secret(text), PLACE)
        assert unseal(keys, sealed, PLACE).reveal() == text
        for other in (
            Place("login", "other", "secret", 1),
            Place("login", "row", "secret", 2),
            Place("login", "row", "token", 1),
        ):
            with pytest.raises(Conflict, match="secret-unreadable"):
                unseal(keys, sealed, other)


def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    open_key_file(file)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(Conflict, match="key-file-readable-by-others"):
        open_key_file(file)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("Geheimnis-4711")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r}", repr([secret])):
        assert "4711" not in shown
    with pytest.raises(TypeError):
        json.dumps(secret)


@pytest.mark.django_db(transaction=True)
def test_search_finds_words_phrases_and_beginnings_within_reach_only(home: Path) -> None:
    clara = an_office()
    inbox = a_folder(an_account(clara))
    contract = a_message_in(inbox, a_letter("Mietvertrag Müllerstraße", "Die Kündigung ist wirksam."))
    a_message_in(inbox, a_letter("Rechnung 4711", "Bitte überweisen.", attachments=[("Beleg.txt", "text/plain", b"x")]))
    everything_is_indexed()

    def found(query: str) -> list[str]:
        return [hit.placement.subject for hit in reading.search(clara, query).items]

    assert found("mullerstrasse") == found("muellerstraße") == [contract.subject]
    assert found("müllerstraße") == found("mullerstraße") == found("mietv") == ["Mietvertrag Müllerstraße"]
    assert found('"ist wirksam"') == ["Mietvertrag Müllerstraße"]
    assert found('"wirksam ist"') == []
    assert found("beleg") == found("4711 überweisen") == ["Rechnung 4711"]
    assert found("") == found('" * (') == found("pool1") == []
    assert reading.search(a_person(), "rechnung").items == []
    assert reading.search(clara, "kündigung").items[0].snippet.startswith("Die Kündigung")
    assert contract.subject == "Mietvertrag Müllerstraße"


@pytest.mark.django_db(transaction=True)
def test_search_pages_go_on_where_they_ended(home: Path) -> None:
    clara = an_office()
    inbox = a_folder(an_account(clara))
    for number in range(7):
        a_message_in(inbox, a_letter(f"Akte {number}"))
    everything_is_indexed()
    seen, after = [], None
    while True:
        page = reading.search(clara, "akte", 3, after)
        seen += [hit.placement.subject for hit in page.items]
        if page.next is None:
            break
        after = page.next
    assert seen == [f"Akte {number}" for number in reversed(range(7))]


def test_a_disk_that_is_full_leaves_nothing_half_written_behind(tmp_path: Path) -> None:
    class Full(bytes):
        def __len__(self) -> int:
            raise OSError(28, "No space left on device")

    store = Segments(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        store.write([(Origin("a", "INBOX", "1"), b"\0" * 32, Full(b"x"))])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.django_db(transaction=True)
def test_a_message_that_cannot_be_read_back_does_not_hold_up_the_index(home: Path) -> None:
    clara = an_office()
    inbox = a_folder(an_account(clara))
    a_message_in(inbox, a_letter("Verloren"))
    (segment,) = home.glob("segments/*/*.seg")
    segment.write_bytes(b"nichts mehr zu lesen")
    kept = a_message_in(inbox, a_letter("Erhalten"))
    everything_is_indexed()
    assert [hit.placement.id for hit in reading.search(clara, "erhalten").items] == [kept.id]
    assert index.behind() == 0


@pytest.mark.django_db(transaction=True)
def test_a_damaged_index_is_put_aside_and_built_anew_from_the_bytes(home: Path) -> None:
    clara = an_office()
    a_message_in(a_folder(an_account(clara)), a_letter("Mietvertrag"))
    everything_is_indexed()
    (home / "search.db").write_bytes(b"kein Verzeichnis" * 1000)
    (home / "search.db-wal").unlink(missing_ok=True)
    with pytest.raises(sqlite3.DatabaseError) as broken:
        everything_is_indexed()
    assert index_file.is_damaged(broken.value)
    index.start_over()
    everything_is_indexed()
    assert [hit.placement.subject for hit in reading.search(clara, "mietvertrag").items] == ["Mietvertrag"]
    assert (home / "search.db.damaged").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("told", ["9" * 40, "-1", "x", f"2026-03-02|{'9' * 40}|{'0' * 32}", "2026-03-02|1|x", "x|1|y"])
def test_a_cursor_from_elsewhere_is_refused_and_breaks_nothing(home: Path, told: str) -> None:
    clara = an_office()
    inbox = a_folder(an_account(clara))
    a_message_in(inbox)
    everything_is_indexed()
    cursor = base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")
    with pytest.raises(Invalid):
        reading.search(clara, "guten", 50, cursor)
    with pytest.raises(Invalid):
        reading.page(clara, inbox.id, 50, cursor)
