"""Tree, lists and messages as a browser gets them."""

from __future__ import annotations

import re

import pytest
from django.core import signing
from django.test import Client

from poststelle.mail.ports import SEEN
from poststelle.mail.records import PlacementRecord
from poststelle.office import accounts, reading
from poststelle.web.frame import policy
from tests.builders import a_folder, a_letter, a_message_in, an_account, everything_is_indexed
from tests.web.visitor import Visitor, text_of

HTML = (
    '<p>Angebot</p><script>alert(1)</script><img src="https://tracker.test/p.gif"><img src="https://cdn.test/logo.png">'
)
ALL = ["see", "process", "send-as", "administer"]


def message_page(visitor: Visitor, message: PlacementRecord, more: str = "") -> str:
    return visitor.page(f"/mail/f/{message.folder_id}/m/{message.id}/{more}")


def frame_of(page: str) -> str:
    found = re.search(r'<iframe class="body"[^>]* src="([^"]+)"', page)
    assert found
    return found[1]


def test_the_start_page_leads_to_the_inbox_and_names_folders_in_the_readers_language(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    assert ada.get("/")["Location"] == f"/mail/f/{folder.id}/"
    assert "Inbox" in text_of(ada.page(f"/mail/f/{folder.id}/"))


def test_an_administrator_without_any_mailbox_is_led_to_the_mailboxes(ada: Visitor) -> None:
    assert ada.get("/")["Location"] == "/mailboxes/"
    assert "Add mailbox" in ada.page("/mailboxes/")


def test_a_list_comes_in_windows_newest_first(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    for number in range(52):
        a_message_in(folder, a_letter(f"Brief {number:02}"))
    first = ada.page(f"/mail/f/{folder.id}/")
    subjects = list(dict.fromkeys(re.findall(r"Brief \d\d", first)))
    assert subjects == [f"Brief {number:02}" for number in range(51, 1, -1)]
    following = re.search(r'hx-get="([^"]*after=[^"]+)"', first)
    assert following
    rest = ada.part(following[1], "more").content.decode()
    assert list(dict.fromkeys(re.findall(r"Brief \d\d", rest))) == ["Brief 01", "Brief 00"]
    assert "<html" not in rest
    assert "after=" not in rest


def test_the_part_is_what_the_page_includes(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)), a_letter("Vollmacht", "anbei"))
    address = f"/mail/f/{message.folder_id}/m/{message.id}/"
    part = ada.part(address, "reader").content.decode()
    assert part.lstrip().startswith('<article class="message"')
    assert "anbei" in part
    assert 'id="rows"' not in part
    assert 'id="rows"' in ada.page(address)


def test_looking_at_a_message_marks_nothing(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)))
    page = message_page(ada, message)
    assert SEEN not in reading.placement(ada.actor, message.id).flags
    assert 'hx-trigger="load delay:2s"' in page


def test_marks_are_changed_by_posting(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)))
    ada.post(f"/mail/m/{message.id}/mark/", add=["seen", "flagged"])
    assert reading.placement(ada.actor, message.id).flags == {"\\Seen", "\\Flagged"}
    response = ada.post(f"/mail/m/{message.id}/mark/", remove="seen", back="https://evil.test/")
    assert response["Location"] == "/mail/"
    assert reading.placement(ada.actor, message.id).flags == {"\\Flagged"}


def test_who_may_only_see_gets_no_buttons_and_marks_nothing_by_reading(ada: Visitor, bob: Visitor) -> None:
    account = an_account(
        ada.actor,
        grants=[{"user": ada.user.email, "rights": ALL}, {"user": bob.user.email, "rights": ["see"]}],
    )
    message = a_message_in(a_folder(account))
    page = message_page(bob, message)
    assert f'hx-post="/mail/m/{message.id}/mark/"' not in page
    assert bob.post(f"/mail/m/{message.id}/mark/", add="seen").status_code == 403


def test_plain_text_is_escaped_linked_and_its_quotations_folded(ada: Visitor) -> None:
    text = "Siehe https://amt.test/x?a=1&b=2 <b>fett</b>\n\nAda schrieb:\n> alt\n>> älter\n"
    page = message_page(ada, a_message_in(a_folder(an_account(ada.actor)), a_letter("Hallo", text)))
    assert 'href="https://amt.test/x?a=1&amp;b=2"' in page
    assert "&lt;b&gt;fett&lt;/b&gt;" in page
    assert page.count('<details class="quoted">') == 1
    assert "<blockquote>alt" in page


def test_hostile_names_and_subjects_are_only_text(ada: Visitor) -> None:
    evil = "<img src=x onerror=alert(1)>"
    letter = a_letter(evil, sender=f'"{evil}" <eva@kunde.test>', attachments=[(f"{evil}.pdf", "application/pdf", b"x")])
    page = message_page(ada, a_message_in(a_folder(an_account(ada.actor), evil), letter))
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_html_is_shown_in_a_sandboxed_frame_without_scripts(ada: Visitor) -> None:
    page = message_page(ada, a_message_in(a_folder(an_account(ada.actor)), a_letter(html=HTML)))
    found = re.search(r'sandbox="([^"]*)"', page)
    assert found
    assert found[1] == "allow-popups allow-popups-to-escape-sandbox"
    assert "Angebot" not in page[page.index("<article") :]


