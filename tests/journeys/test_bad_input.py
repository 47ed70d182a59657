"""Whatever somebody types into the mailbox form: a sentence that says what to do, in their language, and nothing typed is lost.

The sentences are the office's (`office.wording`); here it shows that the right one is on the page in both languages.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.utils import translation
from playwright.sync_api import Locator, Page, expect

from poststelle.office import wording
from tests.builders import PASSWORD
from tests.journeys.conftest import Open
from tests.journeys.office import Mailbox, Office
from tests.servers.ca import Certificate, CertificateAuthority
from tests.servers.dovecot import Dovecot, User
from tests.servers.mta import Mta
from tests.servers.process import free_port

LANGUAGES = {"de": "bea@amt.test", "en": "ada@amt.test"}
UNKNOWN = "mail.unbekannt.invalid"

pytestmark = [pytest.mark.servers, pytest.mark.browser]


@contextlib.contextmanager
def presenting(certificate: Certificate) -> Iterator[int]:
    """A TLS server that shows this certificate to whoever comes and says no more; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), context.wrap_socket(accepted, server_side=True) as stream:
                    stream.recv(1)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture(scope="module")
def user(dovecot: Dovecot) -> User:
    return dovecot.user("eingabe")


@pytest.fixture(scope="module")
def mailbox(office: Office, dovecot: Dovecot, mta: Mta) -> Mailbox:
    """One that is there already; and Bea, who administers in German."""
    office.installation.run(
        "user", "add", "bea@amt.test", "--name", "Bea", "--admin", "--password-stdin", given=PASSWORD
    )
    return office.add_mailbox("Zentrale", dovecot.user("vergeben"), dovecot, mta)


@pytest.fixture(params=["de", "en"])
def form(request: pytest.FixtureRequest, office: Office, mailbox: Mailbox, open_window: Open) -> tuple[Page, str]:
    """The form for a new mailbox in the browser of somebody who reads that language."""
    window = open_window(office)
    window.log_in(office, LANGUAGES[request.param])
    if request.param == "de":
        window.page.goto(f"{office.address}/me/")
        window.page.locator('button[name=language][value="de"]').click()
    window.page.goto(f"{office.address}/mailboxes/new/")
    expect(window.page.locator("html")).to_have_attribute("lang", request.param)
    return window.page, request.param


def typed(page: Page, values: Mapping[str, object]) -> None:
    """Fill the form with a working start and these values over it."""
    for name, value in values.items():
        field = page.locator(f'[name="{name}"]')
        if name.endswith("encryption"):
            field.select_option(str(value))
        else:
            field.fill(str(value))
            field.blur()


