"""The first moments of a connection, the same for IMAP, POP3 and SMTP: opened, encrypted if that comes first, recognised.

Law: a port that speaks another protocol, or waits for TLS, is told apart from a silent one, because people mix up ports.
This module does not know what is said after the greeting.
"""

from __future__ import annotations

from poststelle.adapters.connection import CONNECT_SECONDS, UNVERIFIED, EgressPolicy, Tls
from poststelle.adapters.stream import Connection, protocol_of
from poststelle.errors import CertificateRejected, NeedsAttention, ProtocolViolation, Trouble, TryAgain
from poststelle.mail.settings import Encryption, Endpoint


async def open_connection(
    endpoint: Endpoint, *, egress: EgressPolicy, tls: Tls, timeout: float = CONNECT_SECONDS
) -> Connection:
    """A connection to the server, with TLS if the endpoint has it from the first byte.

    Raises as `Connection.open` and `start_tls` do; nothing stays open then.
    """
    connection = await Connection.open(endpoint.host, endpoint.port, egress=egress, timeout=timeout)
    if endpoint.encryption is Encryption.TLS:
        try:
            await start_tls(connection, tls, timeout)
        except BaseException:
            await connection.close()
            raise
    return connection


async def start_tls(connection: Connection, tls: Tls, timeout: float = CONNECT_SECONDS, *, after: str = "") -> None:
    """TLS from here on; `after`: the protocol (as in `protocol_of`) whose STARTTLS came before.

    Raises as `Connection.start_tls` does. A CertificateRejected tells what the certificate says; plain bytes that come after
    STARTTLS was agreed on are ProtocolViolation("starttls-injection").
    """
    try:
        await connection.start_tls(tls, timeout)
    except CertificateRejected as rejected:
        if "fingerprint" not in rejected.facts:
            host, port = connection.host, connection.port
            shown = await look_at_certificate(host, port, egress=connection.egress, starttls=after)
            rejected.facts.update(shown)
        raise
    except NeedsAttention as plain:
        if after and plain.code == "tls-on-plain-port":
            raise ProtocolViolation("starttls-injection", host=connection.host, port=connection.port) from plain
        raise
    if after and connection.unread:
        raise ProtocolViolation("starttls-injection", host=connection.host, port=connection.port)
    connection.witness.met("connected", host=connection.host, port=connection.port, **connection.tls_facts())


_STARTTLS: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "imap": ((b"", b"* "), (b"A STARTTLS\r\n", b"A ")),
    "pop3": ((b"", b"+OK"), (b"STLS\r\n", b"+OK")),
    "smtp": ((b"", b"220 "), (b"EHLO localhost\r\n", b"250 "), (b"STARTTLS\r\n", b"220 ")),
}
"""What to say, and how the line begins to wait for, until the handshake may begin."""


async def look_at_certificate(host: str, port: int, *, egress: EgressPolicy, starttls: str = "") -> dict[str, object]:
    """What the certificate of a server says, unverified and only to be shown; empty if it cannot be had.

    `starttls`: the protocol in which to ask for TLS first.
    """
    try:
        connection = await Connection.open(host, port, egress=egress, timeout=5)
        try:
            for said, awaited in _STARTTLS.get(starttls, ()):
                await connection.write(said, 5)
                for _ in range(100):
                    if (await connection.readline(4096, 5)).startswith(awaited):
                        break
            await connection.start_tls(UNVERIFIED, timeout=5)
            return connection.tls_facts()
        finally:
            await connection.close()
    except Trouble:
        return {}


async def await_greeting(connection: Connection, protocol: str, timeout: float) -> None:
    """Wait until a server of this protocol (as in `protocol_of`) has begun to speak; nothing is taken from the connection.

    Raises NeedsAttention("plain-on-tls-port", "wrong-protocol") and TryAgain("greeting-timeout", "connection-lost").
    """
    host, port = connection.host, connection.port
    try:
        start = await connection.peek(4, timeout)
    except TryAgain as trouble:
        if trouble.code != "read-timeout":
            raise
        if not connection.encrypted and await connection.answers_tls():
            raise NeedsAttention("plain-on-tls-port", host=host, port=port) from trouble
        raise TryAgain("greeting-timeout", host=host, port=port) from trouble
    spoken = protocol_of(start)
    if spoken == "tls":
        raise NeedsAttention("plain-on-tls-port", host=host, port=port)
    if spoken != protocol:
        raise NeedsAttention("wrong-protocol", host=host, port=port, expected=protocol, got=spoken)
