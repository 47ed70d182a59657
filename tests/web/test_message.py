"""An open message: who wrote it, what it is, its thread and files, and what people add to it."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from poststelle.mail import calendar
from poststelle.mail.message import parse
from poststelle.mail.ports import Role
from poststelle.mail.records import PlacementRecord
from poststelle.office import outbox, preferences, reading, work
from poststelle.store import messages
from poststelle.store import outbox as store_outbox
from poststelle.web.frame import FrameWish, frame_url
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.mail.papers import a_picture, blank_pages
from tests.run import doomed_cell
from tests.web.visitor import Visitor, text_of

INVITATION = (
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@amt.test\r\nSUMMARY:Ortstermin <b>\r\nDTSTART;TZID=Europe/Berlin:"
    "20260305T140000\r\nDTEND;TZID=Europe/Berlin:20260305T153000\r\nLOCATION:Rathaus\r\nORGANIZER;CN=Eva:mailto:eva@kunde.test\r\n"
    "ATTENDEE:mailto:zentrale@amt.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
BOUNCE = (
    b"From: MAILER-DAEMON@mail.test\r\nSubject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
    b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nSorry\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.test\r\n"
    b"\r\nFinal-Recipient: rfc822; weg@kunde.test\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 <x> unknown user\r\n--b--\r\n"
)
RECEIPT = (
    b"From: eva@kunde.test\r\nSubject: Read\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/plain\r\n\r\nRead\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822;"
    b"eva@kunde.test\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n--b--\r\n"
)
SEE = ["see"]


def pane(visitor: Visitor, message: PlacementRecord, more: str = "") -> str:
    response = visitor.part(f"/mail/f/{message.folder_id}/m/{message.id}/{more}", "reader")
    assert response.status_code == 200, response.content[:500]
    text: str = response.content.decode()
    return text


def a_message(visitor: Visitor, raw: bytes | None = None) -> PlacementRecord:
    return a_message_in(a_folder(an_account(visitor.actor)), raw)


def frame_of(page: str) -> str:
    found = re.search(r'<iframe class="body"[^>]* src="([^"]+)"', page)
    assert found
    return found[1]


def test_a_name_that_shows_another_address_is_marked_and_the_real_one_told(ada: Visitor) -> None:
    page = text_of(pane(ada, a_message(ada, a_letter(sender='"chef@amt.test" <x@angreifer.test>'))))
    assert "The name shows another address than the message is from." in page
    assert "The real address is x@angreifer.test." in page


def test_a_domain_of_look_alike_letters_is_shown_in_its_technical_form(ada: Visitor) -> None:
    raw = "From: <info@раураӏ.com>\r\nSubject: Konto\r\n\r\nText\r\n".encode()
    page = text_of(pane(ada, a_message(ada, raw)))
    assert "info@xn--" in page
    assert "looks like another one but is not" in page


def test_what_the_own_server_found_is_told_and_what_others_claim_is_not(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    said = {"Authentication-Results": "mx.mail.amt.test; dmarc=fail header.from=kunde.test"}
    claimed = {"Authentication-Results": "mx.angreifer.test; dmarc=pass header.from=kunde.test"}
    assert "its sender may be forged" in text_of(pane(ada, a_message_in(folder, a_letter(headers=said))))
    assert "answers for this message" not in text_of(pane(ada, a_message_in(folder, a_letter(headers=claimed))))


def test_an_invitation_is_told_in_words_and_answered_by_a_draft(ada: Visitor) -> None:
    raw = a_letter("Einladung", attachments=[("termin.ics", "text/calendar", INVITATION.encode())])
    page = pane(ada, a_message(ada, raw))
    told = text_of(page)
    assert "Invitation: Ortstermin &lt;b&gt;" in told
    assert "14:00 – 15:30" in told
    assert "Rathaus" in told
    accept = re.search(r'href="(/write/\?reply=[^"]*invitation=accept[^"]*)"', page)
    assert accept
    draft = ada.page(accept[1].replace("&amp;", "&"))
    assert "Accepted: Ortstermin" in draft
    assert "eva@kunde.test" in draft


def test_a_delivery_report_and_a_receipt_are_told_in_words(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    bounced = text_of(pane(ada, a_message_in(folder, BOUNCE)))
    assert "weg@kunde.test : could not be delivered (5.1.1)" in bounced
    assert "550 &lt;x&gt; unknown user" in bounced
    assert "eva@kunde.test: has been displayed" in text_of(pane(ada, a_message_in(folder, RECEIPT)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Disposition-Notification-To", "<track@verfolger.test>"), ("Return-Receipt-To", "<track@verfolger.test>"),
        ("X-Confirm-Reading-To", "<track@verfolger.test>"), ("List-Unsubscribe", "<https://verfolger.test/u>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"), ("BIMI-Location", "v=BIMI1; l=https://verfolger.test/b.svg"),
        ("Content-Base", "https://verfolger.test/"), ("Content-Location", "https://verfolger.test/"),
        ("X-Image-URL", "https://verfolger.test/f.png"), ("Face", "https://verfolger.test/f.png"),
        ("Link", "<https://verfolger.test/s.css>; rel=stylesheet"), ("Refresh", "0; url=https://verfolger.test/"),
    ],
)  # fmt: skip
def test_a_header_that_wants_an_answer_or_a_request_is_only_text(ada: Visitor, name: str, value: str) -> None:
    message = a_message(ada, a_letter(html='<p>Hallo</p><img src="a.png">', headers={name: value}))
    page = pane(ada, message)
    framed = Client().get(frame_of(page))
    for answer in (page, framed.content.decode(), ada.get(f"/mail/m/{message.id}/print/").content.decode()):
        assert not re.search(r"""=["'][^"'>]*verfolger\.test""", answer), name
    assert not {"Link", "Refresh", "Content-Location"} & framed.headers.keys()
    assert outbox.page(ada.actor, 1).items == []


def test_a_dangerous_file_is_marked_and_has_no_preview(ada: Visitor) -> None:
    raw = a_letter(attachments=[("Rechnung.pdf.exe", "application/pdf", b"MZ"), ("Brief.txt", "text/plain", b"Hallo")])
    message = a_message(ada, raw)
    page = pane(ada, message)
    assert "can run a program, its name is misleading" in text_of(page)
    assert page.count('class="dangerous"') == 1
    assert re.findall(r'hx-get="/mail/m/[^"]*/attachment/(\d)/look/"', page) == ["1"]


def test_files_are_looked_at_as_text_or_as_the_message_they_are(ada: Visitor) -> None:
    inner = a_letter(
        "Innen <i>", html="<p>Kern</p><script>alert(1)</script>", attachments=[("a.bin", "image/x-own", b"1")]
    )
    files = [
        ("Brief.txt", "text/plain", b"<b>Hallo</b>"),
        ("innen.eml", "application/octet-stream", inner),
        ("x.bin", "a/b", b"1"),
    ]
    message = a_message(ada, a_letter(attachments=files))
    address = f"/mail/m/{message.id}/attachment/%d/look/"
    assert "&lt;b&gt;Hallo&lt;/b&gt;" in ada.part(address % 0, f"look-{message.id}").content.decode()
    nested = ada.page(address % 1)
    assert "Innen &lt;i&gt;" in nested
    assert "a.bin" in nested
    document = Client().get(frame_of(nested)).content.decode()
    assert "Kern" in document
    assert "<script" not in document
    assert "no preview" in ada.page(address % 2)
    assert ada.get(address % 9).status_code == 404


def test_all_files_come_in_one_zip_under_harmless_names(ada: Visitor) -> None:
    files = [("../a.txt", "text/plain", b"1"), ("a.txt", "text/plain", b"2")]
    message = a_message(ada, a_letter(attachments=files))
    response = ada.get(f"/mail/m/{message.id}/attachments.zip")
    assert response["Content-Disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(b"".join(response))) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"1", b"2"]
        assert all("/" not in name for name in archive.namelist())
    assert (
        ada.get(f"/mail/m/{a_message_in(a_folder(an_account(ada.actor, 'B'))).id}/attachments.zip").status_code == 404
    )


def test_source_and_print_view_are_held_like_the_frame(ada: Visitor) -> None:
    message = a_message(ada, a_letter("Hallo <b>", "a <i>", html='<p>Kern</p><img src="https://tracker.test/x.png">'))
    source = ada.get(f"/mail/m/{message.id}/source/")
    assert source["Content-Type"] == "text/plain; charset=utf-8"
    assert source["Content-Security-Policy"].startswith("sandbox;")
    assert "Subject: Hallo <b>" in source.content.decode()
    printed = ada.get(f"/mail/m/{message.id}/print/")
    assert "sandbox" in printed["Content-Security-Policy"]
    assert "Hallo &lt;b&gt;" in printed.content.decode()
    assert "tracker.test" not in printed.content.decode()
    plain = ada.get(f"/mail/m/{a_message_in(a_folder(an_account(ada.actor, 'B')), a_letter('T', 'a <i>')).id}/print/")
    assert "a &lt;i&gt;" in plain.content.decode()


def test_what_is_printed_is_what_the_screen_shows(ada: Visitor) -> None:
    html = '<p>Kern</p><img src="https://tracker.test/x.png">'
    message = a_message(ada, a_letter("Bild", "Worte", html=html, attachments=[("Plan.pdf", "application/pdf", b"x")]))
    asked = ada.get(f"/mail/m/{message.id}/print/?remote=1")
    assert "/mail/picture/" in asked.content.decode()
    assert "img-src data: 'self'" in asked["Content-Security-Policy"]
    assert "Plan.pdf" in asked.content.decode()
    words = ada.get(f"/mail/m/{message.id}/print/?as=text").content.decode()
    assert ("Worte" in words, "Kern" in words) == (True, False)
    assert "/print/?remote=1" in pane(ada, message, "?remote=1")
    assert "/print/?as=text" in pane(ada, message, "?as=text")
    work.trust_sender(ada.actor, message.id)
    assert "/mail/picture/" in ada.page(f"/mail/m/{message.id}/print/")


def test_a_mail_with_colours_of_its_own_keeps_white_ground(ada: Visitor) -> None:
    plain, coloured = (
        pane(ada, a_message_in(a_folder(an_account(ada.actor, label)), a_letter(html=html)))
        for label, html in (("A", "<p>Kern</p>"), ("B", '<p style="color:navy">Kern</p>'))
    )
    assert ('iframe class="body"' in plain, "data-paper" in plain) == (True, True)
    assert ('iframe class="body white"' in coloured, "data-paper" in coloured) == (True, False)


def test_an_open_message_can_be_copied_from_its_toolbar(ada: Visitor) -> None:
    page = pane(ada, a_message(ada))
    assert page.count('data-verb="copy"') == 2, "as a button, and in the menu where there is no room"


def test_a_tag_gets_a_colour_of_its_own_and_administrators_change_it(ada: Visitor, bob: Visitor) -> None:
    grants = [{"user": f"{name}@amt.test", "rights": ["see", "process"]} for name in ("ada", "bob")]
    message = a_message_in(a_folder(an_account(ada.actor, grants=grants)))
    for name in ("Eilt", "Frist", "eilt"):
        assert ada.post(f"/mail/m/{message.id}/task/", do="tag", name=name).status_code == 302
    tags = {tag.name: tag.colour for tag in work.offered_tags(ada.actor)}
    assert tags == {"Eilt": "red", "Frist": "orange"}
    ada.post(f"/mail/m/{message.id}/task/", do="tag-colour", tag="eilt", colour="teal")
    assert "chip tag tag-teal" in ada.part(f"/mail/m/{message.id}/task/", "work").content.decode()
    unknown = ada.client.post(f"/mail/m/{message.id}/task/", {"do": "tag-colour", "tag": "nie", "colour": "teal"})
    assert unknown.status_code == 400
    assert bob.post(f"/mail/m/{message.id}/task/", do="tag-colour", tag="eilt", colour="pink").status_code == 403
    assert 'class="drop-list colours"' not in bob.part(f"/mail/m/{message.id}/task/", "work").content.decode()


def test_the_conversation_is_folded_around_the_message_and_unfolds_in_place(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    first = a_message_in(folder, a_letter("Frage", "Erster Brief", headers={}))
    reply = {"In-Reply-To": f"<{first.message_id}>", "References": f"<{first.message_id}>"}
    second = a_message_in(folder, a_letter("Re: Frage", "Zweiter Brief", headers=reply))
    page = pane(ada, second)
    assert f'id="folded-{first.id}"' in page
    assert "Earlier in this conversation" in page
    assert "Later in this conversation" in pane(ada, first)
    body = ada.part(f"/mail/m/{first.id}/body/", "folded").content.decode()
    assert "Erster Brief" in body


def test_quoted_letters_are_folded_and_deceiving_links_marked_in_the_frame(ada: Visitor) -> None:
    html = (
        '<p>Neu</p><a href="https://angreifer.test/x">https://bank.test/login</a><a href="https://www.bank.test/">bank.test</a>'
        '<blockquote type="cite"><p>Alt</p></blockquote>'
    )
    document = Client().get(frame_of(pane(ada, a_message(ada, a_letter(html=html))))).content.decode()
    assert "<details><summary>Quoted text</summary><blockquote" in document
    assert document.count("<mark>leads to: ") == 1
    assert "<mark>leads to: angreifer.test</mark>" in document


def test_who_works_on_it_is_set_beside_the_message(ada: Visitor) -> None:
    message = a_message(ada)
    deed = f"/mail/m/{message.id}/task/"
    ada.post(deed, do="status", status="waiting", back="/mail/")
    ada.post(deed, do="assign", user=ada.user.id)
    ada.post(deed, do="follow-up", soon="tomorrow", everybody="1")
    task = work.on(ada.actor, message.id).task
    assert task.status.value == "waiting"
    assert task.assignee == ada.user
    assert task.follow_up_for is None
    assert task.follow_up_at
    assert timezone.localtime(task.follow_up_at).date() == timezone.localdate() + timedelta(days=1)
    ada.post(deed, do="follow-up", day="2031-02-30")
    assert work.on(ada.actor, message.id).task.follow_up_at == task.follow_up_at
    ada.post(deed, do="follow-up", soon="never")
    ada.post(deed, do="assign", user="")
    task = work.on(ada.actor, message.id).task
    assert task.follow_up_at is None
    assert task.assignee is None


def test_notes_are_written_changed_and_removed_and_are_only_text(ada: Visitor) -> None:
    message = a_message(ada)
    deed = f"/mail/m/{message.id}/task/"
    ada.post(deed, do="note", text="<b>Bitte</b> prüfen, @Ada")
    (note,) = work.on(ada.actor, message.id).notes
    part = ada.part(deed, "work").content.decode()
    assert "&lt;b&gt;Bitte&lt;/b&gt;" in part
    ada.post(deed, do="note", note=note.id, text="Erledigt")
    assert work.on(ada.actor, message.id).notes[0].text == "Erledigt"
    ada.post(deed, do="note-gone", note=note.id)
    assert not work.on(ada.actor, message.id).notes


def test_tags_are_put_on_and_taken_off(ada: Visitor) -> None:
    message = a_message(ada)
    deed = f"/mail/m/{message.id}/task/"
    ada.post(deed, do="tag", name="Frist")
    (tag,) = [one for one in work.offered_tags(ada.actor) if one.name == "Frist"]
    assert tag.keyword in reading.placement(ada.actor, message.id).flags
    ada.post(deed, do="untag", tag=tag.keyword)
    assert tag.keyword not in reading.placement(ada.actor, message.id).flags
    assert ada.post(deed, do="tag", tag="\\Deleted").status_code == 400
    assert ada.post(deed, do="nothing").status_code == 400


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Bitte @Ada", ["@Ada"]),
        ("@ada@amt.test und @ADA, bitte", ["@ada@amt.test", "@ADA"]),
        ("@Adam, a@ada.test, <b>@Bob</b>", []),
        ("<script>@Ada</script>", ["@Ada"]),
    ],
)
def test_whom_a_note_calls_stands_out_in_it(ada: Visitor, text: str, marked: list[str]) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)))
    ada.post(f"/mail/m/{message.id}/task/", do="note", text=text)
    page = ada.part(f"/mail/m/{message.id}/task/", "work").content.decode()
    said = re.search(r'<p class="note-text">(.*?)</p>', page, re.S)
    assert said
    assert re.findall(r'<b class="mention">(.*?)</b>', said[1]) == marked
    assert unescape(re.sub("</?b[^>]*>", "", said[1])) == text
    assert "<script>" not in page


