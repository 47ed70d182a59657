"""Takes the pictures of the documents anew: `python -m docs.screenshots.take`, from the top of the checkout, with the tests' packages.

A demonstration office is served from a folder of its own and photographed in both languages, light and dark, on a desk and on a
phone; the set-up page comes from a second, empty one. The mailbox test runs against the tests' own Dovecot and Exim.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta
from tests.servers.process import free_port

HERE = Path(__file__).parent
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
CLARA, PASSWORD = "clara.lindner@lindner.example", "Willkommen in der Poststelle"
MAILBOX, LETTER = "Kanzlei", "Nachlass"
LANGUAGES, THEMES = ("en", "de"), ("light", "dark")
WORDS = {
    "en": {"office": "Lindner & Partners", "label": "Front office", "answer": "Dear Ms Ößner,\n\nwould Tuesday at three suit you?\n\nKind regards"},
    "de": {"office": "Lindner & Partner", "label": "Vorzimmer", "answer": "Liebe Frau Ößner,\n\npasst Ihnen Dienstag um 15 Uhr?\n\nHerzliche Grüße"},
}  # fmt: skip


def main() -> None:
    """All of them."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ca = CertificateAuthority(folder)
        dovecot = Dovecot(ca.good())
        stack.callback(dovecot.stop)
        mta = Mta(dovecot, ca.good())
        stack.callback(mta.stop)
        environment = {"POSTSTELLE_CA_FILE": str(ca.ca_file), "POSTSTELLE_EGRESS_ALLOW": "127.0.0.0/8"}
        demo = stack.enter_context(serving(folder / "demo", environment, "--demo"))
        empty = stack.enter_context(serving(folder / "empty", environment))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for language in LANGUAGES:
            for theme in THEMES:
                before_log_in(browser, demo, empty, language, theme)
                at_work(browser, demo, language, theme, dovecot, mta)


@contextlib.contextmanager
def serving(home: Path, environment: Mapping[str, str], *more: str) -> Iterator[str]:
    """A `serve` of its own; the address it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "poststelle", "serve", "--port", str(free_port()), *more],
        env={**os.environ, **environment, "POSTSTELLE_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        link = ""
        while not link:
            found = re.search(r"http://\S+", process.stdout.readline().decode())
            link = found[0] if found else ""
        while True:
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(link).close()
                break
        yield link
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def before_log_in(browser: Browser, demo: str, empty: str, language: str, theme: str) -> None:
    """Set-up and log-in."""
    page = browser.new_page(viewport=DESK, color_scheme=theme, locale=language)  # type: ignore[arg-type]  # Playwright's literals
    page.goto(empty)
    page.locator("[name=office]").fill(WORDS[language]["office"])
    page.locator("[name=name]").fill("Clara Lindner")
    page.locator("[name=email]").fill(CLARA)
    page.locator("[name=password]").fill(PASSWORD)
    take(page, "setup", language, theme)
    page.goto(demo)
    page.locator("[name=login]").fill(CLARA)
    take(page, "login", language, theme)
    page.close()


def at_work(browser: Browser, demo: str, language: str, theme: str, dovecot: Dovecot, mta: Mta) -> None:
    """What Clara sees."""
    page = browser.new_page(viewport=DESK, color_scheme=theme, locale=language)  # type: ignore[arg-type]  # Playwright's literals
    page.goto(demo)
    page.locator("[name=login]").fill(CLARA)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("button.primary").click()
    page.goto(f"{demo}me/")
    page.locator(f'button[name=language][value="{language}"]').click()

    page.goto(f"{demo}mail/")
    page.locator("#tree .branch", has_text=MAILBOX).locator("a.twig").first.click()
    letter = page.locator("#rows > .row", has_text=LETTER).last
    letter.click()
    expect(page.frame_locator("iframe.body").locator("body")).to_be_visible()
    letter.scroll_into_view_if_needed()
    take(page, "mail", language, theme)
    if theme == "light":
        on_a_phone(page, language)

    page.locator("[data-key=r]").click()
    page.locator("#text").press_sequentially(WORDS[language]["answer"])
    take(page, "write", language, theme)
    page.locator("[data-send]" if theme == "light" else "[data-discard]").click()
    expect(page.locator("#message")).to_be_visible()

    fill_and_test(page, demo, language, dovecot, mta)
    take(page, "mailbox", language, theme)
    page.goto(f"{demo}outbox/")
    take(page, "outbox", language, theme)
    page.context.close()


def on_a_phone(page: Page, language: str) -> None:
    """The same message, then its list, as a phone shows them."""
    page.set_viewport_size(PHONE)
    take(page, "mail", language, "phone")
    page.locator("[data-back]").click()
    page.mouse.move(0, 0)
    take(page, "list", language, "phone")
    page.set_viewport_size(DESK)
    page.go_back()
    expect(page.locator("#message")).to_be_visible()


def fill_and_test(page: Page, demo: str, language: str, dovecot: Dovecot, mta: Mta) -> None:
    """The form of a new mailbox with its finished test."""
    user = dovecot.user("kanzlei")
    page.goto(f"{demo}mailboxes/new/")
    for name, value in {
        "address": user.address, "label": WORDS[language]["label"], "display_name": WORDS[language]["office"],
        "login.password": user.password, "incoming.host": "localhost", "incoming.port": str(dovecot.imaps_port),
        "outgoing.host": "localhost", "outgoing.port": str(mta.tls_port),
    }.items():  # fmt: skip
        page.locator(f'[name="{name}"]').fill(value)
        page.locator(f'[name="{name}"]').blur()
    page.locator("[data-test]").click()
    expect(page.locator("#steps .verdict")).to_be_visible(timeout=20_000)


def take(page: Page, what: str, language: str, look: str) -> None:
    """Once everything stands still."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(400)
    page.screenshot(path=HERE / f"{what}-{language}-{look}.png", animations="disabled")


if __name__ == "__main__":
    main()
