"""What a rich server (Dovecot with rights, quota, compression and shared folders) lets the IMAP adapter do better."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
from collections.abc import AsyncIterator, Iterator

import pytest

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap.source import ImapSource, open_source
from poststelle.errors import TryAgain
from poststelle.mail.ports import (
    Append,
    Batch,
    CreateFolder,
    Cursor,
    Move,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    Role,
)
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User

pytestmark = pytest.mark.servers

INBOX = RemoteFolderId("INBOX")
_users = iter(range(1_000_000))


@pytest.fixture(scope="module")
def rich(ca: CertificateAuthority) -> Iterator[Dovecot]:
    server = Dovecot(ca.good(), plugins=True)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def plain(ca: CertificateAuthority) -> Iterator[Dovecot]:
    server = Dovecot(ca.good(), without=("MOVE", "QRESYNC", "CONDSTORE", "NOTIFY"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def below_inbox(ca: CertificateAuthority) -> Iterator[Dovecot]:
    server = Dovecot(ca.good(), below_inbox=True)
    yield server
    server.stop()


@pytest.fixture
def user(rich: Dovecot) -> User:
    return rich.user(f"reich-{next(_users)}")


@pytest.fixture
def other(rich: Dovecot, user: User) -> Iterator[imaplib.IMAP4]:
    """Another mail program working on the same mailbox."""
    client = client_of(rich, user)
    client.select("INBOX")
    yield client
    client.logout()


@pytest.fixture
async def source(rich: Dovecot, user: User, ca: CertificateAuthority) -> AsyncIterator[ImapSource]:
    made = await opened(rich, user, ca)
    yield made
    await made.close()


def client_of(server: Dovecot, user: User) -> imaplib.IMAP4:
    client = imaplib.IMAP4(server.host, server.imap_port, timeout=30)
    client.login(user.address, user.password)
    return client


async def opened(
    server: Dovecot,
    user: User,
    ca: CertificateAuthority,
    *,
    bulk: bool = False,
    inbox_is_root: bool = False,
    port: int | None = None,
) -> ImapSource:
    """A session over TLS, or a plain one over another port."""
    encryption = Encryption.NONE if port else Encryption.TLS
    return await open_source(
        Endpoint("imap", "localhost", port or server.imaps_port, encryption),
        Login(user.address, Secret(user.password)),
        egress=EgressPolicy.of("127.0.0.0/8"),
        tls=Trust(ca.ca_file),
        bulk=bulk,
        inbox_is_root=inbox_is_root,
    )


def put(client: imaplib.IMAP4, *numbers: int, folder: str = "INBOX") -> None:
    for number in numbers:
        raw = b"Message-ID: <%d@example.test>\r\nSubject: Nr. %d\r\n\r\nGuten Tag\r\n" % (number, number)
        assert client.append(folder, "", "", raw)[0] == "OK"


async def whole_round(source: ImapSource, since: Cursor | None, folder: RemoteFolderId = INBOX) -> list[Batch]:
    batches = [await source.changes(folder, since)]
    while batches[-1].more:
        batches.append(await source.changes(folder, batches[-1].cursor))
    return batches


async def folder_at(source: ImapSource, *path: str) -> RemoteFolder:
    return next(folder for folder in await source.folders() if folder.path == path)


async def test_what_left_is_named_instead_of_counted(source: ImapSource, other: imaplib.IMAP4) -> None:
    put(other, *range(8))
    first = (await whole_round(source, None))[-1]
    other.store("2,4:5", "+FLAGS", r"(\Deleted)")
    other.expunge()
    put(other, 99)
    (batch,) = await whole_round(source, first.cursor)
    assert [message.partition(".")[2] for message in batch.gone] == ["2", "4", "5"]
    assert batch.census is None
    (quiet,) = await whole_round(source, batch.cursor)
    assert not quiet.gone
    assert quiet.census is None


async def test_what_left_in_the_middle_of_a_first_round_is_named_by_the_next(
    source: ImapSource, other: imaplib.IMAP4
) -> None:
    put(other, *range(120))
    first = await source.changes(INBOX, None)
    other.store("118:119", "+FLAGS", r"(\Deleted)")
    other.expunge()
    rest = await whole_round(source, first.cursor)
    (batch,) = await whole_round(source, rest[-1].cursor)
    reported = {arrival.id for one in (first, *rest) for arrival in one.arrivals}
    assert {message.partition(".")[2] for message in batch.gone} == {"118", "119"}
    assert set(batch.gone) <= reported


@contextlib.asynccontextmanager
async def relayed(port: int, *, cut_at: bytes = b"", after: int = 0) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port that leads to this one, and what went through it to the server, a piece for each time something was said.

    `cut_at`: when this word is said, the line is cut: so many pieces later, the server having carried out what it heard.
    """
    said: list[bytes] = []
    tasks: list[asyncio.Task[None]] = []
    ends: list[asyncio.StreamWriter] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[bytes]) -> None:
        while data := await reader.read(65536):
            heard.append(data)
            writer.write(data)
            said_at = next((number for number, piece in enumerate(said) if cut_at and cut_at in piece), None)
            if said_at is not None and len(said) > said_at + after:
                await asyncio.sleep(0.05)
                for end in ends:
                    end.transport.abort()
                return

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        ends.extend((writer, far_writer))
        tasks.append(asyncio.create_task(pass_on(reader, far_writer, said)))
        tasks.append(asyncio.create_task(pass_on(far_reader, writer, [])))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], said
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_round_in_which_nothing_changed_is_one_question(
    rich: Dovecot, user: User, other: imaplib.IMAP4, ca: CertificateAuthority
) -> None:
    for name in ("Akten", "Ablage"):
        other.create(name)
        put(other, 1, 2, folder=name)
    put(other, 3)
    cursors: dict[RemoteFolderId, Cursor] = {}
    async with relayed(rich.imap_port) as (port, said):
        source = await opened(rich, user, ca, port=port)
        for _ in range(2):
            for folder in await source.folders():
                cursors[folder.id] = (await whole_round(source, cursors.get(folder.id), folder.id))[-1].cursor
        await source.wait(INBOX, 0.1)
        said.clear()
        for folder in await source.folders():
            if folder.selectable:
                assert await source.changes(folder.id, cursors[folder.id]) == Batch(cursors[folder.id])
        assert len(said) == 1, said
        await source.close()


