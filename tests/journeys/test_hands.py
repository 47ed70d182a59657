"""By keyboard alone, and with a thumb on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.builders import a_letter
from tests.journeys.conftest import Open, Window
from tests.journeys.office import ADA, Mailbox, Office
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

PHONE = {"width": 390, "height": 844}

pytestmark = [pytest.mark.servers, pytest.mark.browser]


@pytest.fixture(scope="module")
def mailbox(office: Office, dovecot: Dovecot, mta: Mta) -> Mailbox:
    user = dovecot.user("haende")
    dovecot.fill(user, [a_letter(f"Brief {number}", html="<p>Gut</p>" if number == 1 else None) for number in range(5)])
    return office.add_mailbox("Zentrale", user, dovecot, mta)


def nothing_sticks_out(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@contextmanager
def a_finger_on(element: Locator) -> Iterator[None]:
    """It is laid down, stays as long as the block takes, and leaves."""
    box = element.bounding_box()
    assert box is not None
    finger = element.page.context.new_cdp_session(element.page)
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    yield
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_keys_move_open_mark_and_answer(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.goto(mailbox.url())
    # A key pressed before the script has woken loads the page whole, and the next one would get lost on the way.
    page.locator("#rows a[data-htmx-powered]").last.wait_for()
    subject = page.locator("#subject")
    page.keyboard.press("j")
    expect(subject).to_have_text("Brief 4")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(subject).to_have_text("Brief 2")
    page.keyboard.press("k")
    expect(subject).to_have_text("Brief 3")
    page.keyboard.press("s")
    expect(page.locator('#rows > .row[aria-current="true"]')).to_contain_class("flagged")
    # What was asked for just before must not come after the message has been closed.
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    expect(page.locator("#message")).to_have_count(0)
    expect(page).to_have_url(mailbox.url())
    page.locator("#rows > .row", has_text="Brief 0").locator("a").focus()
    page.keyboard.press("Enter")
    expect(subject).to_have_text("Brief 0")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("r")
    expect(page.locator("#subject-line")).to_have_value("Re: Brief 0")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("Gut.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notes .note")).to_contain_text("Sen")
    expect(subject).to_have_text("Brief 0")


def test_a_phone_shows_one_of_three_screens(office: Office, open_window: Open, mailbox: Mailbox) -> None:
    window = open_window(office, viewport=PHONE, has_touch=True)
    window.log_in(office, ADA)
    page = window.page
    page.goto(f"{office.address}/mail/")
    tree, rows, message = page.locator("#tree"), page.locator("#rows"), page.locator("#message")
    expect(tree).to_be_visible()
    expect(page.get_by_role("main").get_by_role("heading", level=1)).to_have_text("Choose a folder")
    nothing_sticks_out(page)
    tree.locator("a.twig", has_text="Inbox").tap()
    expect(rows.locator(".row")).to_have_count(5)
    expect(rows).to_be_visible()
    expect(tree).to_be_hidden()
    nothing_sticks_out(page)
    rows.locator(".row", has_text="Brief 3").tap()
    expect(message).to_be_visible()
    expect(rows).to_be_hidden()
    nothing_sticks_out(page)
    page.locator("[data-back]").tap()
    expect(rows).to_be_visible()
    expect(message).to_have_count(0)
    page.locator(".list-head .back").first.tap()
    expect(tree).to_be_visible()
    for path in ("write/", "outbox/", "mailboxes/", f"mailboxes/{mailbox.id}/", "mailboxes/new/", "people/", "me/"):
        page.goto(f"{office.address}/{path}")
        nothing_sticks_out(page)


def test_entries_of_the_tree_are_arranged_by_dragging_and_by_keys(ada: Window, mailbox: Mailbox) -> None:
    office, page = mailbox.office, ada.page
    for name in ("Eins", "Zwei", "Drei"):
        office.api("POST", "tree/own/entries", {"kind": "heading", "label": name})
    page.goto(f"{office.address}/mail/")
    page.locator("#tree a[data-htmx-powered]").last.wait_for()
    entries = page.locator('.twigs[data-tree="own"] .twig')
    expect(entries).to_have_text(["Eins", "Zwei", "Drei"])
    entries.nth(2).drag_to(entries.nth(0), target_position={"x": 60, "y": 3})
    expect(entries).to_have_text(["Drei", "Eins", "Zwei"])
    entries.nth(0).focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(entries).to_have_text(["Eins", "Drei", "Zwei"])
    expect(entries.nth(1)).to_be_focused()
    page.keyboard.press("Alt+ArrowRight")
    expect(page.locator('.twigs[data-tree="own"] .depth-1 .twig')).to_have_text("Drei")
    page.reload()
    expect(entries).to_have_text(["Eins", "Drei", "Zwei"])


def test_a_long_press_opens_the_menu_of_a_folder_and_nothing_else(
    office: Office, open_window: Open, mailbox: Mailbox
) -> None:
    window = open_window(office, viewport=PHONE, has_touch=True, is_mobile=True)
    window.log_in(office, ADA)
    page = window.page
    page.goto(f"{office.address}/mail/")
    page.locator("#tree a[data-htmx-powered]").last.wait_for()
    line = page.locator("#tree .twig-line", has_text="Inbox").last
    with a_finger_on(line):
        expect(line).to_contain_class("held")
    expect(page.locator("#context [role=menuitem]").first).to_be_visible()
    assert page.url == f"{office.address}/mail/"


def test_a_long_press_selects_a_message_and_does_not_open_it(
    office: Office, open_window: Open, mailbox: Mailbox
) -> None:
    window = open_window(office, viewport=PHONE, has_touch=True, is_mobile=True)
    window.log_in(office, ADA)
    page = window.page
    page.goto(mailbox.url())
    page.locator("#rows a[data-htmx-powered]").last.wait_for()
    with a_finger_on(page.locator("#rows > .row", has_text="Brief 2")):
        expect(page.locator("#rows > .row.picked")).to_contain_text("Brief 2")
    expect(page.locator("#acts")).to_be_visible()
    page.locator("[data-unpick]").tap()
    expect(page.locator("#acts")).to_be_hidden()
    expect(page.locator("#message")).to_have_count(0)


def test_the_look_that_was_chosen_is_there_again(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.goto(f"{mailbox.office.address}/me/")
    page.locator("[name=density]").select_option("compact")
    page.locator("[name=preview]").select_option("below")
    page.locator("[name=start]").select_option("mine")
    page.locator(".preferences .primary").click()
    page.locator('[name=theme][value="dark"]').click()
    page.goto(f"{mailbox.office.address}/")
    expect(page.locator('body[data-density="compact"][data-preview="below"]')).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_url("**/mail/l/mine/")
    page.goto(mailbox.url())
    page.locator("#rows > .row").first.click()
    above, below = page.locator("#list").bounding_box(), page.locator("#message").bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] + above["height"] <= below["y"] + 1
    page.locator('.divider[data-pane="list-height"]').focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.reload()
    taller = page.locator("#list").bounding_box()
    assert taller is not None
    assert taller["height"] == pytest.approx(above["height"] + 48, abs=2)


TOPMOST = """() => [...document.querySelectorAll("#rows > .row")].find(row =>
    row.getBoundingClientRect().bottom > row.closest(".list-scroll").getBoundingClientRect().top + 1).dataset.id"""


def test_a_list_is_found_again_as_it_was_left(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.set_viewport_size({"width": 1200, "height": 400})
    page.goto(mailbox.url())
    page.locator("#rows a[data-htmx-powered]").last.wait_for()
    page.locator(".list-scroll").evaluate("element => element.scrollTop = 110")
    page.wait_for_function("() => Object.entries(sessionStorage).some(([, kept]) => kept.includes('offset'))")
    left = page.evaluate(TOPMOST)
    page.goto(f"{mailbox.office.address}/me/")
    page.locator("a.office").click()
    expect(page).to_have_url(mailbox.url())
    page.wait_for_function(f"row => ({TOPMOST})() === row", arg=left)
    for number in (2, 3):
        page.locator("#rows > .row .pick").nth(number).click()
    page.reload()
    expect(page.locator("#rows > .row.picked")).to_have_count(2)
    page.keyboard.press("Escape")
    page.locator("#tree a.twig[aria-current]").click()
    page.wait_for_function("() => document.querySelector('.list-scroll').scrollTop === 0")


def test_in_the_dark_a_mail_without_colours_is_dark_and_can_be_laid_on_white(ada: Window, mailbox: Mailbox) -> None:
    page = ada.page
    page.emulate_media(color_scheme="dark")
    page.goto(mailbox.url())
    page.locator("#rows > .row", has_text="Brief 1").locator("a").click()
    ground, switch = page.frame_locator("iframe.body").locator("body"), page.locator("button[data-paper]")
    expect(ground).to_have_css("background-color", "rgb(23, 25, 29)")
    switch.click()
    expect(ground).to_have_css("background-color", "rgb(255, 255, 255)")
    page.reload()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(ground).to_have_css("background-color", "rgb(255, 255, 255)")
    switch.click()
    expect(ground).to_have_css("background-color", "rgb(23, 25, 29)")
