"""Whole conversations with a server whose every word is told beforehand: log-in, folders, mail, errands, sending. What we say goes nowhere.

The server's words come in pieces of a size the first byte says, and then the line ends.
"""

from __future__ import annotations

import asyncio
import contextlib

from poststelle.adapters.connection import EgressPolicy
from poststelle.adapters.imap import wire
from poststelle.adapters.imap.opening import settle
from poststelle.adapters.imap.session import Session as ImapSession
from poststelle.adapters.imap.source import ImapSource
from poststelle.adapters.pop3.session import Limits as Pop3Limits
from poststelle.adapters.pop3.session import Session as Pop3Session
from poststelle.adapters.pop3.source import Pop3Source
from poststelle.adapters.smtp import SmtpSender
from poststelle.adapters.stream import Connection
from poststelle.errors import FolderMissing, MessageTrouble, TryAgain
from poststelle.mail.ports import FLAGGED, Append, ChangeFlags, CreateFolder, Delete, Envelope, Move, RemoteFolderId
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Login

_EGRESS = EgressPolicy.of("")
_LOGIN = Login("eva", Secret("geheim"))
_RAW = b"Message-ID: <1@amt.test>\r\nSubject: Hallo\r\n\r\n.Guten Tag\r\n"

IMAP_LIMITS = wire.Limits(line=4096, literal=4096, numbers=1000, folders=100, read_seconds=5)
POP3_LIMITS = Pop3Limits(line=4096, message=4096, messages=100, read_seconds=5)


class Nowhere(asyncio.Transport):
    """Takes everything and says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.said = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """There is nothing to close."""

    def pause_reading(self) -> None:
        """All has come already."""

    def resume_reading(self) -> None:
        """All has come already."""


class Line(Connection):
    """Ends when somebody waits for more than has come."""

    async def _fill(self, seconds: float) -> None:
        self.eof_received()
        await super()._fill(seconds)


def a_line(data: bytes) -> Line:
    """A line on which these bytes have come."""
    connection = Line("mail.test", 143, _EGRESS)
    connection.connection_made(Nowhere())
    connection.peer = "192.0.2.1"
    cut = data[0] + 1 if data else 1
    for start in range(0, len(data), cut):
        connection.data_received(data[start : start + cut])
    return connection


async def imap(connection: Connection) -> None:
    """First sync, daily sync and errands."""
    session = ImapSession(connection, IMAP_LIMITS)
    if not await session.greet(5):
        await session.log_in(_LOGIN, plain_text_allowed=True)
    source = ImapSource(session, quirks=await settle(session))
    folders = await source.folders()
    await source.quota()
    for folder in folders[:2]:
        with contextlib.suppress(FolderMissing):
            await _folder(source, folder.id, folders[-1].id)
    if folders:
        await source.wait(folders[0].id, 0.01)


async def _folder(source: ImapSource, folder: RemoteFolderId, target: RemoteFolderId) -> None:
    first = await source.changes(folder, None)
    ids = tuple(arrival.id for arrival in first.arrivals)
    async for _ in source.fetch(folder, ids):
        pass
    await source.changes(folder, first.cursor)
    for errand in (
        ChangeFlags(folder, ids, frozenset({FLAGGED})), Move(folder, ids[:1], target), Delete(folder, ids[1:]),
        Append(folder, _RAW, frozenset(), "<1@amt.test>"), CreateFolder(("Neu",)),
    ):  # fmt: skip
        with contextlib.suppress(MessageTrouble):
            await source.perform(errand)
    with contextlib.suppress(MessageTrouble):
        await source.search(folder, ["Grüße"], 5)


async def pop3(connection: Connection) -> None:
    """Log-in, list, and every message."""
    session = Pop3Session(connection, POP3_LIMITS)
    await session.greet(5)
    await session.log_in(_LOGIN, plain_text_allowed=True)

    async def no_other() -> Pop3Session:
        raise TryAgain("connection-lost")

    source = Pop3Source(session, no_other)
    (folder,) = await source.folders()
    batch = await source.changes(folder.id, None)
    async for _ in source.fetch(folder.id, [arrival.id for arrival in batch.arrivals]):
        pass
    await source.close()


async def smtp(connection: Connection) -> None:
    """Log-in, and two messages for two people."""
    sender = SmtpSender(connection, "amt.test")
    await sender.greet(5)
    await sender.log_in(_LOGIN, plain_text_allowed=True)
    for _ in range(2):
        begun: list[bool] = []

        async def note(begun: list[bool] = begun) -> None:
            begun.append(True)

        receipt = await sender.send(Envelope("eva@amt.test", ("a@kunde.test", "b@kunde.test")), _RAW, note)
        assert len(receipt.results) == 2
        sent = [one for one in receipt.results if one.answer.startswith("2")]
        assert not sent or (begun and b"Guten Tag" in connection._transport.said)  # type: ignore[union-attr]
    await sender.close()
