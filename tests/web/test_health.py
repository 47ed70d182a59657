"""The pages for whoever looks after mailboxes: health board, ledger, events, transcript, journal, unreadable."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from poststelle.store import disk, events, models, transcripts
from poststelle.web.pages import health
from poststelle.web.templatetags.mail import short_moment
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.store.conftest import home
from tests.web.visitor import Visitor, text_of

__all__ = ["home"]

PAGES = ("/health/", "/ledger/", "/unreadable/", "/journal/", "/mailboxes/{}/events/", "/mailboxes/{}/ledger/")


@pytest.fixture
def account(ada: Visitor, home: Path) -> str:
    record = an_account(ada.actor)
    a_message_in(a_folder(record), a_letter("Geheim"))
    return record.id


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_and_tells_no_subject(ada: Visitor, account: str, page: str) -> None:
    assert "Geheim" not in text_of(ada.page(page.format(account)))


@pytest.mark.parametrize(
    "page", ["/journal/", "/mailboxes/{}/events/", "/mailboxes/{}/ledger/", "/mailboxes/{}/transcript.txt"]
)
def test_a_colleague_without_rights_sees_none_of_it(bob: Visitor, account: str, page: str) -> None:
    assert bob.get(page.format(account)).status_code in {403, 404}


def test_the_board_shows_the_worst_first_and_filters(ada: Visitor, account: str) -> None:
    an_account(ada.actor, "Kanzlei")
    models.Account.objects.filter(label="Kanzlei").update(
        state="suspended", trouble={"code": "login-rejected", "facts": {}}, trouble_since=timezone.now()
    )
    models.Account.objects.filter(pk=account).update(synced_at=timezone.now())
    page = text_of(ada.page("/health/"))
    assert page.index("Kanzlei stopped: User name or password is wrong.") < page.rindex("Zentrale in step as of")
    only = text_of(ada.page("/health/?state=suspended").partition("<tbody>")[2])
    assert "Kanzlei" in only
    assert "Zentrale" not in only
    ada.page("/health/?state=nonsense&after=x")


def test_beside_each_mailbox_stands_what_came_when_went_when_and_what_runs_out(ada: Visitor, account: str) -> None:
    came, went = timezone.now() - timedelta(days=40), timezone.now() - timedelta(days=70)
    models.Folder.objects.update(remaining=1234)
    models.Account.objects.update(
        synced_at=timezone.now(), received_at=came, sent_at=went, watching="idle",
        quota={"used": 900 * 1024**2, "limit": 1024**3},
        certificates={"incoming": {"not_after": (timezone.now() + timedelta(days=12, hours=1)).isoformat()}},
    )  # fmt: skip
    page = ada.page("/health/")
    names = [text_of(one) for one in re.findall(r'<th scope="col".*?</th>', page, re.DOTALL)][2:]
    cells = [text_of(one) for one in re.findall(r"<td.*?</td>", page.partition("<tbody>")[2], re.DOTALL)][1:]
    told = dict(zip(names, cells, strict=True))
    assert (told["Received"], told["Sent"]) == (short_moment(came), short_moment(went))
    assert told["News"] == "push (IDLE)"
    assert (told["To come"], told["Certificate"]) == ("1,234", "12 days")
    assert told["Quota"].split() == ["900.0", "MB", "/", "1.0", "GB"]


def test_a_disk_without_room_is_told_on_top_though_no_row_could_be_written(
    ada: Visitor, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "disk of this installation" not in text_of(ada.page("/health/"))
    monkeypatch.setattr(disk, "RESERVE", disk.free() * 2)
    assert "The disk of this installation is full. Nothing is lost." in text_of(ada.page("/health/"))


def test_a_ledger_that_does_not_add_up_names_what_is_missing(ada: Visitor, account: str) -> None:
    numbers = {"server": 9, "held": 6, "set_aside": 1, "to_come": 0, "under_way": 0, "missing": 2, "extra": 0, "recovered": 0,
               "local": 0, "reasons": {"too-large": 1}, "missing_ids": ["1.7", "1.8"], "extra_ids": [],
               "at": timezone.now().isoformat()}  # fmt: skip
    models.Folder.objects.update(ledger=numbers)
    page = text_of(ada.page(f"/mailboxes/{account}/ledger/"))
    assert "1.7, 1.8" in page
    assert "larger than this installation fetches" in page
    assert "1.7" not in text_of(ada.page("/ledger/"))


def test_the_ledger_begins_with_what_differs_and_goes_on_page_by_page(
    ada: Visitor, bob: Visitor, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_WINDOW", 2)
    for label in ("Bau", "Zoll"):
        a_folder(an_account(ada.actor, label), "Akten")
    numbers = {
        "server": 9,
        "held": 8,
        "set_aside": 0,
        "to_come": 0,
        "under_way": 0,
        "missing": 1,
        "extra": 0,
        "reasons": {},
    }
    models.Folder.objects.filter(account__label="Zoll").update(ledger=numbers)
    first = ada.page("/ledger/")
    assert text_of(first.partition("<tbody>")[2]).index("Zoll") < text_of(first.partition("<tbody>")[2]).index("Bau")
    assert "Zentrale" not in text_of(first.partition("<tbody>")[2])
    assert "?after=2" in first
    assert "Zentrale" in text_of(ada.page("/ledger/?after=2").partition("<tbody>")[2])
    assert "Akten" not in bob.page("/ledger/")


def test_in_the_ledger_a_folder_stands_before_those_below_it(ada: Visitor) -> None:
    built = an_account(ada.actor, "Bau")
    a_folder(built, "Akten", "Ämter")
    a_folder(built, "Akten")
    page = text_of(ada.page("/ledger/").partition("<tbody>")[2])
    assert re.findall("Akten|Ämter", page) == ["Akten", "Akten", "Ämter"]


def test_a_comparison_is_asked_for_by_a_button(ada: Visitor, account: str) -> None:
    models.Folder.objects.update(ledger_at=timezone.now(), synced_at=timezone.now())
    assert ada.post(f"/mailboxes/{account}/ledger/compare/").status_code == 302
    assert models.Folder.objects.get().ledger_at is None
    assert models.Account.objects.get().sync_wanted_at is not None


def test_events_read_as_sentences_and_the_part_is_what_the_page_asks_for(ada: Visitor, account: str) -> None:
    events.note(account, "connected", host="mail.amt.test", port=993, tls="TLSv1.3")
    events.note(account, "trouble", level="warning", trouble="connection-lost", host="<b>mail</b>")
    events.flush()
    whole = ada.page(f"/mailboxes/{account}/events/")
    assert "Connected with mail.amt.test, port 993 (TLSv1.3)." in text_of(whole)
    assert "<b>mail</b>" not in whole
    part = ada.page(f"/mailboxes/{account}/events/?part=1&level=warning")
    assert "<html" not in part
    assert "Connected with" not in part
    assert "broke off" in part


def test_a_transcript_is_switched_on_read_and_switched_off(ada: Visitor, account: str) -> None:
    where = f"/mailboxes/{account}/transcript/"
    assert ada.post(where, minutes="30").status_code == 302
    assert "is written down until" in text_of(ada.page(f"/mailboxes/{account}/events/"))
    transcripts.keep(account, "S: * OK hello")
    transcripts.flush()
    file = ada.get(f"/mailboxes/{account}/transcript.txt")
    assert b"S: * OK hello" in file.content
    assert file["Content-Disposition"].startswith("attachment")
    assert ada.post(where).status_code == 302
    assert models.Account.objects.get().transcript_until is None
    assert ada.post(where, minutes="9999").status_code == 400


def test_the_journal_reads_as_sentences_and_can_be_narrowed(ada: Visitor, account: str) -> None:
    page = text_of(ada.page("/journal/"))
    assert "Mailbox added" in page
    assert "ada@amt.test" in page
    rows = ada.page("/journal/?kind=office-created").partition("<tbody>")[2]
    assert "The office was set up" in rows
    assert "Mailbox added" not in rows
    assert "No entry fits." in text_of(ada.page("/journal/?account=Nirgends"))
    assert "Mailbox added" in ada.page(f"/journal/?account={account}&person=ADA@amt.test").partition("<tbody>")[2]


def test_the_journal_is_checked_by_a_button(ada: Visitor, account: str) -> None:
    assert "The journal is as it was written" in text_of(ada.post("/journal/verify/").content.decode())
    models.Journal.objects.filter(kind="account-added").update(actor="eve@amt.test")
    assert "The journal has been changed" in text_of(ada.post("/journal/verify/").content.decode())


def test_what_cannot_be_read_is_shown_with_its_reason_and_its_bytes(ada: Visitor, account: str) -> None:
    folder = models.Folder.objects.get()
    models.SetAside.objects.create(
        folder=folder, remote_id="1.77", code="too-large", attempts=3, flags="", received_at=timezone.now(), ordinal=7,
        size=9, generation=folder.generation,
    )  # fmt: skip
    broken = a_message_in(
        a_folder(an_account(ada.actor, "Zwei")), b"Content-Type: multipart/mixed\r\nSubject: Kaputt\r\n\r\nText"
    )
    page = ada.page("/unreadable/")
    assert "larger than this installation fetches" in text_of(page)
    assert "Kaputt" in text_of(page)
    assert f"/mail/m/{broken.id}/original.eml" in page
    assert ada.post(f"/unreadable/{folder.pk}/retry/").status_code == 302
    assert models.SetAside.objects.get().attempts == 0


def test_stale_figures_are_not_called_well(ada: Visitor, account: str) -> None:
    long_ago = timezone.now() - timedelta(hours=3)
    models.Account.objects.update(synced_at=long_ago, received_at=long_ago, created_at=long_ago)
    assert "no sign of life since" in text_of(ada.page("/health/"))
