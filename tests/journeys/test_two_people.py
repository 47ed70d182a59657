"""Two people: whoever has no right on a mailbox sees nothing of it, whatever address they know; a right given shows it at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.builders import PASSWORD, a_letter
from tests.journeys.conftest import Open, Window
from tests.journeys.office import ADA, Mailbox, Office
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

BOB = "bob@amt.test"

pytestmark = [pytest.mark.servers, pytest.mark.browser]


@pytest.fixture(scope="module")
def mailbox(office: Office, dovecot: Dovecot, mta: Mta) -> Mailbox:
    office.installation.run("user", "add", BOB, "--name", "Bob", "--password-stdin", given=PASSWORD)
    user = dovecot.user("vertraulich")
    dovecot.fill(user, [a_letter("Geheimsache", attachments=[("geheim.txt", "text/plain", b"geheim")])])
    return office.add_mailbox("Vertraulich", user, dovecot, mta)


def test_a_stranger_sees_nothing_by_any_address_until_a_right_is_given(
    ada: Window, open_window: Open, mailbox: Mailbox
) -> None:
    office = mailbox.office
    folder = mailbox.folder()
    (letter,) = office.api("GET", f"folders/{folder['id']}/messages")["items"]
    message = f"{office.address}/mail/m/{letter['id']}"
    addresses = [
        mailbox.url(), f"{mailbox.url()}m/{letter['id']}/", f"{office.address}/mail/search/m/{letter['id']}/",
        f"{message}/original.eml", f"{message}/attachment/0/", f"{message}/mark/",
        f"{office.address}/mailboxes/{mailbox.id}/", f"{office.address}/mailboxes/{mailbox.id}/remove/",
        f"{office.address}/write/?reply={letter['id']}", f"{office.address}/write/?forward={letter['id']}",
    ]  # fmt: skip
    window = open_window(office)
    window.log_in(office, BOB)
    for address in addresses:
        assert ada.context.request.get(address).status == 200, address
        answer = window.context.request.get(address)
        assert answer.status == 404, address
        assert "Geheimsache" not in answer.text()
    page = window.page
    expect(page.locator("#tree .branch")).to_have_count(0)
    page.goto(f"{office.address}/mail/search/?q=Geheimsache")
    expect(page.locator("#rows > .row")).to_have_count(0)
    answer = page.goto(f"{office.address}/mailboxes/new/")
    assert answer is not None
    assert answer.status == 403

    page.goto(f"{office.address}/mail/")
    ada.page.goto(f"{office.address}/mailboxes/rights/?who=bob")
    cell = ada.page.locator(".matrix td a").first
    cell.click()
    ada.page.locator("#dialog").get_by_label("see").check()
    ada.page.locator("#dialog").get_by_role("button", name="Save").click()
    expect(cell).to_have_text("S")
    page.goto(mailbox.url())
    page.locator("#rows > .row", has_text="Geheimsache").click()
    expect(page.locator("#subject")).to_have_text("Geheimsache")
    expect(page.locator("#marks button")).to_have_count(0)
    assert window.context.request.get(f"{office.address}/mailboxes/{mailbox.id}/remove/").status in {403, 404}


def test_a_colleague_who_sees_the_message_is_called_in_a_note_by_the_keyboard_alone(
    ada: Window, mailbox: Mailbox
) -> None:
    mailbox.office.api("PATCH", f"accounts/{mailbox.id}", {"grants": [
        {"user": ADA, "rights": ["see", "process", "administer"]}, {"user": BOB, "rights": ["see"]},
    ]})  # fmt: skip
    page = ada.page
    page.goto(mailbox.url())
    page.locator("#rows > .row a[data-htmx-powered]", has_text="Geheimsache").click()
    expect(page.locator("#subject")).to_have_text("Geheimsache")
    page.keyboard.press("n")
    note, names = page.locator("#new-note"), page.locator("#mentioned li")
    note.press_sequentially("Bitte @")
    expect(names).to_have_text(["Bob"])
    note.press_sequentially("x")
    expect(names).to_have_count(0)
    note.press("Backspace")
    expect(names).to_have_count(1)
    note.press("Escape")
    expect(names).to_have_count(0)
    note.press_sequentially("bo")
    expect(page.locator("#mentioned li[aria-selected=true]")).to_have_text("Bob")
    note.press("Enter")
    expect(note).to_have_value("Bitte @Bob ")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".work-notes .mention")).to_have_text("@Bob")
    (letter,) = mailbox.office.api("GET", f"folders/{mailbox.folder()['id']}/messages")["items"]
    mailbox.office.api("POST", f"messages/{letter['id']}/notes", {"text": "Ist erledigt."})
    expect(page.locator(".work-notes .note-text").last).to_have_text("Ist erledigt.")


def test_where_a_message_is_moved_the_folders_of_its_own_mailbox_come_first(
    ada: Window, mailbox: Mailbox, dovecot: Dovecot
) -> None:
    mailbox.office.add_mailbox("Anderes", dovecot.user("anderes"), dovecot)
    page = ada.page
    page.goto(f"{mailbox.office.address}/mail/l/inbox/")
    page.locator("#rows > .row a[data-htmx-powered]", has_text="Geheimsache").click()
    expect(page.locator("#subject")).to_have_text("Geheimsache")
    page.keyboard.press("v")
    expect(page.locator("#palette-list li", has_text="Anderes").first).to_be_visible()
    page.keyboard.type("inbox")
    expect(page.locator("#palette-list small")).to_have_text(["Vertraulich · Folders", "Anderes · Folders"])
