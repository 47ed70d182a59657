"""Opening a message: what its sender's marks and the server's findings say, its files, its thread, its source."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from poststelle.errors import NotFound
from poststelle.mail.ports import Role
from poststelle.office import reading, work
from poststelle.office.actor import Actor
from poststelle.store import models
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, an_office

pytestmark = pytest.mark.usefixtures("home", "transactional_db")

CORPORA = Path(os.environ.get("POSTSTELLE_CORPORA") or Path(__file__).parents[3] / "shared" / "corpora")
INVITATION = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@k.test\r\nSUMMARY:Besprechung\r\nDTSTART:20260303T090000Z\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def ada() -> Actor:
    return an_office()


def test_what_the_accounts_own_server_found_out_is_told_and_what_others_claim_is_not(ada: Actor) -> None:
    inbox = a_folder(an_account(ada))
    own = a_letter(headers={"Authentication-Results": "mx.amt.test; spf=pass; dmarc=fail header.from=kunde.test"})
    claimed = a_letter(headers={"Authentication-Results": "mx.kunde.test; dmarc=pass header.from=kunde.test"})
    found = reading.open_message(ada, a_message_in(inbox, own).id).authentication
    assert found is not None
    assert (found.server, found.dmarc, found.failed) == ("mx.amt.test", "fail", True)
    assert reading.open_message(ada, a_message_in(inbox, claimed).id).authentication is None


def test_a_trusted_senders_pictures_are_allowed_but_not_those_of_somebody_who_pretends(ada: Actor) -> None:
    inbox = a_folder(an_account(ada))
    honest = a_message_in(inbox)
    assert not reading.open_message(ada, honest.id).remote_allowed
    work.trust_sender(ada, honest.id)
    assert reading.open_message(ada, honest.id).remote_allowed
    pretending = a_message_in(inbox, a_letter(sender='"chef@amt.test" <eva@kunde.test>'))
    opened = reading.open_message(ada, pretending.id)
    assert (list(opened.marks), opened.remote_allowed) == (["name-is-another-address"], False)


def test_files_say_what_they_are_and_what_to_beware_of(ada: Actor) -> None:
    letter = a_letter(
        html='<img src="cid:bild">',
        attachments=[("../Rechnung.pdf.exe", "application/pdf", b"MZ"), ("Foto.png", "image/png", b"png"), ("a.txt", "text/plain", b"x")],
    )  # fmt: skip
    files = reading.open_message(ada, a_message_in(a_folder(an_account(ada)), letter).id).attachments
    assert [(file.safe_name, list(file.dangers), file.preview) for file in files] == [
        ("Rechnung.pdf.exe", ["program", "disguised"], ""), ("Foto.png", [], "image"), ("a.txt", [], "text"),
    ]  # fmt: skip


def test_all_files_come_in_one_archive_under_names_of_their_own(ada: Actor) -> None:
    files = [
        ("../a.txt", "text/plain", b"1"),
        ("A.TXT", "text/plain", b"2"),
        ("", "image/png", b"3"),
        ("con", "image/png", b"4"),
    ]
    placed = a_message_in(a_folder(an_account(ada)), a_letter(attachments=files))
    pieces = list(reading.zipped(ada, placed.id))
    assert len(pieces) > len(files)
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.txt": b"1", "A (2).TXT": b"2", "file.png": b"3", "file_con": b"4",
        }  # fmt: skip
    bare = a_message_in(a_folder(an_account(ada, "Zwei")))
    with pytest.raises(NotFound):
        reading.zipped(ada, bare.id)


def test_invitations_and_reports_are_recognised(ada: Actor) -> None:
    inbox = a_folder(an_account(ada))
    invited = a_message_in(inbox, a_letter(attachments=[("termin.ics", "text/calendar", INVITATION)]))
    said = reading.open_message(ada, invited.id).said
    assert [event.summary for event in said.invitations] == ["Besprechung"]
    bounced = a_message_in(inbox, a_letter(headers={"X-Failed-Recipients": "weg@kunde.test"}))
    said = reading.open_message(ada, bounced.id).said
    assert said.delivery is not None
    assert [one.recipient for one in said.delivery.recipients] == ["weg@kunde.test"]
    assert reading.open_message(ada, a_message_in(inbox).id).said == reading.Said()


def test_headers_are_had_short_and_long_and_the_source_as_text(ada: Actor) -> None:
    placed = a_message_in(a_folder(an_account(ada)), a_letter("Größe", headers={"X-Mailer": "Brief"}))
    opened = reading.open_message(ada, placed.id)
    assert [name for name, _ in opened.short_headers] == ["From", "To", "Date", "Subject"]
    assert dict(opened.short_headers)["Subject"] == "Größe"
    assert dict(opened.headers)["X-Mailer"] == "Brief"
    source = reading.source(ada, placed.id)
    assert (source.text.startswith("From: "), source.is_cut) == (True, False)
    long = a_message_in(a_folder(an_account(ada, "Zwei")), a_letter(text="x\0" * 800_000))
    assert reading.source(ada, long.id).is_cut


def test_a_thread_shows_every_message_once_oldest_first_wherever_it_lies(ada: Actor) -> None:
    bob = a_person()
    rights = [{"user": one, "rights": ["see", "process", "administer"]} for one in ("ada@amt.test", "bob@amt.test")]
    account, hidden = an_account(ada, grants=rights), an_account(ada, "Geheim")
    inbox, archive, sent = a_folder(account), a_folder(account, "Archiv"), a_folder(account, "Sent", role=Role.SENT)
    first_raw = a_letter("Frage")
    first, copy = a_message_in(inbox, first_raw), a_message_in(archive, first_raw)
    headers = {"In-Reply-To": f"<{first.message_id}>", "References": f"<{first.message_id}>"}
    answer = a_message_in(sent, a_letter("Re: Frage", sender="Bob <bob@amt.test>", headers=headers))
    unseen = a_message_in(a_folder(hidden), a_letter("Re: Frage", headers=headers))
    work.add_note(ada, first.id, "Wichtig")
    thread = reading.thread(bob, answer.id)
    assert [one.placement.id for one in thread] == [first.id, answer.id]
    assert (list(thread[0].also), thread[0].notes) == ([archive.id], 1)
    assert thread[0].answer is not None
    assert thread[0].answer.placement_id == answer.id
    assert [one.placement.id for one in reading.thread(bob, copy.id)] == [copy.id, answer.id]
    assert [one.placement.id for one in reading.thread(ada, first.id)] == [first.id, answer.id, unseen.id]
    models.Placement.objects.update(thread=0)
    assert [one.placement.id for one in reading.thread(ada, first.id)] == [first.id]
    assert list(reading.open_message(ada, first.id).also) == [archive.id]


def test_every_mail_of_the_corpora_opens(ada: Actor) -> None:
    """Reads nothing where there is no folder of mail (tests/mail/test_corpora.py)."""
    inbox = a_folder(an_account(ada))
    chosen = [
        path
        for folder in ("own-torture", "tnef", "calendar", "malformed")
        for path in sorted((CORPORA / folder).rglob("*.eml"))
    ]
    for path in chosen[::3]:
        raw = path.read_bytes()
        if raw and len(raw) < 2_000_000:
            placed = a_message_in(inbox, raw)
            assert "unreadable" not in reading.open_message(ada, placed.id).parsed.defects, path.name
            assert reading.raw(ada, placed.id) == raw, path.name
