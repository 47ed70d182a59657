"""What opens on a page: menus, dialogs, suggestions, complaints. Each begins on its page and leaves it as it was found.

For those who look at every page: the check for barriers and the pictures of the documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from playwright.sync_api import Page, expect


@dataclass(frozen=True, slots=True)
class Opening:
    """What it is called, the page it is on, how it is opened there, and what is then to be seen."""

    name: str
    path: str
    open: Callable[[Page], None]
    seen: str

    def show(self, page: Page, address: str, ids: Mapping[str, str]) -> None:
        """Go there and open it."""
        page.goto(f"{address}/{self.path.format_map(ids)}")
        if self.path in (_MESSAGE, _LIST):
            page.locator(".panes").wait_for()
            page.locator("#rows a[data-htmx-powered]").last.wait_for(state="attached")
        self.open(page)
        expect(page.locator(self.seen).filter(visible=True).first).to_be_visible()


def openings() -> tuple[Opening, ...]:
    """All of them, on a desk and on a phone alike."""
    return tuple(Opening(*one) for one in (*_ON_MAIL, *_ON_PAGES))


def _key(*keys: str) -> Callable[[Page], None]:
    def press(page: Page) -> None:
        for key in keys:
            page.keyboard.press(key)

    return press


def _click(*selectors: str) -> Callable[[Page], None]:
    def click(page: Page) -> None:
        for selector in selectors:
            page.locator(selector).first.click()

    return click


def _folder_menu(page: Page) -> None:
    page.locator('#tree .twig-line[data-kind="account"] a.twig').first.dispatch_event(
        "contextmenu", {"clientX": 20, "clientY": 200}
    )


def _question(page: Page) -> None:
    _folder_menu(page)
    page.locator("#context form[data-ask] button").first.click()


def _type_into(selector: str, words: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).press_sequentially(words)


def _palette(words: str) -> Callable[[Page], None]:
    def ask(page: Page) -> None:
        page.keyboard.press("Control+k")
        page.locator("#palette-text").press_sequentially(words)

    return ask


def _pick(page: Page) -> None:
    page.locator("#rows .pick").first.dispatch_event("click")


def _untested(page: Page) -> None:
    for name in ("label", "incoming.host", "login.username"):
        page.locator(f'[name="{name}"]').fill("localhost")
    page.locator('[name="address"]').fill("neu@lindner.example")
    page.locator('[name="incoming.port"]').fill("9")
    page.locator("[data-test]").click()


_MESSAGE, _LIST, _TREE = "mail/f/{inbox}/m/{worked}/", "mail/f/{inbox}/", "mail/"
_ON_MAIL = (
    ("palette", _MESSAGE, _key("Control+k"), "#palette li"),
    ("palette-found", _MESSAGE, _palette("Rech"), "#palette li"),
    ("palette-move", _MESSAGE, _key("v"), "#palette li"),
    ("palette-tag", _MESSAGE, _key("l"), "#palette li"),
    ("palette-assign", _MESSAGE, _key("i"), "#palette li"),
    ("keys", _MESSAGE, _key("?"), "#keys"),
    ("menu-of-a-folder", _TREE, _folder_menu, "#context [role=menuitem]"),
    ("question", _TREE, _question, "#ask"),
    ("order-and-look", _LIST, _click(".menu-box > summary"), ".menu-box > .floating"),
    ("menu-of-a-message", _MESSAGE, _click(".toolbar .drop > summary"), ".toolbar .drop-list"),
    ("assign", _MESSAGE, _click(".work-line > details:nth-of-type(1) > summary"), ".work .drop-list"),
    ("follow-up", _MESSAGE, _click(".work-line > details:nth-of-type(2) > summary"), ".work .drop-list"),
    ("tags", _MESSAGE, _click(".work-line > details:nth-of-type(3) > summary"), ".work .drop-list"),
    ("colleagues", _MESSAGE, _type_into("#new-note", "@"), "#mentioned li"),
    ("all-headers", _MESSAGE, _click(".to > summary", ".all-headers > summary"), ".headers.raw"),
    ("selected", _LIST, _pick, "#acts"),
    ("suggestions", _LIST, _type_into("#search", "is:"), "#completions li"),
)
_ON_PAGES = (
    ("write-copy", "write/", _click(".more-lines > summary"), "#cc"),
    ("write-suggestions", "write/", _type_into("#to", "am"), "[role=option]"),
    ("write-nobody", "write/", _click("[data-send]"), ".error"),
    ("mailbox-new-empty", "mailboxes/new/", _click("[data-save]"), ".error"),
    ("mailbox-new-failed", "mailboxes/new/", _untested, "#steps .verdict"),
    ("rights-of-a-person", "mailboxes/rights/", _click(".matrix td a"), "#dialog"),
    ("token-wrong", "me/security/", _click("form[action$='/token/'] > .button"), ".error"),
)