def test_whoever_only_sees_may_note_but_not_assign(ada: Visitor, bob: Visitor) -> None:
    grants = [{"user": ada.user.email, "rights": ["see", "process"]}, {"user": bob.user.email, "rights": SEE}]
    message = a_message_in(a_folder(an_account(ada.actor, grants=grants)))
    deed = f"/mail/m/{message.id}/task/"
    assert bob.post(deed, do="assign", user=bob.user.id).status_code == 403
    assert bob.post(deed, do="note", text="Gesehen").status_code == 302
    assert 'value="assign"' not in pane(bob, message)
    assert 'data-refused="You may read this mailbox, but not change anything in it."' in pane(bob, message)
    assert "data-refused" not in pane(ada, message)


def test_who_else_is_at_the_message_is_told(ada: Visitor, bob: Visitor) -> None:
    grants = [{"user": one.user.email, "rights": SEE} for one in (ada, bob)]
    message = a_message_in(a_folder(an_account(ada.actor, grants=grants)))
    bob.post(f"/mail/m/{message.id}/here/", doing="answering")
    ada.client.post(f"/mail/m/{message.id}/here/")
    assert "Bob is answering" in text_of(pane(ada, message))
    assert bob.post(f"/mail/m/{message.id}/here/", doing="gone").status_code == 204
    assert "Bob" not in text_of(ada.client.post(f"/mail/m/{message.id}/here/").content.decode())


