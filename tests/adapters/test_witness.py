"""What a witness is told of real connections: each log-in once, every line in order, no secret and no word of a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from poststelle.adapters import smtp, witness
from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap.source import open_source
from poststelle.adapters.witness import Listener
from poststelle.mail.ports import Envelope, RemoteFolderId
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login
from poststelle.mail.transcript import Transcript
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot
from tests.servers.mta import Mta

pytestmark = pytest.mark.servers

EGRESS = EgressPolicy.of("127.0.0.0/8")
LETTER = b"Subject: Kontonummer\r\nFrom: <a@b.test>\r\n\r\nsehr vertraulich\r\n"


class Notebook:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self.lines: list[str] = []

    def met(self, code: str, **facts: object) -> None:
        self.events.append((code, facts))

    def listen(self) -> Listener:
        return Transcript(self.lines.append)

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + repr(self.events)


@contextmanager
def watched() -> Iterator[Notebook]:
    notebook = Notebook()
    token = witness.current.set(notebook)
    try:
        yield notebook
    finally:
        witness.current.reset(token)


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_an_imap_session_is_told_without_its_secrets(
    dovecot: Dovecot, ca: CertificateAuthority, encryption: Encryption
) -> None:
    user = dovecot.user(f"watched-{encryption.value}")
    dovecot.fill(user, [LETTER])
    port = dovecot.imaps_port if encryption is Encryption.TLS else dovecot.imap_port
    endpoint = Endpoint("imap", "localhost", port, encryption)
    with watched() as notebook:
        login = Login(user.address, Secret(user.password))
        source = await open_source(endpoint, login, egress=EGRESS, tls=Trust(ca.ca_file))
    inbox = RemoteFolderId("INBOX")
    batch = await source.changes(inbox, None)
    assert [one async for one in source.fetch(inbox, [batch.arrivals[0].id])]
    await source.close()
    assert [code for code, _ in notebook.events] == ["connected", "logged-in"]
    connected, logged_in = (facts for _, facts in notebook.events)
    assert str(connected["tls"]).startswith("TLSv1.")
    assert "not_after" in connected
    assert logged_in["mechanism"]
    assert any("FETCH" in line for line in notebook.lines)
    assert any("(rest left out)" in line for line in notebook.lines)
    for secret in (user.password, "Kontonummer", "vertraulich"):
        assert secret not in notebook.text


async def test_a_submission_is_told_without_its_message(mta: Mta, dovecot: Dovecot, ca: CertificateAuthority) -> None:
    user = dovecot.user("watched-sender")
    endpoint = Endpoint("smtp", "localhost", mta.tls_port, Encryption.TLS)
    with watched() as notebook:
        login = Login(user.address, Secret(user.password))
        sender = await smtp.open_sender(
            endpoint, login, egress=EGRESS, tls=Trust(ca.ca_file), local_hostname="localhost"
        )

    async def started() -> None:
        pass

    await sender.send(Envelope(user.address, (user.address,)), LETTER, started)
    await sender.close()
    assert [code for code, _ in notebook.events] == ["connected", "logged-in"]
    assert any("bytes of message" in line or "BDAT" in line for line in notebook.lines)
    for secret in (user.password, "Kontonummer", "vertraulich"):
        assert secret not in notebook.text


async def test_nobody_is_told_where_nobody_watches(dovecot: Dovecot, ca: CertificateAuthority) -> None:
    with watched() as notebook:
        pass
    user = dovecot.user("unwatched")
    endpoint = Endpoint("imap", "localhost", dovecot.imaps_port, Encryption.TLS)
    login = Login(user.address, Secret(user.password))
    source = await open_source(endpoint, login, egress=EGRESS, tls=Trust(ca.ca_file))
    await source.close()
    assert (notebook.events, notebook.lines) == ([], [])
