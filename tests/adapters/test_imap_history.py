"""Whatever happens in a mailbox, and wherever we are interrupted, following the cursor ends at what the server holds."""

from __future__ import annotations

import asyncio
import imaplib
import random
import re

import pytest

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap.source import ImapSource, open_source
from poststelle.mail.ports import Batch, Cursor, RemoteFolderId, RemoteId, flags_of
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User

pytestmark = pytest.mark.servers

INBOX = RemoteFolderId("INBOX")
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "$Label1"]


class Copy:
    """What somebody knows who believes every batch, and keeps its cursor with it."""

    def __init__(self) -> None:
        self.cursor: Cursor | None = None
        self.held: dict[RemoteId, frozenset[str]] = {}

    def believe(self, batch: Batch) -> None:
        self.held.update((arrival.id, arrival.told) for arrival in batch.arrivals)
        self.held.update((change.id, change.flags) for change in batch.flags if change.id in self.held)
        for left in batch.gone:
            self.held.pop(left, None)
        if batch.census is not None:
            self.held = {message: flags for message, flags in self.held.items() if message in batch.census}
        self.cursor = batch.cursor


def happen(chance: random.Random, client: imaplib.IMAP4, number: int) -> None:
    """Something the user's other mail program does."""
    count = int(client.select("INBOX")[1][0] or b"0")
    what = chance.choice(["arrive", "arrive", "flag", "flag", "unflag", "leave"])
    if what == "arrive" or not count:
        for one in range(chance.choice([1, 3, 90])):
            client.append("INBOX", "", "", b"Message-ID: <%d.%d@x.test>\r\n\r\nText\r\n" % (number, one))
        return
    first = chance.randint(1, count)
    chosen = f"{first}:{min(count, first + chance.choice([0, 2, 40]))}"
    if what == "leave":
        client.store(chosen, "+FLAGS", "(\\Deleted)")
        client.expunge()
    else:
        client.store(chosen, "+FLAGS" if what == "flag" else "-FLAGS", f"({chance.choice(FLAGS)})")


def truth(client: imaplib.IMAP4) -> dict[str, frozenset[str]]:
    client.select("INBOX")
    found = {}
    for line in client.uid("FETCH", "1:*", "(UID FLAGS)")[1]:
        match = re.search(rb"UID (\d+) FLAGS \(([^)]*)\)", line) if line else None
        if match:
            found[match[1].decode()] = flags_of(match[2].decode().split())
    return found


async def opened(server: Dovecot, user: User, ca: CertificateAuthority) -> ImapSource:
    return await open_source(
        Endpoint("imap", "localhost", server.imaps_port, Encryption.TLS),
        Login(user.address, Secret(user.password)),
        egress=EgressPolicy.of("127.0.0.0/8"),
        tls=Trust(ca.ca_file),
    )


@pytest.mark.parametrize("seed", [0, 1, 22, 32])
@pytest.mark.parametrize("condstore", [True, False])
async def test_following_the_cursor_ends_at_what_the_server_holds(
    dovecot: Dovecot, poor_dovecot: Dovecot, ca: CertificateAuthority, seed: int, condstore: bool
) -> None:
    server = dovecot if condstore else poor_dovecot
    chance = random.Random(seed)
    user = server.user(f"history-{seed}")
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(user.address, user.password)
    copy, source = Copy(), await opened(server, user, ca)
    for number in range(25):
        await asyncio.to_thread(happen, chance, client, number)
        for _ in range(chance.randint(0, 3)):
            batch = await source.changes(INBOX, copy.cursor)
            if chance.random() < 0.8:
                copy.believe(batch)
        if chance.random() < 0.3:
            await source.close()
            source = await opened(server, user, ca)
            if chance.random() < 0.5:
                await source.folders()
        if chance.random() < 0.2:
            await source.wait(INBOX, 0.05)
    # What happened during an unfinished round is reported by the next one.
    finished = 0
    while finished < 2:
        batch = await source.changes(INBOX, copy.cursor)
        copy.believe(batch)
        finished += not batch.more
    assert {message.partition(".")[2]: flags for message, flags in copy.held.items()} == truth(client)
    await source.close()
    client.logout()