def kept(page: Page, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if not name.endswith("password"):
            expect(page.locator(f'[name="{name}"]')).to_have_value(str(value))


def failed_step(page: Page) -> Locator:
    page.locator("[data-test]").click()
    expect(page.locator("#steps .verdict")).to_be_visible()
    return page.locator("#steps tr.step.failed")


def sentence(code: str, language: str, **facts: object) -> wording.Wording:
    with translation.override(language):
        told = wording.sentence(code, facts)
    with translation.override("en" if language == "de" else "de"):
        assert wording.sentence(code, facts).title != told.title, "in both languages"
    return told


def test_the_test_names_what_does_not_work(
    form: tuple[Page, str], user: User, dovecot: Dovecot, mta: Mta, ca: CertificateAuthority
) -> None:
    page, language = form
    closed = free_port()
    with (
        presenting(ca.expired()) as expired,
        presenting(ca.wrong_name()) as wrong_name,
        presenting(ca.self_signed()) as self_signed,
    ):
        mistakes: list[tuple[dict[str, Any], str, dict[str, object]]] = [
            ({"login.password": "ganz falsch"}, "login-rejected", {}),
            ({"incoming.host": UNKNOWN}, "host-unknown", {"host": UNKNOWN}),
            ({"incoming.port": closed}, "connection-refused", {"port": closed}),
            ({"incoming.port": dovecot.imap_port}, "tls-on-plain-port", {"port": dovecot.imap_port}),
            (
                {"incoming.encryption": "starttls", "incoming.port": dovecot.imaps_port},
                "plain-on-tls-port",
                {"port": dovecot.imaps_port},
            ),
            ({"incoming.port": expired}, "certificate-expired", {}),
            ({"incoming.port": wrong_name}, "certificate-wrong-name", {}),
            ({"incoming.port": self_signed}, "certificate-self-signed", {}),
        ]
        for mistake, code, facts in mistakes:
            values = {
                "address": user.address, "label": "Neu", "incoming.host": "localhost", "incoming.encryption": "tls",
                "incoming.port": dovecot.imaps_port, "login.username": user.address, "login.password": user.password,
            } | mistake  # fmt: skip
            typed(page, values)
            failed = failed_step(page)
            told = sentence(code, language, **{"host": "localhost"} | facts)
            expect(failed).to_have_count(1)
            expect(failed).to_contain_text(told.title)
            expect(failed).to_contain_text(told.advice)
            kept(page, values)
            expect(page.locator('[name="login.password"]')).to_have_value(str(values["login.password"]))
            expect(page.locator("body")).not_to_contain_text("Traceback")


@pytest.mark.parametrize("form", ["en"], indirect=True)
def test_the_other_direction_is_named_as_well(form: tuple[Page, str], user: User, dovecot: Dovecot, mta: Mta) -> None:
    page, language = form
    values = {
        "address": user.address, "label": "Neu", "incoming.host": "localhost", "incoming.port": dovecot.imaps_port,
        "outgoing.host": "localhost", "outgoing.encryption": "starttls", "outgoing.port": mta.tls_port,
        "login.username": user.address, "login.password": user.password,
    }  # fmt: skip
    typed(page, values)
    told = sentence("plain-on-tls-port", language, host="localhost", port=mta.tls_port)
    expect(failed_step(page)).to_contain_text(told.title)
    typed(page, {"outgoing.encryption": "tls", "outgoing.port": mta.starttls_port})
    told = sentence("tls-on-plain-port", language, host="localhost", port=mta.starttls_port)
    expect(failed_step(page)).to_contain_text(told.title)


def test_saving_names_every_wrong_field_and_keeps_what_was_typed(
    form: tuple[Page, str], user: User, dovecot: Dovecot
) -> None:
    page, language = form
    values: dict[str, object] = {
        "address": "zentrale.amt.test", "label": "Zentrale", "display_name": "Amt & Söhne", "incoming.host": "localhost",
        "incoming.port": "70000", "login.username": user.address, "login.password": user.password,
    }  # fmt: skip
    typed(page, values)
    page.locator("[data-save]").click()
    with translation.override(language):
        not_an_address, not_a_port, taken = map(wording.field_sentence, ["not-an-address", "not-a-port", "taken"])
    expect(page.locator('[data-field="address"] .error')).to_have_text(not_an_address)
    expect(page.locator('[data-field="incoming.port"] .error')).to_have_text(not_a_port)
    kept(page, values)

    values |= {"address": user.address, "incoming.port": dovecot.imaps_port}
    typed(page, values)
    page.locator("[data-save]").click()
    expect(page.locator('[data-field="label"] .error')).to_have_text(taken)
    kept(page, values)
    expect(page.locator("body")).not_to_contain_text("Traceback")


def test_a_wrong_password_at_the_door_says_so_in_both_languages(office: Office, open_window: Open) -> None:
    said = []
    for locale in ("de-DE", "en-GB"):
        page = open_window(office, locale=locale).page
        page.goto(f"{office.address}/login")
        page.locator("[name=login]").fill("ada@amt.test")
        page.locator("[name=password]").fill("geraten")
        page.locator("button.primary").click()
        expect(page.locator("[role=alert]")).to_contain_text("assword" if locale == "en-GB" else "asswor")
        expect(page.locator("[name=login]")).to_have_value("ada@amt.test")
        said.append(page.locator("[role=alert]").inner_text())
    assert said[0] != said[1]
