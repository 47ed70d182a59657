"""A mailbox from nothing but its address and password: the domain says where it lives, its folders are seen before it is saved, and
what is written from it carries its signature and leaves its copy where that was chosen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Window
from tests.journeys.office import PATIENCE, Installation, Office, eventually, served
from tests.journeys.server_side import mailbox, make_folder
from tests.journeys.test_first_mailbox import fill
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta
from tests.servers.names import names
from tests.servers.pages import page, pages

pytestmark = [pytest.mark.servers, pytest.mark.browser]

T = TypeVar("T")
AUTOCONFIG = """<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="example.test"><domain>example.test</domain>
<displayName>Beispiel</displayName>
<incomingServer type="imap"><hostname>localhost</hostname><port>{imap}</port><socketType>SSL</socketType>
<username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
<outgoingServer type="smtp"><hostname>localhost</hostname><port>{smtp}</port><socketType>SSL</socketType>
<username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></outgoingServer>
</emailProvider></clientConfig>"""


@contextmanager
def aside(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """A server of the tests in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(PATIENCE)
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@pytest.fixture(scope="module")
def office(
    tmp_path_factory: pytest.TempPathFactory, ca: CertificateAuthority, dovecot: Dovecot, mta: Mta
) -> Iterator[Office]:
    """An office that asks the tests' own servers where a mailbox lives, and nobody else."""
    told = page(
        AUTOCONFIG.format(imap=dovecot.imaps_port, smtp=mta.tls_port).encode(), "200 OK", "Content-Type: text/xml"
    )
    with aside(pages({"/mail/config-v1.1.xml": told})) as web, aside(names({})) as (dns, _):
        installation = Installation(tmp_path_factory.mktemp("found") / "home", ca)
        installation.environment |= {
            "POSTSTELLE_DISCOVERY_AUTOCONFIG": f"http://127.0.0.1:{web.port}/mail/config-v1.1.xml?emailaddress={{address}}",
            "POSTSTELLE_DISCOVERY_DATABASE": "false", "POSTSTELLE_DISCOVERY_EXCHANGE": "false",
            "POSTSTELLE_DISCOVERY_GUESSING": "false", "POSTSTELLE_DISCOVERY_NAMESERVER": f"127.0.0.1:{dns}",
        }  # fmt: skip
        installation.init()
        with served(installation) as running:
            yield running


def test_a_new_mailbox_by_its_address_only_and_the_first_letter_from_it(
    office: Office, ada: Window, dovecot: Dovecot, mta: Mta
) -> None:
    user = dovecot.user("by-address")
    make_folder(dovecot, user, "Versandt")
    browser = ada.page
    browser.goto(f"{office.address}/mailboxes/new/")
    fill(browser, {"address": user.address})
    browser.get_by_role("button", name="Find settings by the address").click()
    offer = browser.locator(".offers li").first
    expect(offer).to_contain_text(f"localhost:{dovecot.imaps_port}")
    offer.get_by_role("link", name="I know them: use them").click()
    expect(browser.locator('[name="incoming.port"]')).to_have_value(str(dovecot.imaps_port))
    fill(browser, {"login.password": user.password})

    browser.locator("[data-test]").click()
    expect(browser.locator("#steps .verdict")).to_contain_text("Everything works")
    sent = browser.locator('[name="roles.sent"]')
    expect(sent).to_be_visible()
    sent.select_option(label="Versandt")
    browser.locator("details.senders > summary").click()
    fill(browser, {"signature.text": "Kanzlei Beispiel"})
    browser.locator("[data-save]").click()
    expect(browser.locator("#tree")).to_contain_text(user.address)

    browser.goto(f"{office.address}/write/")
    expect(browser.locator('[name="text"]')).to_have_value("\n\n-- \nKanzlei Beispiel\n")
    browser.locator('[name="to"]').fill(user.address)
    browser.locator('[name="subject"]').fill("Erster Brief")
    browser.locator("[data-send]").click()

    def copies() -> bool:
        with mailbox(dovecot, user, "Versandt") as client:
            return client.search(None, "ALL")[1][0] != b""

    eventually(copies)


def test_another_sender_brings_its_own_signature_and_leaves_what_was_typed(office: Office, ada: Window) -> None:
    office.api("POST", "accounts", _sender("Erste", "Viele Grüße\nErste Stelle"))
    office.api("POST", "accounts", _sender("Zweite", "Mit Gruß\nZweite Stelle"))
    plain = office.api("POST", "accounts", _sender("Dritte", ""))["id"]
    browser = ada.page
    browser.goto(f"{office.address}/write/?account={plain}")
    text, sender = browser.locator('[name="text"]'), browser.locator('[name="account"]')
    text.fill("Guten Tag,\ndies ist getippt.")
    sender.select_option(label="erste@amt.test (Erste)")
    expect(text).to_have_value("Guten Tag,\ndies ist getippt.\n\n-- \nViele Grüße\nErste Stelle\n")
    sender.select_option(label="zweite@amt.test (Zweite)")
    expect(text).to_have_value("Guten Tag,\ndies ist getippt.\n\n-- \nMit Gruß\nZweite Stelle\n")
    mine = "Guten Tag,\ndies ist getippt.\n\n-- \nganz anders unterschrieben"
    text.fill(mine)
    sender.select_option(label="erste@amt.test (Erste)")
    expect(text).to_have_value(mine)


def _sender(label: str, signature: str) -> dict[str, object]:
    return {
        "label": label, "kind": "send-only", "address": f"{label.lower()}@amt.test", "signature": {"text": signature},
        "outgoing": {"host": "localhost", "authentication": "none"},
    }  # fmt: skip
