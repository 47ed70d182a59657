"""The IMAP adapter against a real Dovecot: what a mailbox holds arrives as it is, and what is done to it there is seen."""

from __future__ import annotations

import asyncio
import hashlib
import imaplib
from collections.abc import AsyncIterator, Iterator

import pytest

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap.changes import Mark
from poststelle.adapters.imap.source import ImapSource, open_source
from poststelle.errors import CursorLost, FolderMissing, LoginRejected
from poststelle.mail.ports import (
    Append,
    Arrival,
    Batch,
    ChangeFlags,
    Cursor,
    RawMessage,
    RemoteFolderId,
    RemoteId,
    Role,
    Unfetchable,
)
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User

pytestmark = pytest.mark.servers

EGRESS = EgressPolicy.of("127.0.0.0/8")
INBOX = RemoteFolderId("INBOX")
STRANGE_NAMES = {
    "Entwürfe & Söhne": b"Entw&APw-rfe &- S&APY-hne",
    'Akte "Müller"': b'Akte "M&APw-ller"',
    "Grüße 😀": b"Gr&APwA3w-e &2D3eAA-",
    "R\\u00fcck": b"R\\u00fcck",
    "50% (alt) {3}": b"50% (alt) {3}",
}


@pytest.fixture(params=["condstore", "poor"])
def server(request: pytest.FixtureRequest, dovecot: Dovecot, poor_dovecot: Dovecot) -> Dovecot:
    return dovecot if request.param == "condstore" else poor_dovecot


_users = iter(range(1_000_000))


@pytest.fixture
def user(server: Dovecot) -> User:
    return server.user(f"adapter-{next(_users)}")


def login_of(user: User, mechanism: Mechanism = Mechanism.AUTO) -> Login:
    return Login(user.address, Secret(user.password), mechanism)


async def opened(server: Dovecot, user: User, ca: CertificateAuthority) -> ImapSource:
    endpoint = Endpoint("imap", "localhost", server.imaps_port, Encryption.TLS)
    return await open_source(endpoint, login_of(user), egress=EGRESS, tls=Trust(ca.ca_file))


@pytest.fixture
async def source(server: Dovecot, user: User, ca: CertificateAuthority) -> AsyncIterator[ImapSource]:
    made = await opened(server, user, ca)
    yield made
    await made.close()


@pytest.fixture
def other(server: Dovecot, user: User) -> Iterator[imaplib.IMAP4]:
    """Another mail program working on the same mailbox."""
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    client.login(user.address, user.password)
    client.select("INBOX")
    yield client
    client.logout()


def mail(number: int, body: bytes = b"Guten Tag\r\n") -> bytes:
    return b"Message-ID: <%d@example.test>\r\nSubject: Nr. %d\r\nFrom: a@example.test\r\n\r\n%s" % (
        number,
        number,
        body,
    )


def put(client: imaplib.IMAP4, raw: bytes, folder: str = "INBOX") -> None:
    status, _ = client.append(folder, "", "", raw)
    assert status == "OK"


async def whole_round(source: ImapSource, since: Cursor | None, folder: RemoteFolderId = INBOX) -> list[Batch]:
    batches = [await source.changes(folder, since)]
    while batches[-1].more:
        batches.append(await source.changes(folder, batches[-1].cursor))
    return batches


async def bodies(source: ImapSource, ids: list[RemoteId], folder: RemoteFolderId = INBOX) -> dict[RemoteId, bytes]:
    found = {}
    async for one in source.fetch(folder, ids):
        assert isinstance(one, RawMessage)
        found[one.id] = bytes(one.raw)
    return found


def arrivals(batches: list[Batch]) -> list[Arrival]:
    return [arrival for batch in batches for arrival in batch.arrivals]


async def test_one_list_says_of_every_folder_whether_anything_has_happened_in_it(
    dovecot: Dovecot, ca: CertificateAuthority
) -> None:
    source = await opened(dovecot, dovecot.user("adapter-quiet"), ca)
    folders = [folder.id for folder in await source.folders()]
    cursors = {folder: (await whole_round(source, None, folder))[-1].cursor for folder in folders}
    await source.folders()
    assert [folder for folder in folders if not source.is_current(folder, cursors[folder])] == []
    assert not source.is_current(INBOX, cursors[INBOX]), "it was true a moment ago, and stands for one look"
    await source.perform(Append(INBOX, mail(1), frozenset(), ""))
    await source.folders()
    assert [folder for folder in folders if not source.is_current(folder, cursors[folder])] == [INBOX]
    await source.close()


