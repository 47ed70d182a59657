"""Setting mailboxes up in the browser: from the address alone, from a failed test to a passed one, by the owner's link, and the rights."""

from __future__ import annotations

import ssl

import pytest
from playwright.sync_api import Page, Route, expect

from tests.adapters.scripted_imap import PASSWORD, scripted
from tests.journeys.conftest import Open, Window
from tests.journeys.office import Office, eventually
from tests.journeys.test_address_only import aside
from tests.journeys.test_first_mailbox import fill
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

pytestmark = [pytest.mark.servers, pytest.mark.browser]


def step(page: Page, name: str) -> str:
    """How a step of the test went: the class of its line."""
    line = page.locator("#steps tr.step", has_text=name).first
    return line.get_attribute("class") or ""


def test_the_address_alone_fills_the_form_of_a_known_provider(office: Office, ada: Window) -> None:
    page = ada.page
    page.goto(f"{office.address}/mailboxes/")
    page.get_by_role("link", name="Add mailbox").first.click()
    fill(page, {"address": "kanzlei@gmx.de"})
    page.get_by_role("button", name="Find settings by the address").click()
    offer = page.locator(".offers li").first
    expect(offer).to_contain_text("GMX")
    expect(offer).to_contain_text("imap.gmx.net")
    offer.get_by_role("link", name="Use these").click()
    for name, value in {
        "address": "kanzlei@gmx.de", "label": "kanzlei@gmx.de", "login.username": "kanzlei@gmx.de",
        "incoming.host": "imap.gmx.net", "incoming.port": "993", "outgoing.host": "mail.gmx.net",
    }.items():  # fmt: skip
        expect(page.locator(f'[name="{name}"]')).to_have_value(value)
    expect(page.locator('[name="login.password"]')).to_have_value("")


def test_a_failed_test_is_mended_with_one_click_and_passes_without_typing_the_password_again(
    office: Office, ada: Window, dovecot: Dovecot, mta: Mta
) -> None:
    user = dovecot.user("mended")
    page = ada.page
    page.goto(f"{office.address}/mailboxes/new/")
    fill(page, {
        "address": user.address, "label": "Gerichtet", "login.password": user.password,
        "incoming.host": "localhost", "incoming.encryption": "tls", "incoming.port": dovecot.imap_port,
        "outgoing.host": "localhost", "outgoing.encryption": "tls", "outgoing.port": mta.tls_port,
    })  # fmt: skip
    page.locator("[data-test]").dblclick()  # whoever is impatient gets one test
    expect(page.locator("#steps .verdict")).to_contain_text("Something does not work yet")
    assert step(page, "Receiving: Encryption and certificate") == "step failed"
    page.locator("#steps [data-fix]", has_text=f"port {dovecot.imap_port}").first.click()
    expect(page.locator("#steps .verdict")).to_contain_text("Everything works")
    expect(page.locator('[name="incoming.encryption"]')).to_have_value("starttls")
    page.locator("[data-save]").click()
    expect(page.locator("#tree")).to_contain_text("Gerichtet")


def test_the_certificate_of_an_own_server_is_looked_at_and_accepted_with_the_reason(
    office: Office, ada: Window, ca: CertificateAuthority
) -> None:
    issued = ca.self_signed()
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(issued.cert, issued.key)
    page = ada.page
    with aside(scripted(tls=shown)) as server:
        page.goto(f"{office.address}/mailboxes/new/")
        fill(page, {
            "address": "haus@example.test", "label": "Haus", "login.password": PASSWORD, "incoming.host": "localhost",
            "incoming.port": server.port,
        })  # fmt: skip
        encryption, why = (page.locator(f'[name="incoming.{part}"]') for part in ("encryption", "exception_reason"))
        encryption.select_option("none")
        expect(why).to_be_visible()
        encryption.select_option("tls")
        expect(why).to_be_hidden()
        page.locator("[data-test]").click()
        refused = page.locator("#steps tr.failed")
        expect(refused).to_contain_text(bytes.fromhex(issued.fingerprint).hex(":").upper())
        refused.locator("[data-why]").fill("Unser Server im Keller")
        refused.locator("[data-why]").press("Enter")
        refused.get_by_role("button", name="Accept exactly this certificate").click()
        expect(page.locator("#steps .verdict")).to_contain_text("Everything works")
        expect(why).to_have_value("Unser Server im Keller")
        page.locator("[data-save]").click()
        expect(page.locator("#tree")).to_contain_text("Haus")
    (made,) = office.api("GET", "accounts/Haus")["exceptions"]
    assert (made["what"], made["reason"]) == ("certificate-pinned", "Unser Server im Keller")


