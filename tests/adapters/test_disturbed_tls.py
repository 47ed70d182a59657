"""A line that is disturbed right behind the handshake: trouble with a code, never a surprise."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from poststelle.adapters.connection import Trust
from poststelle.adapters.opening import open_connection
from poststelle.errors import TryAgain
from poststelle.mail.settings import Encryption, Endpoint
from tests.adapters.dialects import EGRESS, serving
from tests.servers.ca import CertificateAuthority

RECORD_OF_NOBODY = b"\x17\x03\x03\x00\x20" + bytes(32)


@asynccontextmanager
async def disturbed(context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a server whose part of the handshake is whole, with a record behind it that was never encrypted."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(came, goes, server_side=True)
        came.write(await reader.read(65536))
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        writer.write(goes.read() + RECORD_OF_NOBODY)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_record_disturbed_right_behind_the_handshake_is_a_failed_connection(ca: CertificateAuthority) -> None:
    async with disturbed(serving(ca.good())) as port:
        endpoint = Endpoint("imap", "localhost", port, Encryption.TLS)
        with pytest.raises(TryAgain) as caught:
            await open_connection(endpoint, egress=EGRESS, tls=Trust(ca.ca_file).towards(endpoint))
    assert caught.value.code == "tls-failed"