def test_whoever_writes_an_answer_says_so(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)))
    page = ada.page(f"/write/?reply={message.id}")
    assert f'hx-post="/mail/m/{message.id}/here/"' in page
    assert '{"doing": "answering"}' in page
    assert ada.post("/write/", answers="a/b", account="", to="", subject="", text="").status_code == 422


def test_an_answer_from_elsewhere_is_told(ada: Visitor) -> None:
    account = an_account(ada.actor)
    message = a_message_in(a_folder(account), a_letter("Frage"))
    reply = {"In-Reply-To": f"<{message.message_id}>", "References": f"<{message.message_id}>"}
    sent = a_letter("Re: Frage", sender="Zentrale <zentrale@amt.test>", to="eva@kunde.test", headers=reply)
    a_message_in(a_folder(account, "Sent", role=Role.SENT), sent)
    assert "Answered by Zentrale from elsewhere on" in text_of(pane(ada, message))


def test_it_counts_as_read_when_the_reader_says_so(ada: Visitor) -> None:
    message = a_message(ada)
    preferences.change(ada.actor, {"mark_read_after": 5})
    assert 'hx-trigger="load delay:5s"' in pane(ada, message)
    preferences.change(ada.actor, {"mark_read_after": None})
    assert "hx-vals" not in pane(ada, message)