async def test_waiting_at_the_inbox_notices_other_folders(source: ImapSource, other: imaplib.IMAP4) -> None:
    other.create("Akten")
    files = (await folder_at(source, "Akten")).id
    for folder in (INBOX, files):
        await whole_round(source, None, folder)
    assert await source.wait(INBOX, 0.3) == frozenset()
    waiting = asyncio.create_task(source.wait(INBOX, 20))
    await asyncio.sleep(0.3)
    put(other, 1, folder="Akten")
    assert await waiting == {files}
    (batch,) = await whole_round(source, None, files)
    assert len(batch.arrivals) == 1
    assert await source.wait(INBOX, 0.3) == frozenset()
    waiting = asyncio.create_task(source.wait(INBOX, 20))
    await asyncio.sleep(0.3)
    put(other, 2)
    assert await waiting == {INBOX}


async def test_a_folder_made_elsewhere_wakes_as_well(source: ImapSource, other: imaplib.IMAP4) -> None:
    await whole_round(source, None)
    await source.wait(INBOX, 0.1)
    waiting = asyncio.create_task(source.wait(INBOX, 20))
    await asyncio.sleep(0.3)
    other.create("Neu")
    assert await waiting is None
    assert ("Neu",) in [folder.path for folder in await source.folders()]
    assert await source.wait(INBOX, 0.3) == frozenset()


async def test_what_changed_in_another_folder_before_the_waiting_wakes_too(
    source: ImapSource, other: imaplib.IMAP4
) -> None:
    other.create("Akten")
    files = (await folder_at(source, "Akten")).id
    for folder in (INBOX, files):
        await whole_round(source, None, folder)
    put(other, 1, folder="Akten")
    assert await source.wait(INBOX, 20) == {files}


