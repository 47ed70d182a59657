"""A clerk's morning, in German: sorting the inbox by keyboard and by mouse, taking a slip back, arranging the tree, finding things."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.builders import a_letter
from tests.journeys import server_side
from tests.journeys.conftest import Open, Window
from tests.journeys.office import ADA, Installation, Mailbox, Office, eventually, served
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.servers, pytest.mark.browser]


@pytest.fixture(scope="module")
def amt(tmp_path_factory: pytest.TempPathFactory, ca: CertificateAuthority) -> Iterator[Office]:
    """A served office in German whose administrator is Ada."""
    installation = Installation(tmp_path_factory.mktemp("amt") / "home", ca)
    installation.init("de")
    with served(installation) as running:
        yield running


@pytest.fixture(scope="module")
def mailbox(amt: Office, dovecot: Dovecot) -> Mailbox:
    user = dovecot.user("morgen")
    for name in ("Archiv", "Trash", "Mandanten"):
        server_side.make_folder(dovecot, user, name)
    dovecot.fill(user, [a_letter(f"Brief {number}") for number in range(8)])
    return amt.add_mailbox("Zentrale", user, dovecot)


@pytest.fixture
def clerk(amt: Office, open_window: Open) -> Window:
    window = open_window(amt, locale="de-DE")
    window.log_in(amt, ADA)
    return window


def open_inbox(page: Page, mailbox: Mailbox) -> None:
    page.goto(mailbox.url())
    # A key pressed before the script has woken would get lost.
    page.locator("#rows a[data-htmx-powered]").last.wait_for()


def row(page: Page, subject: str) -> Locator:
    return page.locator("#rows > .row", has_text=subject)


def folder_line(page: Page, name: str) -> Locator:
    return page.locator("#tree .twig-line a.twig", has_text=name)


def test_with_the_keyboard_alone_mail_is_picked_deleted_taken_back_and_moved(
    clerk: Window, mailbox: Mailbox, dovecot: Dovecot
) -> None:
    page = clerk.page
    open_inbox(page, mailbox)
    page.keyboard.press("j")
    expect(page.locator("#subject")).to_have_text("Brief 7")
    page.keyboard.press("#")
    expect(row(page, "Brief 7")).to_have_count(0)
    expect(page.locator("#subject")).to_have_text("Brief 6")
    expect(page.locator("#notes .undoable")).to_be_visible()
    page.keyboard.press("z")
    expect(row(page, "Brief 7")).to_have_count(1)
    row(page, "Brief 5").locator("a").focus()
    page.keyboard.press("x")
    row(page, "Brief 4").locator("a").focus()
    page.keyboard.press("x")
    expect(page.locator("#acts")).to_be_visible()
    expect(page.locator("[data-picked]")).to_have_text(re.compile("^2 "))
    page.keyboard.press("v")
    expect(page.locator("#palette-text")).to_be_focused()
    page.keyboard.type("mandan")
    expect(page.locator("#palette-list li").first).to_contain_text("Mandanten")
    page.keyboard.press("Enter")
    expect(row(page, "Brief 5")).to_have_count(0)
    expect(row(page, "Brief 4")).to_have_count(0)
    eventually(lambda: len(server_side.raw(dovecot, mailbox.user, "Brief 4", "Mandanten")) == 1)


def test_the_palette_leads_anywhere_and_the_tree_listens_to_keys(clerk: Window, mailbox: Mailbox) -> None:
    page = clerk.page
    open_inbox(page, mailbox)
    page.keyboard.press("Control+k")
    page.keyboard.type("mandan")
    expect(page.locator("#palette-list li").first).to_contain_text("Mandanten")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/mail/f/{mailbox.folder('Mandanten')['id']}/")
    expect(row(page, "Brief 5")).to_be_visible()
    page.locator("#rows a[data-htmx-powered]").last.wait_for()
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/mail/l/mine/")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.locator("#tree .twig:focus")).to_have_count(1)


def test_a_row_is_dragged_onto_a_folder(clerk: Window, mailbox: Mailbox) -> None:
    page = clerk.page
    open_inbox(page, mailbox)
    row(page, "Brief 3").locator("a").drag_to(folder_line(page, "Mandanten"))
    expect(row(page, "Brief 3")).to_have_count(0)
    folder_line(page, "Mandanten").click()
    expect(row(page, "Brief 3")).to_be_visible()


def test_the_menu_of_a_folder_makes_another_one_and_mounts_it(clerk: Window, mailbox: Mailbox) -> None:
    page = clerk.page
    open_inbox(page, mailbox)
    folder_line(page, "Mandanten").click(button="right")
    menu = page.locator("#context")
    expect(menu).to_be_visible()
    menu.locator("form[data-ask]").first.locator("button").click()
    page.locator("#ask input").fill("Weber")
    page.locator("#ask .primary").click()
    expect(folder_line(page, "Weber")).to_be_visible()
    folder_line(page, "Weber").focus()
    page.keyboard.press("Shift+F10")
    expect(menu).to_be_visible()
    menu.locator("form:has([name=kind][value=folder]) button").click()
    own = page.locator('.twigs[data-tree="own"] .twig')
    expect(own).to_have_text(["Weber"])
    eventually(
        lambda: "Weber" in {one["name"] for one in mailbox.office.api("GET", f"accounts/{mailbox.id}/folders")["items"]}
    )


def test_everything_in_the_list_is_read_at_once(clerk: Window, mailbox: Mailbox) -> None:
    page = clerk.page
    open_inbox(page, mailbox)
    page.locator("[data-pick-all]").check()
    page.locator("#acts [value=read]").click()
    expect(page.locator("#rows > .row.unread")).to_have_count(0)
    expect(page.locator("#notes .undoable")).to_be_visible()
    page.locator("#notes .undoable button").click()
    expect(page.locator("#rows > .row.unread").first).to_be_visible()


def test_a_search_is_completed_saved_and_found_again(clerk: Window, mailbox: Mailbox, amt: Office) -> None:
    page = clerk.page
    open_inbox(page, mailbox)
    page.keyboard.press("/")
    page.keyboard.type("be")
    expect(page.locator("#completions li").first).to_contain_text("betreff:")
    page.keyboard.press("Tab")
    expect(page.locator("#search")).to_have_value("betreff:")
    page.keyboard.type("Brief")
    page.keyboard.press("Enter")
    page.wait_for_url("**/mail/search/?q=betreff*")
    eventually(lambda: page.reload() and page.locator("#rows > .row").count() == 8)
    expect(page.locator("#rows mark").first).to_have_text("Brief")
    page.locator("form[data-quiet] .chip").click()
    page.locator("#ask input").fill("Alle Briefe")
    page.locator("#ask .primary").click()
    folder = page.locator('.twigs[data-tree="own"] a.twig', has_text="Alle Briefe")
    expect(folder).to_be_visible()
    page.goto(f"{amt.address}/mail/")
    folder.click()
    expect(page.locator("#rows > .row")).to_have_count(8)
    page.locator("#rows > .row a").first.click()
    expect(page.locator("#subject")).to_have_text("Brief 7")
    page.locator("[data-step='1']").click()
    expect(page.locator("#subject")).to_have_text("Brief 6")


def test_a_folder_for_spam_is_offered_made_on_the_server_and_used(
    clerk: Window, mailbox: Mailbox, amt: Office, dovecot: Dovecot
) -> None:
    amt.api("PATCH", f"folders/{mailbox.folder('Junk')['id']}", {"role": "drafts"})
    page = clerk.page
    open_inbox(page, mailbox)
    row(page, "Brief 0").locator("a").focus()
    page.keyboard.press("!")
    page.locator("#notes [data-accept]").click()
    expect(page.locator("#notes .undoable")).to_be_visible()
    expect(row(page, "Brief 0")).to_have_count(0)
    eventually(lambda: len(server_side.raw(dovecot, mailbox.user, "Brief 0", "Spam")) == 1)


def test_what_comes_above_the_place_one_reads_at_is_told_and_moves_nothing(
    clerk: Window, mailbox: Mailbox, dovecot: Dovecot
) -> None:
    page = clerk.page
    page.set_viewport_size({"width": 1200, "height": 400})
    open_inbox(page, mailbox)
    scroller, pill = page.locator(".list-scroll"), page.locator("#arrived")
    scroller.evaluate("element => element.scrollTop = 120")
    top = "element => Math.round(element.getBoundingClientRect().top)"
    before = row(page, "Brief 2").evaluate(top)
    dovecot.fill(mailbox.user, [a_letter("Gerade gekommen")])
    expect(pill).to_contain_text("1")
    assert row(page, "Brief 2").evaluate(top) == pytest.approx(before, abs=1)
    pill.click()
    expect(row(page, "Gerade gekommen")).to_be_in_viewport()
    expect(pill).to_be_hidden()


def test_an_address_is_completed_by_keyboard_from_the_mail_one_may_read(
    clerk: Window, mailbox: Mailbox, amt: Office
) -> None:
    eventually(lambda: amt.api("GET", "correspondents?q=eva")["items"])
    page = clerk.page
    page.goto(f"{amt.address}/write/")
    to, offered = page.locator("#to"), page.locator("#to-people li")
    to.press_sequentially("groß")
    expect(offered).to_have_count(1)
    expect(to).to_have_attribute("aria-activedescendant", "completion-1")
    page.keyboard.press(",")
    expect(to).to_have_value("Eva Groß <eva@kunde.test>, ")
    expect(page.locator("#to-people")).to_be_hidden()
    to.press_sequentially("kein Mensch")
    page.keyboard.press("Tab")
    expect(page.locator(".line.wrong [data-no-address]")).to_contain_text("kein Mensch")
    expect(to).to_have_attribute("aria-invalid", "true")
    to.fill("max@kunde.test; Eva <eva@kunde.test>")
    expect(page.locator(".line.wrong")).to_have_count(0)
    to.fill("kein Mensch")
    page.locator(".more-lines summary").click()
    expect(page.locator("#cc")).to_be_visible()
    expect(page.locator(".line.wrong [data-no-address]")).to_contain_text("kein Mensch")
