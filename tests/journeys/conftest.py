"""One browser for all journeys, and for each module an office of its own with Ada logged in.

The browser's fixtures end with this folder: Playwright keeps an event loop running while it lives, and tests elsewhere bring
their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Route,
    expect,
    sync_playwright,
)

from tests.builders import PASSWORD
from tests.journeys.office import ADA, PATIENCE, Installation, Office, served
from tests.servers.ca import CertificateAuthority

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=AutofillServerCommunication",
]

Open: TypeAlias = Callable[..., "Window"]


class Window:
    """A browser of one person: `page`, and what it must never do, gathered as it happens."""

    def __init__(self, context: BrowserContext, own: str) -> None:
        self.context = context
        self.abroad: list[str] = []
        """Addresses of other hosts that anything in this browser asked for; none is let through."""
        self.failures: list[str] = []
        """Exceptions in the product's own script."""
        self.missing: list[str] = []
        """Addresses that anything on a page asked for and that led nowhere."""
        context.set_default_timeout(PATIENCE * 1000)
        context.route(re.compile(rf"^(?!{re.escape(own)}/|data:|blob:)"), self._refuse)
        context.on("weberror", lambda error: self.failures.append(str(error.error)))
        # Of icons only the console tells.
        context.on("console", self._hear)
        self.page: Page = context.new_page()

    def log_in(self, office: Office, email: str = ADA, password: str = PASSWORD) -> None:
        """Through the form, as everybody does."""
        page = self.page
        page.goto(f"{office.address}/login")
        page.locator("#id_login").fill(email)
        page.locator("#id_password").fill(password)
        page.locator("button.primary").click()
        expect(page.locator("body.shell")).to_be_visible()

    def _hear(self, said: ConsoleMessage) -> None:
        if "status of 404" in said.text and said.page and said.location["url"] != said.page.url:
            self.missing.append(said.location["url"])

    def _refuse(self, route: Route) -> None:
        self.abroad.append(route.request.url)
        route.abort()


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        expect.set_options(timeout=PATIENCE * 1000)
        yield running


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, without a word to anybody."""
    assert CHROMIUM.exists(), (
        "Debian package chromium is missing: run ./test with root or sudo rights once, or install it"
    )
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, ca: CertificateAuthority) -> Iterator[Office]:
    """A served office in English whose administrator is Ada."""
    installation = Installation(tmp_path_factory.mktemp("office") / "home", ca)
    installation.init()
    with served(installation) as running:
        yield running


@pytest.fixture
def open_window(chromium: Browser) -> Iterator[Open]:
    """Opens browsers for an office: `open_window(office, locale="de-DE", …)`; none of them may have failed at the end."""
    windows: list[Window] = []

    def open_one(office: Office, **wishes: object) -> Window:
        window = Window(chromium.new_context(**{"locale": "en-GB"} | wishes), office.address)  # type: ignore[arg-type]
        windows.append(window)
        return window

    yield open_one
    for window in windows:
        window.context.close()
    assert [failure for window in windows for failure in window.failures] == []


@pytest.fixture(scope="module")
def key(chromium: Browser, office: Office, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada's log-in to the module's office, kept."""
    file = tmp_path_factory.mktemp("key") / "state.json"
    window = Window(chromium.new_context(locale="en-GB"), office.address)
    window.log_in(office)
    window.context.storage_state(path=file)
    window.context.close()
    return file


@pytest.fixture
def ada(office: Office, open_window: Open, key: Path) -> Window:
    """Ada's browser, logged in."""
    return open_window(office, storage_state=key)