async def test_a_bulk_session_is_compressed(
    rich: Dovecot, user: User, other: imaplib.IMAP4, ca: CertificateAuthority
) -> None:
    body = b"Message-ID: <gross@example.test>\r\n\r\n" + b"Immer dieselbe Zeile.\r\n" * 100_000
    other.append("INBOX", "", "", body)
    async with relayed(rich.imap_port) as (port, said):
        bulk = await opened(rich, user, ca, bulk=True, port=port)
        (batch,) = await whole_round(bulk, None)
        (found,) = [one async for one in bulk.fetch(INBOX, [batch.arrivals[0].id])]
        assert isinstance(found, RawMessage)
        assert found.raw == body
        await bulk.perform(Append(RemoteFolderId("Sent"), body, frozenset(), "<gross@example.test>"))
        await bulk.close()
        assert sum(map(len, said)) < len(body) // 50
    assert b"COMPRESS" in b"".join(said)
    other.select("Sent", readonly=True)
    assert other.fetch("1", "(BODY.PEEK[])")[1][0][1] == body


async def test_the_quota_tells_how_full_the_mailbox_is(source: ImapSource, other: imaplib.IMAP4) -> None:
    before = await source.quota()
    assert before is not None
    assert before.limit == 200 * 1024 * 1024
    other.append("INBOX", "", "", b"X: y\r\n\r\n" + b"x" * 300_000)
    after = await source.quota()
    assert after is not None
    assert after.used - before.used > 290_000


async def test_a_folder_somebody_shares_with_us_says_whose_it_is_and_what_we_may_do(
    rich: Dovecot, user: User, source: ImapSource, ca: CertificateAuthority
) -> None:
    owner = rich.user(f"reich-{next(_users)}")
    theirs = client_of(rich, owner)
    theirs.create("Fristen")
    put(theirs, 1, folder="Fristen")
    theirs.setacl("Fristen", user.address, "lrs")
    theirs.logout()
    shared = await folder_at(source, "shared", owner.address, "Fristen")
    assert shared.owner == owner.address
    assert shared.rights is not None
    assert set(shared.rights) == set("lrs")
    assert len(await source.census(shared.id)) == 1
    ours = await folder_at(source, "INBOX")
    assert (ours.owner, ours.role) == ("", Role.INBOX)


@pytest.mark.parametrize("after", range(6))
async def test_a_move_without_move_may_be_cut_off_anywhere_and_is_still_one_move(
    plain: Dovecot, ca: CertificateAuthority, after: int
) -> None:
    user = plain.user(f"schlicht-{next(_users)}")
    client = client_of(plain, user)
    client.create("Akten")
    put(client, 1, 2, 3)
    async with relayed(plain.imap_port, cut_at=b"UID COPY", after=after) as (port, said):
        source = await opened(plain, user, ca, port=port)
        (batch,) = await whole_round(source, None)
        errand = Move(INBOX, tuple(arrival.id for arrival in batch.arrivals), RemoteFolderId("Akten"))
        with contextlib.suppress(TryAgain):
            await source.perform(errand)
        await source.close()
    assert any(b"UID COPY" in piece for piece in said)
    source = await opened(plain, user, ca)
    await source.perform(errand)
    assert len(await source.census(RemoteFolderId("Akten"))) == 3
    assert not await source.census(INBOX)
    await source.close()
    client.logout()


@pytest.mark.parametrize(("inbox_is_root", "shown"), [(True, ("Akten",)), (False, ("INBOX", "Akten"))])
async def test_folders_below_the_inbox_are_made_there_and_shown_as_wished(
    below_inbox: Dovecot, ca: CertificateAuthority, inbox_is_root: bool, shown: tuple[str, ...]
) -> None:
    user = below_inbox.user(f"unter-{next(_users)}")
    source = await opened(below_inbox, user, ca, inbox_is_root=inbox_is_root)
    made = await source.perform(CreateFolder(("Akten",)))
    again = await source.perform(CreateFolder(shown))
    assert made.folder == again.folder == "INBOX.Akten"
    listed = {folder.id: folder for folder in await source.folders()}
    assert listed[RemoteFolderId("INBOX.Akten")].path == shown
    assert listed[INBOX].role is Role.INBOX
    assert listed[RemoteFolderId("INBOX.Sent")].role is Role.SENT
    await source.close()
