"""A user replies: the answer reaches the other side, the original is marked, one copy lies in Sent, and the outbox tells what was said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.builders import a_letter
from tests.journeys import server_side
from tests.journeys.conftest import Window
from tests.journeys.office import Mailbox, Office, eventually
from tests.servers.dovecot import Dovecot, User
from tests.servers.mta import Mta

PLAN = bytes(range(256)) * 40

pytestmark = [pytest.mark.servers, pytest.mark.browser]


@pytest.fixture(scope="module")
def client(dovecot: Dovecot) -> User:
    return dovecot.user("kundin")


@pytest.fixture(scope="module")
def mailbox(office: Office, dovecot: Dovecot, mta: Mta) -> Mailbox:
    return office.add_mailbox("Kanzlei", dovecot.user("kanzlei"), dovecot, mta)


def open_letter(page: Page, mailbox: Mailbox, subject: str) -> None:
    page.goto(mailbox.url())
    page.locator("#rows > .row", has_text=subject).click()
    expect(page.locator("#subject")).to_have_text(subject)


def test_a_reply_arrives_and_everything_knows_it(ada: Window, mailbox: Mailbox, client: User, dovecot: Dovecot) -> None:
    asked = a_letter(
        "Frage zum Vertrag", "Gilt § 5?\n", sender=f"Kundin Groß <{client.address}>", to=mailbox.user.address
    )
    dovecot.deliver(mailbox.user, asked)
    page = ada.page
    open_letter(page, mailbox, "Frage zum Vertrag")
    page.locator("[data-key=r]").click()
    expect(page.locator("#to")).to_have_value(f"Kundin Groß <{client.address}>")
    expect(page.locator("#subject-line")).to_have_value("Re: Frage zum Vertrag")
    expect(page.locator("#text")).to_have_value(re.compile(r"\n> Gilt § 5\?"))
    page.locator("#text").press_sequentially("Ja, § 5 gilt. Viele Grüße")
    page.locator("[data-send]").click()
    expect(page.locator("#notes .note")).to_contain_text("Sent")

    (arrived,) = eventually(lambda: server_side.letters(dovecot, client, "Frage zum Vertrag"))
    (original,) = server_side.letters(dovecot, mailbox.user, "Frage zum Vertrag")
    assert arrived["In-Reply-To"] == original["Message-ID"]
    assert original["Message-ID"] in arrived["References"]
    assert arrived["From"] == f"Kanzlei <{mailbox.user.address}>"
    text = arrived.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert text.startswith("Ja, § 5 gilt. Viele Grüße")
    assert "> Gilt § 5?" in text
    eventually(lambda: "\\Answered" in server_side.flags(dovecot, mailbox.user, "Frage zum Vertrag"))

    eventually(lambda: server_side.letters(dovecot, mailbox.user, "Frage zum Vertrag", "Sent"))
    page.goto(mailbox.url("Sent"))
    expect(page.locator("#rows > .row")).to_have_count(1)
    page.goto(f"{mailbox.office.address}/outbox/")
    sent = page.locator(".outgoing", has_text="Frage zum Vertrag")
    expect(sent.locator(".state")).to_have_text("Sent")
    expect(sent.locator(".recipients li")).to_contain_text(client.address)

    # Whatever follows a round later must not be a second copy.
    before = mailbox.office.api("GET", f"accounts/{mailbox.id}")["synced_at"]
    mailbox.office.api("POST", f"accounts/{mailbox.id}/sync")
    eventually(lambda: mailbox.office.api("GET", f"accounts/{mailbox.id}")["synced_at"] != before)
    assert len(server_side.letters(dovecot, mailbox.user, "Frage zum Vertrag", "Sent")) == 1
    page.goto(mailbox.url("Sent"))
    expect(page.locator("#rows > .row")).to_have_count(1)


def test_a_refused_recipient_is_told_in_the_servers_words(
    ada: Window, mailbox: Mailbox, client: User, dovecot: Dovecot
) -> None:
    page = ada.page
    page.goto(f"{mailbox.office.address}/write/")
    page.locator("#to").fill(f"{client.address}, refused-one@example.test")
    page.locator("#subject-line").fill("An zwei")
    page.locator("#text").fill("Hallo")
    page.locator("[data-send]").click()
    expect(page.locator("#notes .note")).to_contain_text("not to everybody")
    page.goto(f"{mailbox.office.address}/outbox/")
    sent = page.locator(".outgoing", has_text="An zwei")
    expect(sent.locator(".state")).to_have_text("Sent, but not to everybody")
    refused = sent.locator(".recipients li", has_text="refused-one@example.test")
    expect(refused).to_contain_class("rejected")
    expect(refused).to_contain_text("5.1.1")
    expect(refused).to_contain_text("recipient address rejected")
    assert len(eventually(lambda: server_side.letters(dovecot, client, "An zwei"))) == 1

    page.goto(f"{mailbox.office.address}/write/")
    page.locator("#to").fill("refused-two@example.test")
    page.locator("#subject-line").fill("An niemanden")
    page.locator("[data-send]").click()
    page.goto(f"{mailbox.office.address}/outbox/")
    expect(page.locator(".outgoing", has_text="An niemanden").locator(".state")).to_have_text("Refused")


def test_a_forwarded_message_carries_its_attachments_and_new_ones(
    ada: Window, mailbox: Mailbox, client: User, dovecot: Dovecot, tmp_path: Path
) -> None:
    dovecot.deliver(
        mailbox.user, a_letter("Grundriss", attachments=[("Plan Süd.bin", "application/octet-stream", PLAN)])
    )
    photo = tmp_path / "Foto.jpg"
    photo.write_bytes(PLAN[::-1])
    page = ada.page
    open_letter(page, mailbox, "Grundriss")
    page.locator("[data-key=f]").click()
    expect(page.locator("form.letter .attachments li")).to_contain_text("Plan Süd.bin")
    page.locator("#to").fill(client.address)
    page.locator("#files").set_input_files(photo)
    page.locator("[data-send]").click()
    expect(page.locator("#notes .note")).to_contain_text("Sent")
    (arrived,) = eventually(lambda: server_side.letters(dovecot, client, "Grundriss"))
    files = {part.get_filename(): part.get_content() for part in arrived.iter_attachments()}
    assert files == {"Plan Süd.bin": PLAN, "Foto.jpg": PLAN[::-1]}


def test_a_wrong_address_keeps_everything_that_was_typed(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.goto(f"{mailbox.office.address}/write/")
    page.locator("#to").fill("niemand")
    page.locator("#subject-line").fill("Ein langer Brief")
    page.locator("#text").fill("Zeile\n" * 20)
    page.locator("[data-send]").click()
    expect(page.locator(".line.wrong .error")).to_contain_text("not an e-mail address")
    expect(page.locator("#to")).to_have_value("niemand")
    expect(page.locator("#subject-line")).to_have_value("Ein langer Brief")
    expect(page.locator("#text")).to_have_value("Zeile\n" * 20)


def test_a_letter_half_written_is_there_again(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.goto(f"{mailbox.office.address}/write/")
    page.locator("#text").fill("Angefangen")
    eventually(lambda: page.evaluate("JSON.stringify(localStorage).includes('Angefangen')"))
    page.goto(mailbox.url())
    page.goto(f"{mailbox.office.address}/write/")
    expect(page.locator("#text")).to_have_value("Angefangen")
    expect(page.locator("#draft-note")).to_be_visible()
    page.locator("[data-forget]").click()
    expect(page.locator("#text")).to_have_value("")
