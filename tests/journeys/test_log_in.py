"""Ada sets up a passkey and an authenticator app in a real browser, and gets in by each of them.

Chromium's own virtual authenticator stands for the device; passkeys need a name, so the office is called localhost here.
"""

from __future__ import annotations

import re

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Open
from tests.journeys.office import ADA, PASSWORD, Office

pytestmark = [pytest.mark.browser]

DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


def log_out(page: Page, office: Office) -> None:
    page.goto(f"{office.address}/me/")
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{office.address}/login")


def password(page: Page) -> None:
    page.locator("[name=login]").fill(ADA)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def test_a_passkey_and_an_app_let_ada_in(office: Office, open_window: Open) -> None:
    named = Office(office.installation, office.address.replace("127.0.0.1", "localhost"), "")
    window = open_window(named)
    page = window.page
    device = window.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    window.log_in(named)

    page.goto(f"{named.address}/me/security/passkey/")
    page.get_by_label("Name of the device").fill("Adas Laptop")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.locator(".codes li")).to_have_count(10)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    kept = download.value.path().read_text().split()
    assert kept == page.locator(".codes li").all_inner_texts()
    page.goto(f"{named.address}/me/security/")
    expect(page.get_by_text("Adas Laptop")).to_be_visible()

    log_out(page, named)
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.locator("body.shell")).to_be_visible()

    page.goto(f"{named.address}/me/security/authenticator/")
    page.get_by_text("Type the key instead").click()
    key = page.locator("code.token").inner_text()
    page.locator("[name=code]").fill(code_of(key, 0))
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("link", name="Remove")).to_have_count(2)

    log_out(page, named)
    password(page)
    page.locator("[name=code]").fill(code_of(key, 1))
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("body.shell")).to_be_visible()

    log_out(page, named)
    password(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("body.shell")).to_be_visible()
    assert window.abroad == []
    assert re.fullmatch(r"[A-Z2-7]{32}", key)


def code_of(key: str, number: int) -> str:
    """What an app with this key shows: just before (0), now (1), next (2)."""
    return format_hotp_value(hotp_value(key, list(yield_hotp_counters_from_time())[number]))