@pytest.mark.parametrize("mechanism", [Mechanism.AUTO, Mechanism.PLAIN, Mechanism.LOGIN])
@pytest.mark.parametrize("encryption", list(Encryption))
async def test_every_log_in_over_every_encryption(
    dovecot: Dovecot, ca: CertificateAuthority, encryption: Encryption, mechanism: Mechanism
) -> None:
    user = dovecot.user("adapter-login")
    port = dovecot.imaps_port if encryption is Encryption.TLS else dovecot.imap_port
    source = await open_source(
        Endpoint("imap", "localhost", port, encryption),
        login_of(user, mechanism),
        egress=EGRESS,
        tls=Trust(ca.ca_file),
    )
    assert {folder.role for folder in await source.folders()} >= {Role.INBOX, Role.SENT, Role.DRAFTS}
    await source.close()


async def test_a_wrong_password_is_rejected_and_never_repeated_in_the_answer(
    dovecot: Dovecot, ca: CertificateAuthority
) -> None:
    user = dovecot.user("adapter-wrong")
    with pytest.raises(LoginRejected) as caught:
        await open_source(
            Endpoint("imap", "localhost", dovecot.imaps_port, Encryption.TLS),
            Login(user.address, Secret("ganz falsch"), Mechanism.AUTO),
            egress=EGRESS,
            tls=Trust(ca.ca_file),
        )
    assert caught.value.code == "login-rejected"
    assert "ganz falsch" not in str(caught.value)


async def test_folders_with_strange_names_are_listed_and_work(source: ImapSource, other: imaplib.IMAP4) -> None:
    for number, encoded in enumerate(STRANGE_NAMES.values()):
        quoted = '"' + encoded.decode().replace("\\", "\\\\").replace('"', '\\"') + '"'
        assert other.create(quoted)[0] == "OK"
        put(other, mail(number), quoted)
    listed = {folder.path[-1]: folder for folder in await source.folders()}
    for name, encoded in STRANGE_NAMES.items():
        folder = listed[name]
        assert folder.id == encoded.decode()
        found = arrivals(await whole_round(source, None, folder.id))
        assert len(found) == 1
        assert await bodies(source, [found[0].id], folder.id)


async def test_nested_folders_have_a_path(source: ImapSource, other: imaplib.IMAP4) -> None:
    other.create('"Kunden/Nord/Meier"')
    paths = {folder.path for folder in await source.folders()}
    assert ("Kunden", "Nord", "Meier") in paths
    assert ("INBOX",) in paths


async def test_a_folder_that_is_not_there_is_missing(source: ImapSource) -> None:
    with pytest.raises(FolderMissing):
        await source.changes(RemoteFolderId("Nirgends"), None)


