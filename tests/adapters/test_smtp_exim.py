"""Sending through a real MTA: what is submitted lands in the mailbox, and refusals are told apart."""

from __future__ import annotations

import asyncio

import pytest

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap.source import open_source
from poststelle.adapters.smtp import open_sender
from poststelle.errors import LoginRejected, NeedsAttention
from poststelle.mail.ports import Envelope, RawMessage, RecipientState, RemoteFolderId
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

pytestmark = pytest.mark.servers

EGRESS = EgressPolicy.of("127.0.0.0/8")
INBOX = RemoteFolderId("INBOX")
BODY = "Grüße\r\n.\r\n..Punkt\r\n".encode() + b"x" * 900 + b"\r\n"
RAW = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: Test\r\nMessage-ID: <exim-1@example.test>\r\n\r\n" + BODY


async def nothing() -> None:
    """DATA may start."""


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_what_is_submitted_lands_in_the_mailbox(
    dovecot: Dovecot, mta: Mta, ca: CertificateAuthority, encryption: Encryption
) -> None:
    author = dovecot.user("exim-author")
    reader = dovecot.user(f"exim-reader-{encryption.value}")
    tls, login = Trust(ca.ca_file), Login(author.address, Secret(author.password))
    port = mta.tls_port if encryption is Encryption.TLS else mta.starttls_port
    sender = await open_sender(
        Endpoint("smtp", "localhost", port, encryption), login, egress=EGRESS, tls=tls, local_hostname="[127.0.0.1]"
    )
    to = (reader.address, "refused@example.test", "deferred@example.test")
    receipt = await sender.send(Envelope(author.address, to), RAW, nothing)
    await sender.close()
    accepted, rejected, deferred = receipt.results
    assert (accepted.state, rejected.state, deferred.state) == tuple(
        RecipientState(state) for state in ("accepted", "rejected", "deferred")
    )
    assert rejected.answer.startswith("550")
    assert deferred.answer.startswith("451")

    source = await open_source(
        Endpoint("imap", "localhost", dovecot.imaps_port, Encryption.TLS),
        Login(reader.address, Secret(reader.password)),
        egress=EGRESS,
        tls=tls,
    )
    batch = await source.changes(INBOX, None)
    async with asyncio.timeout(20):
        while not batch.arrivals:
            await source.wait(INBOX, 5)
            batch = await source.changes(INBOX, batch.cursor)
    found = [one async for one in source.fetch(INBOX, [arrival.id for arrival in batch.arrivals])]
    await source.close()
    assert isinstance(found[0], RawMessage)
    assert bytes(found[0].raw).endswith(BODY)


async def test_a_wrong_password_and_a_missing_log_in_are_told_apart(
    dovecot: Dovecot, mta: Mta, ca: CertificateAuthority
) -> None:
    user = dovecot.user("exim-wrong")
    endpoint, tls = Endpoint("smtp", "localhost", mta.tls_port, Encryption.TLS), Trust(ca.ca_file)
    with pytest.raises(LoginRejected):
        await open_sender(
            endpoint, Login(user.address, Secret("falsch")), egress=EGRESS, tls=tls, local_hostname="localhost"
        )
    sender = await open_sender(endpoint, None, egress=EGRESS, tls=tls, local_hostname="localhost")
    receipt = await sender.send(Envelope(user.address, (user.address,)), RAW, nothing)
    await sender.close()
    assert receipt.results[0].state is RecipientState.REJECTED


async def test_without_encryption_a_server_that_wants_it_offers_no_log_in(dovecot: Dovecot, mta: Mta) -> None:
    user = dovecot.user("exim-plain")
    with pytest.raises(NeedsAttention) as caught:
        await open_sender(
            Endpoint("smtp", "localhost", mta.starttls_port, Encryption.NONE),
            Login(user.address, Secret(user.password)),
            egress=EGRESS,
            tls=Trust(),
            local_hostname="localhost",
        )
    assert caught.value.code == "mechanism-not-offered"