def test_ports_follow_the_encryption_until_one_is_typed(office: Office, ada: Window) -> None:
    page = ada.page
    page.goto(f"{office.address}/mailboxes/new/?incoming.port=993")
    encryption, port = page.locator('[name="incoming.encryption"]'), page.locator('[name="incoming.port"]')
    encryption.select_option("starttls")
    expect(port).to_have_value("")
    expect(port).to_have_attribute("placeholder", "143")
    port.fill("993")
    encryption.select_option("tls")
    encryption.select_option("starttls")
    expect(port).to_have_value("993")
    page.goto(f"{office.address}/mailboxes/servers/new/")
    page.locator('[name="encryption"]').select_option("starttls")
    expect(page.locator('[name="port"]')).to_have_attribute("placeholder", "587")


def test_an_internal_server_is_allowed_by_its_button_and_by_no_other_click(office: Office, ada: Window) -> None:
    page, asked = ada.page, []

    def answer(route: Route) -> None:
        asked.append(route.request.post_data)
        route.fulfill(status=204)

    page.route("**/exceptions/allow/", answer)
    page.goto(f"{office.address}/mailboxes/servers/new/")
    fill(page, {"label": "Innen", "host": "10.255.255.1", "login.username": "amt", "login.password": "geheim"})
    page.locator("[data-test]").click()
    expect(page.locator("#steps .verdict")).to_contain_text("Something does not work yet")
    page.locator("#steps tr.step b").first.click()
    page.locator("#steps .verdict").click()
    assert not asked
    page.get_by_role("button", name="Allow 10.255.255.1 and test again").click()
    expect(page.locator("#steps .verdict")).to_contain_text("Something does not work yet")
    assert [one is not None and "10.255.255.1" in one for one in asked] == [True]
    expect(page.locator('[name="login.password"]')).to_have_value("geheim")


def test_the_owner_enters_the_password_behind_a_link_and_nobody_else_sees_it(
    office: Office, ada: Window, open_window: Open, dovecot: Dovecot
) -> None:
    user = dovecot.user("owner")
    document = {
        "label": "Notariat", "address": user.address, "login": {"username": user.address, "by_owner": True},
        "incoming": {"protocol": "imap", "host": "localhost", "port": dovecot.imaps_port, "encryption": "tls"},
    }  # fmt: skip
    number = office.api("POST", "accounts", document)["id"]
    page = ada.page
    page.goto(f"{office.address}/mailboxes/{number}/")
    page.get_by_role("button", name="Create the link for the owner").click()
    link = page.locator("#hand-over-link").inner_text()

    owner = open_window(office).page
    owner.goto(link)
    expect(owner.locator("main")).to_contain_text(user.address)
    expect(owner.locator("main")).not_to_contain_text("localhost")
    owner.locator('[name="password"]').fill("das falsche")
    owner.get_by_role("button", name="Try and keep").click()
    expect(owner.get_by_role("alert")).to_contain_text("User name or password is wrong.")
    owner.locator('[name="password"]').fill(user.password)
    owner.get_by_role("button", name="Try and keep").click()
    expect(owner.get_by_role("heading", name="Thank you")).to_be_visible()

    eventually(lambda: office.api("GET", f"accounts/{number}")["synced_at"])
    again = open_window(office).page.goto(link)
    assert again is not None
    assert again.status == 404
    page.goto(f"{office.address}/mailboxes/{number}/")
    assert user.password not in page.content()


def test_a_click_on_a_page_whose_script_is_slow_to_come_is_heard(office: Office, ada: Window, dovecot: Dovecot) -> None:
    office.add_mailbox("Langsam", dovecot.user("slow-script"), dovecot)
    page = ada.page

    def slowly(route: Route) -> None:
        page.wait_for_timeout(700)
        route.continue_()

    page.route("**/app*.js", slowly)
    page.goto(f"{office.address}/mailboxes/rights/?q=Langsam", wait_until="commit")
    page.locator(".matrix td a").first.click()
    expect(page.locator("#dialog")).to_contain_text("Langsam")
    page.unroute("**/app*.js")


def test_a_cell_of_the_matrix_gives_and_takes_rights(office: Office, ada: Window, dovecot: Dovecot) -> None:
    mailbox = office.add_mailbox("Matrix", dovecot.user("matrix"), dovecot)
    page = ada.page
    page.goto(f"{office.address}/people/")
    page.locator("#invite-name").fill("Nina Neu")
    page.locator("#invite-email").fill("nina@amt.test")
    page.get_by_role("button", name="Invite").click()
    page.goto(f"{office.address}/mailboxes/rights/?q=Matrix&who=nina")
    cell = page.locator(".matrix td a")
    expect(cell).to_have_text("·")
    cell.click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("Nina Neu · Matrix")
    dialog.get_by_label("see").check()
    dialog.get_by_label("process").check()
    dialog.get_by_role("button", name="Save").click()
    expect(cell).to_have_text("SP")
    cell.click()
    dialog.get_by_label("process").uncheck()
    dialog.get_by_role("button", name="Save").click()
    expect(cell).to_have_text("S")
    grants = office.api("GET", f"accounts/{mailbox.id}")["grants"]
    assert ["see"] in [grant["rights"] for grant in grants]