def test_a_message_in_the_spam_folder_is_offered_a_way_back_instead_of_in(ada: Visitor) -> None:
    account = an_account(ada.actor)
    for name, role, offered in (("INBOX", Role.INBOX, "spam"), ("Junk", Role.SPAM, "wanted")):
        folder = a_folder(account, name, role=role)
        bar = ada.part(f"/mail/f/{folder.id}/m/{a_message_in(folder, a_letter()).id}/", "reader").content.decode()
        assert set(re.findall(r'data-verb="(spam|wanted)"', bar)) == {offered}


def test_above_and_below_lead_through_the_list(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    older, middle, newer = (a_message_in(folder) for _ in range(3))
    page = pane(ada, middle)
    assert re.search(rf'rel="prev" href="[^"]*/m/{newer.id}/', page)
    assert re.search(rf'rel="next" href="[^"]*/m/{older.id}/', page)


def test_an_accepted_invitation_carries_the_answer_for_the_organisers_calendar(ada: Visitor) -> None:
    raw = a_letter("Einladung", attachments=[("termin.ics", "text/calendar", INVITATION.encode())])
    account = an_account(ada.actor)
    message = a_message_in(a_folder(account), raw)
    letter: dict[str, str] = {
        "account": account.id,
        "to": "eva@kunde.test",
        "subject": "Zusage",
        "text": "Ja",
        "answers": message.id,
    }
    assert ada.post("/write/", **letter, invitation="accept").status_code == 302
    claimed = store_outbox.claim(outbox.page(ada.actor, 1).items[0].id)
    assert claimed
    raw = messages.content(ada.actor.reach.pool, claimed.content)
    (event,) = calendar.invitations(raw, parse(raw))
    assert (event.method, event.uid, event.summary) == ("REPLY", "1@amt.test", "Ortstermin <b>")
    assert event.attendees == (("", "zentrale@amt.test"),)


@pytest.fixture
def doomed_cells(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Readers that die of some messages."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=":")
    settings.CELLS = "tests.run.doomed_cell.ask"
    yield
    doomed_cell.warden.close()


def test_a_message_that_kills_its_reader_is_told_in_words_and_its_source_is_there(
    ada: Visitor, doomed_cells: None
) -> None:
    message = a_message(ada, a_letter("Bombe", "poison", html="<p>poison</p>"))
    page = pane(ada, message)
    assert "too much for its reader" in text_of(page)
    assert "Bombe" in text_of(page)
    assert f"/mail/m/{message.id}/source/" in page
    assert "poison" in ada.get(f"/mail/m/{message.id}/source/").content.decode()
    assert ada.get(f"/mail/m/{message.id}/original.eml").status_code == 200
    assert "Bombe" in ada.get(f"/mail/m/{message.id}/print/").content.decode()


def test_where_only_the_designed_form_is_too_much_the_words_are_read(ada: Visitor, doomed_cells: None) -> None:
    message = a_message(ada, a_letter("Zart", "Die Worte", html="<p>brittle</p>"))
    page = pane(ada, message)
    assert "The designed form of this message cannot be shown" in text_of(page)
    assert "Die Worte" in text_of(page)
    assert "<iframe" not in page
    assert "Die Worte" in ada.get(f"/mail/m/{message.id}/print/").content.decode()
    framed = Client().get(frame_url(FrameWish(ada.user.id, message.id, remote=True)))
    assert "too much for its reader" in framed.content.decode()
    assert "sandbox" in framed["Content-Security-Policy"]


def test_a_pdf_is_leafed_through_as_pictures_and_a_broken_one_told(ada: Visitor) -> None:
    files = [
        ("Plan.pdf", "application/octet-stream", blank_pages(2)),
        ("Kaputt.pdf", "application/pdf", b"%PDF-1.4 nothing"),
    ]
    message = a_message(ada, a_letter(attachments=files))
    address = f"/mail/m/{message.id}/attachment/%s/look/"
    first, second = (ada.part(f"{address % 0}?page={n}", "look").content.decode() for n in (0, 1))
    assert "Page 1 of 2" in first
    assert (f"{address % 0}?page=1" in first, f"{address % 0}?page=0" in first) == (True, False)
    assert (f"{address % 0}?page=2" in second, f"{address % 0}?page=0" in second) == (False, True)
    assert 'src="data:image/png;base64,' in first
    assert ada.get(f"{address % 0}?page=2").status_code == 404
    assert "cannot be read" in text_of(ada.page(address % 1))


def test_an_attached_picture_is_drawn_anew_for_its_preview(ada: Visitor) -> None:
    hidden = a_picture("PNG", (40, 20)) + b"<script>alert(1)</script>"
    message = a_message(ada, a_letter(attachments=[("a.png", "image/png", hidden), ("b.png", "image/png", b"<svg/>")]))
    shown = re.search(r'src="data:image/png;base64,([^"]+)"', ada.page(f"/mail/m/{message.id}/attachment/0/look/"))
    assert shown
    assert b"script" not in base64.b64decode(shown[1])
    assert "cannot be read" in text_of(ada.page(f"/mail/m/{message.id}/attachment/1/look/"))


@pytest.mark.parametrize(
    ("content_type", "told"),
    [
        ("application/pkcs7-mime; smime-type=enveloped-data", "is encrypted and cannot be opened here"),
        ("application/pkcs7-mime; smime-type=signed-data", "wrapped in its digital signature"),
        ("multipart/signed; boundary=x", "It is not checked here."),
    ],
)
def test_an_encrypted_or_signed_message_says_so_and_promises_nothing(
    ada: Visitor, content_type: str, told: str
) -> None:
    raw = f"From: eva@kunde.test\r\nSubject: S\r\nMIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n--x\r\n\r\nMIIB\r\n--x--"
    message = a_message_in(a_folder(an_account(ada.actor)), raw.encode())
    page = ada.part(f"/mail/f/{message.folder_id}/m/{message.id}/", "reader").content.decode()
    assert told in text_of(page)
    assert f"/mail/m/{message.id}/original.eml" in page
