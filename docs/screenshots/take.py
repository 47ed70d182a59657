"""Takes the pictures of the documents anew: `python -m docs.screenshots.take`, from the top of the checkout, with the tests' packages.

A furnished demonstration office is served from a folder of its own and photographed in both languages; the set-up page comes from a
second, empty one, and the mailbox test runs against the tests' own Dovecot and Exim. With a folder as argument every page of the
office and what opens on it is taken instead, in both languages and themes, on a desk and on a phone: to be looked at, not to be kept.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.journeys.office import Installation, Office, served
from tests.journeys.openings import openings
from tests.journeys.sights import CLARA, CLARAS_PASSWORD, Furnished, Sight, furnish
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

HERE = Path(__file__).parent
SIZES = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
LANGUAGES = ("en", "de")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TELLING = ("search-found", "mailboxes", "rights", "health", "outbox")
"""Pages that are kept as they are, in light colours on a desk."""
WORDS = {
    "en": {"office": "Lindner & Partners", "label": "Front office", "answer": "Dear Sir or Madam,\n\nyou will have our statement in time.\n\nKind regards"},
    "de": {"office": "Lindner & Partner", "label": "Vorzimmer", "answer": "Sehr geehrte Damen und Herren,\n\nunsere Stellungnahme geht Ihnen rechtzeitig zu.\n\nMit freundlichen Grüßen"},
}  # fmt: skip


def main() -> None:
    """The telling ones, or all of them into the folder named."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ca = CertificateAuthority(folder)
        demo = stack.enter_context(served(Installation(folder / "demo", ca), "--demo", owner=CLARA))
        furnished = furnish(demo)
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        empty = stack.enter_context(served(Installation(folder / "empty", ca)))
        if len(sys.argv) > 1:
            everything(browser, demo, empty, furnished, Path(sys.argv[1]))
            return
        dovecot = Dovecot(ca.good())
        stack.callback(dovecot.stop)
        mta = Mta(dovecot, ca.good())
        stack.callback(mta.stop)
        for language in LANGUAGES:
            telling(browser, demo, empty, furnished, language, dovecot, mta)


def everything(browser: Browser, demo: Office, empty: Office, furnished: Furnished, folder: Path) -> None:
    """Every page, and everything that opens on one, eight times, as long as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        for size, viewport in SIZES.items():
            look = {
                "viewport": viewport,
                "locale": language,
                "has_touch": size == "phone",
                "is_mobile": size == "phone",
            }
            with opened(browser, **look) as outside, opened(browser, **look) as inside:
                log_in(inside, demo, language)
                for context, address, sights in (
                    (outside, empty.printed, (Sight("set-up", ""),)),
                    (outside, empty.address, (Sight("set-up-needed", "/"),)),
                    (outside, f"{demo.address}/", furnished.doors()),
                    (inside, f"{demo.address}/", furnished.sights()),
                ):
                    for sight in sights:
                        page = context.new_page()
                        page.goto(address + sight.path)
                        in_both_themes(page, folder, f"{sight.name}-{language}-{{}}-{size}.png", stretched=True)
                for opening in openings():
                    page = inside.new_page()
                    opening.show(page, demo.address, furnished.ids)
                    in_both_themes(page, folder, f"{opening.name}-{language}-{{}}-{size}.png", stretched=False)


def in_both_themes(page: Page, folder: Path, name: str, *, stretched: bool) -> None:
    """The page as it is now, `{}` in the name being the theme; stretched, from top to bottom. It is closed then."""
    page.wait_for_load_state("load")
    if stretched and page.viewport_size:
        needed = page.evaluate(
            "Math.max(document.documentElement.scrollHeight, document.querySelector('#main:not(:has(.panes))')?.scrollHeight ?? 0)"
        )
        page.set_viewport_size({**page.viewport_size, "height": min(max(needed, page.viewport_size["height"]), 3000)})
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        page.wait_for_timeout(300)
        page.screenshot(path=folder / name.format(theme), animations="disabled")
    page.close()


def telling(
    browser: Browser, demo: Office, empty: Office, furnished: Furnished, language: str, dovecot: Dovecot, mta: Mta
) -> None:
    """The pictures of one language."""
    with opened(browser, viewport=SIZES["desk"], locale=language) as context:
        page = context.new_page()
        page.goto(empty.printed)
        page.locator("[name=office]").fill(WORDS[language]["office"])
        page.locator("[name=name]").fill("Clara Lindner")
        page.locator("[name=email]").fill(CLARA)
        page.locator("[name=password]").fill(CLARAS_PASSWORD)
        take(page, f"setup-{language}-light")
        log_in(context, demo, language)
        message = f"{demo.address}/mail/f/{{inbox}}/m/{{worked}}/".format_map(furnished.ids)
        page.goto(message)
        take(page, f"mail-{language}-light")
        page.emulate_media(color_scheme="dark")
        take(page, f"mail-{language}-dark")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(SIZES["phone"])  # type: ignore[arg-type]  # Playwright's own kind of mapping
        take(page, f"mail-{language}-phone")
        page.locator("[data-back]").click()
        page.mouse.move(0, 0)
        take(page, f"list-{language}-phone")
        page.set_viewport_size(SIZES["desk"])  # type: ignore[arg-type]
        page.goto(message)
        page.locator("[data-key=r]").click()
        page.locator("#text").press_sequentially(WORDS[language]["answer"])
        take(page, f"write-{language}-light")
        page.locator("[data-discard]").click()
        fill_and_test(page, demo, language, dovecot, mta)
        take(page, f"mailbox-{language}-light")
        for sight in furnished.sights():
            if sight.name in TELLING:
                page.goto(f"{demo.address}/{sight.path}")
                take(page, f"{sight.name}-{language}-light")


@contextlib.contextmanager
def opened(browser: Browser, **look: object) -> Iterator[BrowserContext]:
    """A browser of its own."""
    context = browser.new_context(**look)  # type: ignore[arg-type]
    yield context
    context.close()


def log_in(context: BrowserContext, demo: Office, language: str) -> None:
    """As Clara, in that language."""
    page = context.new_page()
    page.goto(f"{demo.address}/login")
    page.locator("#id_login").fill(CLARA)
    page.locator("#id_password").fill(CLARAS_PASSWORD)
    page.locator("button.primary").first.click()
    page.goto(f"{demo.address}/me/")
    chosen = page.locator(f'button[name=language][value="{language}"]')
    chosen.click()
    expect(chosen).to_have_attribute("aria-pressed", "true")
    page.close()


def fill_and_test(page: Page, demo: Office, language: str, dovecot: Dovecot, mta: Mta) -> None:
    """The form of a new mailbox with its finished test."""
    user = dovecot.user("kanzlei")
    page.goto(f"{demo.address}/mailboxes/new/")
    for name, value in {
        "address": user.address, "label": WORDS[language]["label"], "display_name": WORDS[language]["office"],
        "login.password": user.password, "incoming.host": "localhost", "incoming.port": str(dovecot.imaps_port),
        "outgoing.host": "localhost", "outgoing.port": str(mta.tls_port),
    }.items():  # fmt: skip
        page.locator(f'[name="{name}"]').fill(value)
        page.locator(f'[name="{name}"]').blur()
    page.locator("[data-test]").click()
    expect(page.locator("#steps .verdict")).to_be_visible(timeout=60_000)


def take(page: Page, name: str) -> None:
    """Once everything stands still; in few colours, so that the file is small."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(600)
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    picture.quantize(200, dither=Image.Dither.NONE).save(HERE / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
