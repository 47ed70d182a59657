"""The test of an account's settings: every step is told, the first failure names its reason, nothing is left behind."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
import time
import uuid
from collections.abc import AsyncIterator

import pytest

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap.source import open_source
from poststelle.adapters.probe import probe
from poststelle.adapters.probe_ways import Times
from poststelle.adapters.trial import Trial
from poststelle.mail.ports import Role
from poststelle.mail.records import Step
from poststelle.mail.secret import Secret
from poststelle.mail.settings import AccountSettings, Authentication, Encryption, Endpoint, Kind, Login, Scope
from tests.adapters.scripted_imap import scripted
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

EGRESS = EgressPolicy.of("127.0.0.0/8")


def account(incoming: Endpoint | None, outgoing: Endpoint | None, login: Login) -> AccountSettings:
    return AccountSettings(
        "Probe",
        Kind.SYNCHRONISED,
        Scope.SHARED,
        "probe@example.test",
        incoming=incoming,
        outgoing=outgoing,
        login=login,
    )


async def steps_of(
    settings: AccountSettings, tls: Trust | None = None, egress: EgressPolicy = EGRESS
) -> dict[tuple[str, str], Step]:
    found = {}
    async for step in probe(settings, egress=egress, tls=tls or Trust()):
        found[step.direction, step.name] = step
    return found


@pytest.mark.servers
@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_a_working_account_passes_every_step(
    dovecot: Dovecot, mta: Mta, ca: CertificateAuthority, encryption: Encryption
) -> None:
    user = dovecot.user("probe-good")
    tls = encryption is Encryption.TLS
    settings = account(
        Endpoint("imap", "localhost", dovecot.imaps_port if tls else dovecot.imap_port, encryption),
        Endpoint("smtp", "localhost", mta.tls_port if tls else mta.starttls_port, encryption),
        Login(user.address, Secret(user.password)),
    )
    found = await steps_of(settings, Trust(ca.ca_file))
    assert {step.state for step in found.values()} == {"ok"}, found
    opening = ["resolve", "connect", "tls", "greeting"] if tls else ["resolve", "connect", "greeting", "tls"]
    assert [name for direction, name in found if direction == "incoming"] == [*opening, "login", "folders"]
    assert [name for direction, name in found if direction == "outgoing"] == [*opening, "login"]
    assert "sent" in found["incoming", "folders"].detail["roles"]  # type: ignore[operator]
    assert "CN=localhost" in str(found["incoming", "tls"].detail["subject"])
    assert all(step.seconds < 10 for step in found.values())


@pytest.mark.servers
@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_a_maildrop_is_tried_in_its_own_protocol(
    dovecot: Dovecot, ca: CertificateAuthority, encryption: Encryption
) -> None:
    user = dovecot.user("probe-maildrop")
    port = dovecot.pop3s_port if encryption is Encryption.TLS else dovecot.pop3_port
    endpoint = Endpoint("pop3", "localhost", port, encryption)
    for password, state in ((user.password, "ok"), ("ganz falsch", "failed")):
        found = await steps_of(account(endpoint, None, Login(user.address, Secret(password))), Trust(ca.ca_file))
        assert found["incoming", "login"].state == state
    assert found["incoming", "folders"].state == "skipped"
    assert found["incoming", "login"].error == "login-rejected"


@pytest.mark.servers
async def test_a_wrong_password_fails_the_log_in_of_both_directions(
    dovecot: Dovecot, mta: Mta, ca: CertificateAuthority
) -> None:
    user = dovecot.user("probe-wrong")
    settings = account(
        Endpoint("imap", "localhost", dovecot.imaps_port, Encryption.TLS),
        Endpoint("smtp", "localhost", mta.tls_port, Encryption.TLS),
        Login(user.address, Secret("ganz falsch")),
    )
    found = await steps_of(settings, Trust(ca.ca_file))
    assert found["incoming", "login"].error == "login-rejected"
    assert found["outgoing", "login"].error == "login-rejected"
    assert found["incoming", "folders"].state == "skipped"
    assert "ganz falsch" not in repr(found)


async def test_a_rejected_certificate_is_shown_with_what_it_says(ca: CertificateAuthority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = ca.wrong_name()
    context.load_cert_chain(certificate.cert, certificate.key)
    async with scripted(tls=context) as server:
        settings = account(server.endpoint(Encryption.TLS), None, Login("x", Secret("y")))
        found = await steps_of(settings, Trust(ca.ca_file))
    assert found["incoming", "tls"].error == "certificate-wrong-name"
    assert found["incoming", "tls"].detail["names"] == ["mail.elsewhere.test"]
    assert [step.state for step in found.values()] == ["ok", "ok", "failed", "skipped", "skipped", "skipped"]


async def test_a_host_that_is_not_allowed_is_not_connected_to() -> None:
    async with scripted() as server:
        settings = account(server.endpoint(), None, Login("x", Secret("y")))
        found = await steps_of(settings, egress=EgressPolicy())
    assert found["incoming", "resolve"].error == "host-forbidden"
    assert found["incoming", "connect"].state == "skipped"
    assert server.heard == []


async def test_each_direction_is_tried_on_its_own() -> None:
    async with scripted({"greeting": b"220 mx.example.test ESMTP\r\n"}) as server:
        settings = account(
            server.endpoint(), Endpoint("smtp", "localhost", server.port, Encryption.NONE), Login("x", Secret("y"))
        )
        settings = dataclasses.replace(settings, authentication=Authentication.NONE)
        found = await steps_of(settings)
    assert found["incoming", "greeting"].error == "wrong-protocol"
    assert found["incoming", "greeting"].detail["got"] == "smtp"
    assert found["outgoing", "connect"].state == "ok"
    assert ("outgoing", "login") not in found


async def test_a_silent_server_fails_within_the_time_of_a_step() -> None:
    async with scripted({"greeting": b""}) as server:
        found = await steps_of(account(server.endpoint(), None, Login("x", Secret("y"))))
    assert found["incoming", "greeting"].error == "greeting-timeout"
    assert found["incoming", "greeting"].seconds < 10


# -- the test message ----------------------------------------------------------------------------------------------------


def trial(address: str, recipient: str = "") -> Trial:
    number = f"{uuid.uuid4()}@example.test"
    to = recipient or address
    raw = f"From: {address}\r\nTo: {to}\r\nMessage-ID: <{number}>\r\nSubject: Test\r\n\r\nTest\r\n".encode()
    return Trial(address, to, raw, number, to == address)


@pytest.mark.servers
async def test_the_test_message_arrives_and_is_removed_again_it_alone(
    dovecot: Dovecot, mta: Mta, ca: CertificateAuthority
) -> None:
    user = dovecot.user("probe-trial")
    dovecot.deliver(user, b"Subject: Bleibt\r\n\r\nBleibt\r\n")
    settings = dataclasses.replace(
        account(
            Endpoint("imap", "localhost", dovecot.imaps_port, Encryption.TLS),
            Endpoint("smtp", "localhost", mta.tls_port, Encryption.TLS),
            Login(user.address, Secret(user.password)),
        ),
        address=user.address,
    )
    message = trial(user.address)
    found = {}
    async for step in probe(settings, egress=EGRESS, tls=Trust(ca.ca_file), message=message):
        found[step.direction, step.name] = step
    assert {step.state for step in found.values()} == {"ok"}, found
    assert found["incoming", "arrival"].detail == {"role": "inbox"}
    assert found["incoming", "sent-copy"].detail == {"copies": 0, "folder": True}
    assert found["incoming", "clean-up"].detail == {"removed": 1}
    source = await open_source(settings.incoming, settings.login, egress=EGRESS, tls=Trust(ca.ca_file))  # type: ignore[arg-type]
    try:
        inbox = next(folder for folder in await source.folders() if folder.role is Role.INBOX)
        assert len(await source.census(inbox.id)) == 1
    finally:
        await source.close()


@pytest.mark.servers
async def test_the_test_message_is_looked_for_in_a_maildrop_too(
    dovecot: Dovecot, mta: Mta, ca: CertificateAuthority
) -> None:
    user = dovecot.user("probe-trial-drop")
    settings = dataclasses.replace(
        account(
            Endpoint("pop3", "localhost", dovecot.pop3s_port, Encryption.TLS),
            Endpoint("smtp", "localhost", mta.tls_port, Encryption.TLS),
            Login(user.address, Secret(user.password)),
        ),
        address=user.address,
        kind=Kind.FETCH_ONLY,
    )
    steps = [step async for step in probe(settings, egress=EGRESS, tls=Trust(ca.ca_file), message=trial(user.address))]
    assert {step.state for step in steps} == {"ok"}, steps
    assert steps[-1].detail == {"removed": 1}


@pytest.mark.servers
async def test_what_the_real_server_will_not_pass_on_is_told(
    dovecot: Dovecot, mta: Mta, ca: CertificateAuthority
) -> None:
    user = dovecot.user("probe-refused")
    login = Login(user.address, Secret(user.password))
    settings = account(None, Endpoint("smtp", "localhost", mta.tls_port, Encryption.TLS), login)
    settings = dataclasses.replace(settings, address=user.address)
    for recipient, code in (
        ("refused@example.test", "recipient-refused"),
        ("deferred@example.test", "greylisted"),
        ("jemand@anderswo.test", "relay-denied"),
    ):
        message = trial(user.address, recipient)
        steps = [step async for step in probe(settings, egress=EGRESS, tls=Trust(ca.ca_file), message=message)]
        assert (steps[-1].name, steps[-1].error) == ("send", code)


# -- hanging up ----------------------------------------------------------------------------------------------------------


async def test_closing_the_test_hangs_up_at_once() -> None:
    async with scripted({"CAPABILITY": b""}) as server:
        patient = Times(step=300, greeting=300)
        tested = account(server.endpoint(), None, Login("x", Secret("y")))
        steps = probe(tested, egress=EGRESS, tls=Trust(), times=patient)
        await anext(steps)
        begun = time.monotonic()
        waiting = asyncio.ensure_future(_rest(steps))
        await asyncio.sleep(0.2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert time.monotonic() - begun < 30


async def _rest(steps: AsyncIterator[Step]) -> list[Step]:
    return [step async for step in steps]


async def test_fifty_tests_at_once_do_not_wait_for_each_other() -> None:
    async with scripted({"greeting": b""}) as silent, scripted() as good:
        slow = account(silent.endpoint(), None, Login("x", Secret("y")))
        quick = account(good.endpoint(), None, Login("x", Secret("y")))
        begun = time.monotonic()
        waiting = [
            asyncio.ensure_future(_rest(probe(slow, egress=EGRESS, tls=Trust(), times=Times(step=3, greeting=1))))
            for _ in range(50)
        ]
        still = asyncio.ensure_future(_rest(probe(slow, egress=EGRESS, tls=Trust(), times=Times(300, 300))))
        assert (await _rest(probe(quick, egress=EGRESS, tls=Trust())))[-1].state == "warned"
        assert not still.done()
        still.cancel()
        await asyncio.gather(*waiting)
        assert time.monotonic() - begun < 40, "one after the other they take fifty seconds and more"


async def test_a_refused_password_is_tried_twice_at_most_once_for_each_spelling() -> None:
    async with scripted({"LOGIN": b"{tag} NO no\r\n"}) as server:
        found = await steps_of(account(server.endpoint(), None, Login("probe@example.test", Secret("y"))))
    assert found["incoming", "login"].error == "login-rejected"
    assert [line.split(b" ")[2] for line in server.heard if b"LOGIN" in line] == [b'"probe@example.test"', b'"probe"']
