"""From the printed link to the first mailbox with its mail: set up, log in, add, test, save, read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.builders import PASSWORD, a_letter
from tests.journeys.conftest import Open
from tests.journeys.office import ADA, Installation, Office, served
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

WORDS = {
    "de": {"locale": "de-DE", "inbox": "Posteingang", "sent": "Gesendet", "works": "Alles funktioniert", "log out": "Abmelden"},
    "en": {"locale": "en-GB", "inbox": "Inbox", "sent": "Sent", "works": "Everything works", "log out": "Log out"},
}  # fmt: skip

pytestmark = [pytest.mark.servers, pytest.mark.browser]


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory, ca: CertificateAuthority) -> Iterator[Office]:
    """Served for the first time: no office, no people."""
    with served(Installation(tmp_path_factory.mktemp("fresh") / "home", ca)) as running:
        yield running


def fill(page: Page, values: dict[str, object]) -> None:
    """Type into the form's fields, by the names they have in it; selects are chosen."""
    for name, value in values.items():
        field = page.locator(f'[name="{name}"]')
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(str(value))
        else:
            field.fill(str(value))
            field.blur()


@pytest.mark.parametrize("language", ["de", "en"])
def test_from_the_printed_link_to_the_first_mail(
    fresh: Office, open_window: Open, dovecot: Dovecot, mta: Mta, language: str
) -> None:
    words = WORDS[language]
    user = dovecot.user(f"first-{language}")
    dovecot.fill(user, [a_letter(f"Brief {number}") for number in range(60)])
    page = open_window(fresh, locale=words["locale"]).page

    page.goto(fresh.printed)
    fill(page, {"office": "Amt für Post", "name": "Ada", "email": ADA, "password": PASSWORD})
    expect(page.locator('[name="language"]')).to_have_value(language)
    page.locator("button.primary").click()
    expect(page.locator("#mailbox-form")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", language)

    page.goto(f"{fresh.address}/me/")
    page.get_by_role("button", name=words["log out"]).click()
    page.goto(f"{fresh.address}/")
    fill(page, {"login": ADA, "password": PASSWORD})
    page.locator("button.primary").click()

    page.locator('#main a[href="/mailboxes/new/"]').first.click()
    fill(page, {
        "address": user.address, "label": "Zentrale", "display_name": "Amt für Post",
        "incoming.host": "localhost", "incoming.encryption": "starttls", "incoming.port": dovecot.imap_port,
        "outgoing.host": "localhost", "outgoing.encryption": "tls", "outgoing.port": mta.tls_port,
        "login.password": user.password,
    })  # fmt: skip
    expect(page.locator('[name="login.username"]')).to_have_value(user.address)
    page.locator("[data-test]").click()
    expect(page.locator("#steps .verdict")).to_contain_text(words["works"])
    steps = page.locator("#steps tr.step")
    assert steps.count() == 11
    assert {steps.nth(number).get_attribute("class") for number in range(11)} == {"step ok"}

    page.locator("[data-save]").click()
    tree = page.locator("#tree")
    expect(tree.get_by_role("link", name=words["inbox"])).to_be_visible()
    expect(tree.get_by_role("link", name=words["sent"])).to_be_visible()
    expect(tree.locator(".branch > .twig")).to_have_text("Zentrale")
    page.goto(f"{fresh.address}/")
    expect(page.locator("#rows > .row").first.locator(".row-subject")).to_contain_text("Brief 59")
    expect(page.locator("#rows > .row")).to_have_count(50)


def test_the_set_up_link_works_once(fresh: Office, open_window: Open) -> None:
    page = open_window(fresh).page
    page.goto(fresh.printed)
    fill(page, {"office": "Amt", "name": "Ada", "email": ADA, "password": PASSWORD})
    page.locator("button.primary").click()
    expect(page.locator("#mailbox-form")).to_be_visible()
    answer = open_window(fresh).page.goto(fresh.printed)
    assert answer is not None
    assert answer.status == 404