def test_the_frame_carries_exactly_the_headers_that_hold_it(ada: Visitor) -> None:
    page = message_page(ada, a_message_in(a_folder(an_account(ada.actor)), a_letter(html=HTML)))
    response = Client().get(frame_of(page))
    assert response.status_code == 200
    assert response["Content-Security-Policy"] == (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Set-Cookie" not in response.headers
    document = response.content.decode()
    assert "Angebot" in document
    assert "<script" not in document
    assert "tracker.test" not in document


def test_remote_pictures_come_only_when_asked_for(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)), a_letter(html=HTML))
    assert "2 remote pictures are not shown" in text_of(message_page(ada, message))
    asked = message_page(ada, message, "?remote=1")
    assert "remote pictures are not shown" not in asked
    response = Client().get(frame_of(asked))
    assert response["Content-Security-Policy"] == policy(remote=True)
    assert "img-src data: 'self';" in response["Content-Security-Policy"]
    document = response.content.decode()
    assert len(re.findall(r'src="/mail/picture/[^"]+"', document)) == 2
    assert "https://" not in document


def test_the_frames_address_is_worth_nothing_once_changed_or_old(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_folder(an_account(ada.actor))
    message, other = (a_message_in(folder, a_letter(html=HTML)) for _ in range(2))
    address = frame_of(message_page(ada, message))
    assert ada.get(address[:-1] + ("A" if address[-1] != "A" else "B")).status_code == 404
    assert ada.get(address.replace(message.id, other.id)).status_code == 404
    later = signing.time.time() + 601
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert Client().get(address).status_code == 404


def test_the_frame_closes_when_the_right_is_taken_away(ada: Visitor, bob: Visitor) -> None:
    rights = [{"user": ada.user.email, "rights": ALL}, {"user": bob.user.email, "rights": ["see"]}]
    account = an_account(ada.actor, grants=rights)
    address = frame_of(message_page(bob, a_message_in(a_folder(account), a_letter(html=HTML))))
    assert Client().get(address).status_code == 200
    accounts.change(ada.actor, account.id, {"grants": rights[:1]})
    assert Client().get(address).status_code == 404


def test_an_attachment_is_a_download_without_a_type_that_could_run(ada: Visitor) -> None:
    files = [("seite.html", "text/html", b"<script>alert(1)</script>"), ("Übersicht.pdf", "application/pdf", b"%PDF-")]
    message = a_message_in(a_folder(an_account(ada.actor)), a_letter(attachments=files))
    page, pdf = (ada.get(f"/mail/m/{message.id}/attachment/{number}/") for number in range(2))
    assert page["Content-Type"] == "application/octet-stream"
    assert page["Content-Disposition"] == 'attachment; filename="seite.html"'
    assert page["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page.content == files[0][2]
    assert pdf["Content-Type"] == "application/pdf"
    assert pdf["Content-Disposition"] == "attachment; filename*=utf-8''%C3%9Cbersicht.pdf"
    assert ada.get(f"/mail/m/{message.id}/attachment/2/").status_code == 404


def test_only_raster_pictures_are_shown_in_place(ada: Visitor) -> None:
    files = [("a.png", "image/png", b"\x89PNG"), ("b.svg", "image/svg+xml", b"<svg/>")]
    message = a_message_in(a_folder(an_account(ada.actor)), a_letter(attachments=files))
    png, svg = (ada.get(f"/mail/m/{message.id}/attachment/{number}/") for number in range(2))
    assert (png["Content-Type"], png["Content-Disposition"]) == ("image/png", 'inline; filename="a.png"')
    assert svg["Content-Type"] == "application/octet-stream"
    assert svg["Content-Disposition"].startswith("attachment")


def test_the_original_is_byte_identical(ada: Visitor) -> None:
    raw = a_letter("Rechnung 12/26")
    message = a_message_in(a_folder(an_account(ada.actor)), raw)
    response = ada.get(f"/mail/m/{message.id}/original.eml")
    assert response.content == raw
    assert response["Content-Type"] == "message/rfc822"
    assert response["Content-Disposition"].startswith("attachment; filename=")


def test_a_broken_message_is_shown_with_what_is_wrong(ada: Visitor) -> None:
    raw = b"From: a@b.test\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nAnfang\r\n"
    page = text_of(message_page(ada, a_message_in(a_folder(an_account(ada.actor)), raw)))
    assert "A part has no end" in page
    assert "Anfang" in page
    assert "(no subject)" in page


def test_search_finds_and_opens_beside_what_was_found(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)), a_letter("Wegerecht Zwetschgenweg", "Gutachten"))
    everything_is_indexed()
    found = ada.page("/mail/search/?q=Zwetschgenweg")
    assert f"/mail/search/m/{message.id}/?q=Zwetschgenweg" in found
    assert "Gutachten" in ada.page(f"/mail/search/m/{message.id}/?q=Zwetschgenweg")
    assert "Nothing found" in text_of(ada.page("/mail/search/?q=Pflaumenweg"))


def test_send_receive_asks_for_a_round(ada: Visitor) -> None:
    an_account(ada.actor)
    assert ada.get("/mail/receive/").status_code == 405
    assert ada.post("/mail/receive/", back="/outbox/")["Location"] == "/outbox/"


def test_a_message_that_leaves_while_it_is_read_stays_on_the_screen(ada: Visitor) -> None:
    gone = "01990000-0000-7000-8000-000000000000"
    assert ada.part(f"/mail/m/{gone}/mark/", "marks").status_code == 204
    assert ada.get(f"/mail/m/{gone}/mark/").status_code == 404


def test_a_refused_part_is_a_part_and_not_a_page(ada: Visitor) -> None:
    response = ada.part("/mail/f/01990000-0000-7000-8000-000000000000/", "main")
    assert response.status_code == 404
    assert "<html" not in response.content.decode()
    assert "There is no such folder" in response.content.decode()


def test_a_forged_cursor_is_refused_in_words(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    response = ada.get(f"/mail/f/{folder.id}/?after=%00zz")
    assert response.status_code == 400
    assert "cannot be accepted" in response.content.decode()