async def test_bytes_arrive_identical_also_when_there_are_many_of_them(
    source: ImapSource, other: imaplib.IMAP4
) -> None:
    nasty = [
        mail(1, b") {5}\r\nP1 OK done\r\n* 3 EXPUNGE\r\n"),
        mail(2, bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"),
        mail(3, b"x" * 300_000 + b"\r\n"),
        mail(4, b""),
        mail(5, b"Zeile\r\n" * 1_500_000),
    ]
    for raw in nasty:
        put(other, raw)
    found = arrivals(await whole_round(source, None))
    assert [arrival.size for arrival in reversed(found)] == [len(raw) for raw in nasty]
    fetched = await bodies(source, [arrival.id for arrival in found])
    held = [hashlib.sha256(fetched[arrival.id]).digest() for arrival in reversed(found)]
    assert held == [hashlib.sha256(raw).digest() for raw in nasty]


async def test_newest_mail_comes_first_and_little_of_it(source: ImapSource, other: imaplib.IMAP4) -> None:
    for number in range(130):
        put(other, mail(number))
    batches = await whole_round(source, None)
    assert len(batches[0].arrivals) == 50
    assert [batch.remaining for batch in batches] == [80, 0]
    assert [Mark.of(batch.cursor).reported for batch in batches] == [((81, 130),), ((1, 130),)]
    assert not arrivals(await whole_round(source, batches[-1].cursor))
    uids = [int(arrival.id.partition(".")[2]) for arrival in arrivals(batches)]
    assert uids == sorted(uids, reverse=True)
    assert len(set(uids)) == 130


async def test_batches_stay_small_whatever_messages_weigh(source: ImapSource, other: imaplib.IMAP4) -> None:
    for number in range(8):
        put(other, mail(number, b"0123456789abcde\r\n" * 80_000))
    batches = await whole_round(source, None)
    assert len(arrivals(batches)) == 8
    assert all(sum(arrival.size for arrival in batch.arrivals) <= 8 * 1024 * 1024 for batch in batches)


async def test_nothing_changed_is_said_without_looking_twice(source: ImapSource, other: imaplib.IMAP4) -> None:
    put(other, mail(1))
    settled = (await whole_round(source, None))[-1].cursor
    settled = (await whole_round(source, settled))[-1].cursor
    await source.folders()
    batch = await source.changes(INBOX, settled)
    assert batch == Batch(settled)


async def test_new_mail_flags_and_removals_are_reported(source: ImapSource, other: imaplib.IMAP4) -> None:
    for number in range(5):
        put(other, mail(number))
    first = await whole_round(source, None)
    ids = [arrival.id for arrival in reversed(arrivals(first))]
    other.store("2", "+FLAGS", r"(\Seen $Wichtig)")
    other.store("4", "+FLAGS", r"(\Deleted)")
    other.expunge()
    put(other, mail(99))
    second = await whole_round(source, first[-1].cursor)
    new = arrivals(second)
    assert len(new) == 1
    flags = {change.id: change.flags for batch in second for change in batch.flags}
    assert flags[ids[1]] == {"\\Seen", "$Wichtig"}
    left = {message for batch in second for message in batch.gone}
    assert second[-1].census == {*(ids[:3] + ids[4:]), new[0].id} or left == {ids[3]}
    third = await whole_round(source, second[-1].cursor)
    assert not arrivals(third)
    assert (third[-1].census, third[-1].gone) == (None, ())


async def test_flags_that_are_taken_away_again_are_reported_too(source: ImapSource, other: imaplib.IMAP4) -> None:
    put(other, mail(1))
    other.store("1", "+FLAGS", r"(\Flagged)")
    cursor = (await whole_round(source, None))[-1].cursor
    cursor = (await whole_round(source, cursor))[-1].cursor
    other.store("1", "-FLAGS", r"(\Flagged)")
    batches = await whole_round(source, cursor)
    assert [change.flags for batch in batches for change in batch.flags] == [frozenset()]


async def test_an_interrupted_first_sync_goes_on_where_it_stopped(
    source: ImapSource, other: imaplib.IMAP4, server: Dovecot, user: User, ca: CertificateAuthority
) -> None:
    for number in range(120):
        put(other, mail(number))
    first = await source.changes(INBOX, None)
    for number in range(120, 180):
        put(other, mail(number))
    other.store("75", "+FLAGS", r"(\Seen)")
    again = await opened(server, user, ca)
    newer = await again.changes(INBOX, first.cursor)
    await again.close()
    last = await opened(server, user, ca)
    rest = await whole_round(last, newer.cursor)
    await last.close()
    reported = arrivals([first, newer, *rest])
    assert len(newer.arrivals) == 50
    assert len(reported) == len({arrival.id for arrival in reported}) == 180
    uid_75 = next(arrival.id for arrival in reported if arrival.id.endswith(".75"))
    assert frozenset({"\\Seen"}) in [change.flags for batch in rest for change in batch.flags if change.id == uid_75]
    assert Mark.of(rest[-1].cursor).reported == ((1, 180),)


async def test_messages_that_left_meanwhile_are_gone_and_no_defect(source: ImapSource, other: imaplib.IMAP4) -> None:
    for number in range(3):
        put(other, mail(number))
    ids = [arrival.id for arrival in arrivals(await whole_round(source, None))]
    other.store("2", "+FLAGS", r"(\Deleted)")
    other.expunge()
    found = [one async for one in source.fetch(INBOX, ids)]
    assert {one.id for one in found} == set(ids)
    assert [(one.id, one.gone) for one in found if isinstance(one, Unfetchable)] == [(ids[1], True)]


async def test_a_folder_made_anew_under_its_old_name_loses_the_cursor(source: ImapSource, other: imaplib.IMAP4) -> None:
    other.create("Akte")
    put(other, mail(1), "Akte")
    folder = RemoteFolderId("Akte")
    batches = await whole_round(source, None, folder)
    other.delete("Akte")
    await asyncio.sleep(1.1)
    other.create("Akte")
    with pytest.raises(CursorLost):
        await source.changes(folder, batches[-1].cursor)


async def test_flags_set_here_are_set_there(source: ImapSource, other: imaplib.IMAP4) -> None:
    put(other, mail(1))
    message = arrivals(await whole_round(source, None))[0].id
    errand = ChangeFlags(INBOX, (message,), add=frozenset({"\\Seen", "\\Flagged"}))
    assert not (await source.perform(errand)).gone
    assert not (await source.perform(errand)).gone
    assert not (await source.perform(ChangeFlags(INBOX, (message,), remove=frozenset({"\\Flagged"})))).gone
    other.noop()
    assert b"\\Seen" in other.fetch("1", "(FLAGS)")[1][0]
    assert b"\\Flagged" not in other.fetch("1", "(FLAGS)")[1][0]
    other.store("1", "+FLAGS", r"(\Deleted)")
    other.expunge()
    assert (await source.perform(errand)).gone == {message}


async def test_reading_marks_nothing_as_read(source: ImapSource, other: imaplib.IMAP4) -> None:
    put(other, mail(1))
    ids = [arrival.id for arrival in arrivals(await whole_round(source, None))]
    await bodies(source, ids)
    other.noop()
    assert b"\\Seen" not in other.fetch("1", "(FLAGS)")[1][0]


async def test_a_copy_is_appended_once_and_unchanged(source: ImapSource) -> None:
    raw = mail(7, "Grüße\r\n".encode() * 1000)
    errand = Append(RemoteFolderId("Sent"), raw, frozenset({"\\Seen"}), "<7@example.test>")
    assert not (await source.perform(errand)).gone
    assert not (await source.perform(errand)).gone
    found = arrivals(await whole_round(source, None, RemoteFolderId("Sent")))
    assert [arrival.flags for arrival in found] == [{"\\Seen"}]
    assert await bodies(source, [found[0].id], RemoteFolderId("Sent")) == {found[0].id: raw}


async def test_appending_to_a_folder_that_is_not_there_is_folder_missing(source: ImapSource) -> None:
    with pytest.raises(FolderMissing):
        await source.perform(Append(RemoteFolderId("Weg"), mail(1), frozenset(), "<1@example.test>"))


async def test_waiting_ends_when_mail_comes(server: Dovecot, user: User, source: ImapSource) -> None:
    await asyncio.to_thread(server.deliver, user, mail(0))
    await whole_round(source, None)
    while await source.wait(INBOX, 1.2) != frozenset():
        pass  # the other folders of a new mailbox are made by the first who looks, which wakes as well
    waiting = asyncio.create_task(source.wait(INBOX, 20))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(server.deliver, user, mail(1))
    assert await waiting == {INBOX}
    assert await source.wait(INBOX, 0.3) == frozenset()


async def test_mail_that_came_between_sync_and_waiting_is_not_slept_over(
    source: ImapSource, other: imaplib.IMAP4
) -> None:
    await whole_round(source, None)
    put(other, mail(1))
    assert await source.wait(INBOX, 20) == {INBOX}


async def test_waiting_that_is_cancelled_leaves_the_mailbox_usable(source: ImapSource, other: imaplib.IMAP4) -> None:
    await whole_round(source, None)
    await source.wait(INBOX, 0.1)
    waiting = asyncio.create_task(source.wait(INBOX, 60))
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    put(other, mail(1))
    assert len(arrivals(await whole_round(source, None))) == 1


@pytest.mark.parametrize("milliseconds", [0, 0.2, 0.5, 1, 2, 4, 8])
async def test_waiting_may_be_cancelled_at_any_moment_of_its_beginning(source: ImapSource, milliseconds: float) -> None:
    await whole_round(source, None)
    for _ in range(5):
        waiting = asyncio.create_task(source.wait(INBOX, 60))
        await asyncio.sleep(milliseconds / 1000)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await source.folders()


async def test_a_message_of_sixty_megabytes_goes_up_and_comes_back(source: ImapSource) -> None:
    raw = mail(60, b"0123456789abcdefghijklmnopqrstuvwxyz\r\n" * 1_600_000)
    sent = RemoteFolderId("Sent")
    await source.perform(Append(sent, raw, frozenset(), "<60@example.test>"))
    found = arrivals(await whole_round(source, None, sent))
    assert [arrival.size for arrival in found] == [len(raw)]
    fetched = await bodies(source, [found[0].id], sent)
    assert hashlib.sha256(fetched[found[0].id]).digest() == hashlib.sha256(raw).digest()
