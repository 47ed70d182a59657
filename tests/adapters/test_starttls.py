"""STARTTLS under attack ("NO STARTTLS", USENIX Security 2021): sixteen ways to cheat, in three protocols, and never a password in clear."""

from __future__ import annotations

import asyncio
import base64

import pytest

from poststelle.adapters import smtp
from poststelle.adapters.connection import Trust
from poststelle.errors import Trouble
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Endpoint, Login
from tests.adapters.dialects import DIALECTS, MODES, cheating, enter, serving, starttls
from tests.servers.ca import CertificateAuthority

PASSWORD = "Kennwort-des-Tests"
LOGIN = Login("nutzer", Secret(PASSWORD))
GIVEN_AWAY = (
    PASSWORD.encode(),
    base64.b64encode(PASSWORD.encode()),
    base64.b64encode(f"\0nutzer\0{PASSWORD}".encode()),
)
CODES = {
    "strip": {"starttls-missing"},
    "no": {"starttls-missing", "server-busy"},
    "bad": {"starttls-missing", "server-refused"},
    "bye": {"server-closed", "server-busy", "connection-lost"},
    "hang-up": {"connection-lost"},
    "preauth": {"preauth-before-starttls", "starttls-missing"},
    "inject": {"starttls-injection"},
    "inject-greeting": {"starttls-missing", "starttls-injection", "malformed-response"},
    "foreign-consent": {"foreign-tag", "malformed-response", "starttls-missing"},
    "wrong-certificate": {"certificate-wrong-name"},
    "double": {"starttls-injection"},
    "garbage": {"starttls-injection"},
}
ANY = {"starttls-injection", "tls-failed", "tls-timeout", "connection-lost", "read-timeout", "greeting-timeout"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "COMMAND_SECONDS", 1.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("protocol", list(DIALECTS))
async def test_a_server_that_cheats_hears_no_password(ca: CertificateAuthority, protocol: str, mode: str) -> None:
    certificate = ca.wrong_name() if mode == "wrong-certificate" else ca.good()
    async with cheating(protocol, mode, serving(certificate)) as server, asyncio.timeout(15):
        with pytest.raises(Trouble) as caught:
            await enter(starttls(protocol, server.port), LOGIN, Trust(ca.ca_file))
    assert not any(form in server.plain for form in GIVEN_AWAY)
    assert caught.value.code in CODES.get(mode, ANY)
    assert not server.secret


@pytest.mark.parametrize("protocol", list(DIALECTS))
async def test_an_honest_server_hears_it_under_tls_only_and_is_asked_again_what_it_offers(
    ca: CertificateAuthority, protocol: str
) -> None:
    async with cheating(protocol, "honest", serving(ca.good())) as server:
        await enter(starttls(protocol, server.port), LOGIN, Trust(ca.ca_file))
    assert not any(form in server.plain for form in GIVEN_AWAY)
    assert any(form in server.secret for form in GIVEN_AWAY)
    first = server.secret.partition(b"\r\n")[0].upper()
    assert DIALECTS[protocol].ask in first


@pytest.mark.parametrize("protocol", list(DIALECTS))
async def test_a_certificate_rejected_after_starttls_is_shown(ca: CertificateAuthority, protocol: str) -> None:
    certificate = ca.self_signed()
    async with cheating(protocol, "honest", serving(certificate)) as server:
        endpoint: Endpoint = starttls(protocol, server.port)
        with pytest.raises(Trouble) as caught:
            await enter(endpoint, LOGIN, Trust(ca.ca_file))
    assert caught.value.facts["fingerprint"] == certificate.fingerprint
    assert caught.value.facts["not_after"]
