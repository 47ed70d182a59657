"""A POP3 maildrop keeps the promises of a source: nothing unreported, nothing twice, an answer for every id; on poor servers, too."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.pop3 import listing
from poststelle.adapters.pop3 import source as pop3
from poststelle.adapters.pop3.dots import Unstuffing
from poststelle.adapters.pop3.session import Limits
from poststelle.adapters.pop3.source import INBOX, Pop3Source, received_at
from poststelle.errors import (
    CursorLost,
    FolderMissing,
    LoginRejected,
    MessageTrouble,
    NeedsAttention,
    PoststelleError,
    ProtocolViolation,
    TryAgain,
)
from poststelle.mail.ports import (
    SEEN,
    Append,
    ChangeFlags,
    Copy,
    CreateFolder,
    Cursor,
    Delete,
    Errand,
    Move,
    Outcome,
    RawMessage,
    RemoteFolderId,
    RemoteId,
    Unfetchable,
)
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism
from poststelle.sync.account import sync_account
from tests.adapters.scripted_pop3 import PASSWORD, scripted_pop3, stuffed
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User
from tests.sync.memory_shelf import MemorySide

EGRESS = EgressPolicy.of("127.0.0.0/8")


def letter(number: int, *, body: str = "Guten Tag\r\n", subject: str = "") -> bytes:
    return (
        f"Received: by mx.example.test; Thu, 05 Feb 2026 10:00:{number % 60:02} +0100\r\nFrom: a@example.test\r\n"
        f"Subject: {subject or number}\r\nDate: Mon, 02 Feb 2026 08:00:00 +0000\r\n\r\n{body}"
    ).encode()


def drop(*numbers: int) -> list[tuple[str, bytes]]:
    return [(f"uid-{number}", letter(number)) for number in numbers]


class Held:
    """A reader's own side: what a source has told it so far, and the bytes it fetched."""

    def __init__(self) -> None:
        self.cursor: Cursor | None = None
        self.messages: dict[RemoteId, bytes] = {}
        self.told: list[list[RemoteId]] = []

    async def round(self, source: Pop3Source) -> None:
        """Ask until there is no more, fetching what is not held."""
        self.told = []
        while True:
            batch = await source.changes(INBOX, self.cursor)
            self.told.append([arrival.id for arrival in batch.arrivals])
            missing = [arrival.id for arrival in batch.arrivals if arrival.id not in self.messages]
            async for found in source.fetch(INBOX, missing):
                if isinstance(found, RawMessage):
                    self.messages[found.id] = bytes(found.raw)
            for gone in batch.gone:
                self.messages.pop(gone, None)
            if batch.census is not None:
                self.messages = {one: raw for one, raw in self.messages.items() if one in batch.census}
            self.cursor = batch.cursor
            if not batch.more:
                return

    @property
    def contents(self) -> list[bytes]:
        return sorted(self.messages.values())


async def fetched(source: Pop3Source, ids: Sequence[RemoteId]) -> dict[RemoteId, RawMessage | Unfetchable]:
    return {found.id: found async for found in source.fetch(INBOX, ids)}


def uids(*numbers: int) -> list[RemoteId]:
    return [RemoteId(f"u.uid-{number}") for number in numbers]


# -- Dovecot -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def user(dovecot: Dovecot, request: pytest.FixtureRequest) -> User:
    return dovecot.user(f"pop-{abs(hash(request.node.name))}")


async def opened(dovecot: Dovecot, user: User, ca: CertificateAuthority, *, port: int = 0) -> Pop3Source:
    encryption = Encryption.STARTTLS if port else Encryption.TLS
    endpoint = Endpoint("pop3", "localhost", port or dovecot.pop3s_port, encryption)
    login = Login(user.address, Secret(user.password))
    return await pop3.open_source(endpoint, login, egress=EGRESS, tls=Trust(ca.ca_file))


@pytest.mark.servers
async def test_what_lies_in_a_real_maildrop_comes_newest_first_and_byte_for_byte(
    dovecot: Dovecot, user: User, ca: CertificateAuthority
) -> None:
    sent = [
        letter(number, body=body)
        for number, body in enumerate((".\r\n", "..\r\n.x\r\n", "x" * 9_000_000 + "\r\n", "\r\n.\r\n"))
    ]
    dovecot.fill(user, [raw.replace(b"\r\n", b"\n") for raw in sent])
    source, held = await opened(dovecot, user, ca), Held()
    folders = await source.folders()
    assert [folder.path for folder in folders] == [("INBOX",)]
    await held.round(source)
    assert list(held.messages.values()) == sent[::-1]
    await held.round(source)
    assert held.told == [[]]
    await source.close()


@pytest.mark.servers
async def test_new_mail_is_seen_in_the_next_round_and_what_left_is_gone(
    dovecot: Dovecot, user: User, ca: CertificateAuthority
) -> None:
    dovecot.fill(user, [letter(number) for number in range(3)])
    source, held = await opened(dovecot, user, ca, port=dovecot.pop3_port), Held()
    await held.round(source)
    first = dict(held.messages)
    await asyncio.to_thread(dovecot.deliver, user, letter(7))
    await held.round(source)
    assert [len(told) for told in held.told] == [1]
    oldest = list(first)[-1]
    assert await source.perform(Delete(INBOX, (oldest, RemoteId("u.unknown")))) == Outcome(
        gone=frozenset({"u.unknown"})
    )
    await held.round(source)
    assert held.told == [[]]
    assert set(first) - set(held.messages) == {oldest}
    assert await source.census(INBOX) == held.messages.keys()
    await source.close()


@pytest.mark.servers
async def test_while_waiting_the_maildrop_is_free_for_others(
    dovecot: Dovecot, user: User, ca: CertificateAuthority
) -> None:
    source = await opened(dovecot, user, ca)
    await Held().round(source)
    waiting = asyncio.create_task(source.wait(INBOX, 20))
    await asyncio.sleep(0.1)
    other = await opened(dovecot, user, ca)
    await other.close()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await source.wait(INBOX, 0.01) is None
    await Held().round(source)
    await source.close()


# -- promises ------------------------------------------------------------------------------------------------------------

CAPABILITIES = {
    "everything": b"UIDL\r\nTOP\r\nUSER\r\nPIPELINING\r\n",
    "no pipelining": b"UIDL\r\nTOP\r\nUSER\r\n",
    "no TOP": b"UIDL\r\nUSER\r\n",
    "no UIDL": b"TOP\r\nUSER\r\n",
    "neither": b"USER\r\n",
}


def poor(kind: str) -> dict[str, bytes | list[bytes | None] | None]:
    answers: dict[str, bytes | list[bytes | None] | None] = {"CAPA": b"+OK\r\n" + CAPABILITIES[kind] + b".\r\n"}
    if "UIDL" in kind or kind == "neither":
        answers["UIDL"] = b"-ERR unknown command\r\n"
    if "TOP" in kind or kind == "neither":
        answers["TOP"] = b"-ERR unknown command\r\n"
    return answers


@pytest.mark.parametrize("kind", CAPABILITIES)
@pytest.mark.parametrize("seed", range(4))
async def test_any_history_ends_with_what_the_server_holds(
    kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pop3, "BATCH_COUNT", 3)
    dice, number = random.Random(seed), 0
    async with scripted_pop3([], poor(kind)) as server:
        source, held = await server.open(), Held()
        for _ in range(12):
            for _ in range(dice.randrange(5)):
                number += 1
                content = letter(number) if dice.random() < 0.7 else letter(1, body=dice.choice(("x\r\n", "y\r\n")))
                server.held.append((f"uid-{number}", content))
            for _ in range(dice.randrange(3)):
                if server.held:
                    server.held.pop(dice.randrange(len(server.held)))
            if dice.random() < 0.3:
                await source.close()
                source = await server.open()
            if dice.random() < 0.2 and held.messages:
                doomed = dice.choice(sorted(held.messages))
                await source.perform(Delete(INBOX, (doomed,)))
            if dice.random() < 0.3:
                await source.changes(INBOX, held.cursor)  # a batch that was lost on the way
            await source.wait(INBOX, 0)
            await held.round(source)
            assert held.contents == sorted(raw for _, raw in server.held)
            assert await source.census(INBOX) == held.messages.keys()
        await source.close()


@pytest.mark.parametrize("kind", CAPABILITIES)
async def test_the_sync_page_keeps_a_maildrop_in_step(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3, "BATCH_COUNT", 3)
    ours = MemorySide()
    async with scripted_pop3(drop(*range(8)), poor(kind)) as server:
        source = await server.open()
        for there in (range(8), range(3, 11), range(10, 11)):
            server.held = drop(*there)
            await source.wait(INBOX, 0)
            await sync_account(server.open, source, ours.desk())
            folder = ours.keeping.folders[INBOX]
            assert sorted(raw for raw, _ in ours.keeping.messages(folder)) == sorted(raw for _, raw in server.held)
            for remote in folder.placements:
                ours.keeping.change_flags_here(INBOX, remote, frozenset({SEEN}), frozenset())
            await source.wait(INBOX, 0)
            await sync_account(server.open, source, ours.desk())
            assert not ours.keeping.errands
            assert all(flags == {SEEN} for _, flags in ours.keeping.messages(folder))
        await source.close()


async def test_batches_come_newest_first_and_remember_how_far_they_got(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3, "BATCH_COUNT", 2)
    async with scripted_pop3(drop(1, 2, 3, 4, 5)) as server:
        source = await server.open()
        first = await source.changes(INBOX, None)
        assert ([arrival.id for arrival in first.arrivals], first.remaining, first.more) == (uids(5, 4), 3, True)
        await source.close()
        server.held += drop(6)
        source, held = await server.open(), Held()
        held.cursor = first.cursor
        await held.round(source)
        assert held.told == [uids(6, 3), uids(2, 1)]
        await source.close()


async def test_a_batch_is_sized_by_bytes() -> None:
    big = [(f"uid-{number}", letter(number, body="x" * 3_000_000 + "\r\n")) for number in (1, 2, 3)]
    async with scripted_pop3(big) as server:
        source, held = await server.open(), Held()
        await held.round(source)
        assert [len(told) for told in held.told] == [1, 1, 1]
        await source.close()


async def test_a_quiet_round_says_nothing_and_keeps_the_cursor() -> None:
    async with scripted_pop3(drop(1, 2)) as server:
        source, held = await server.open(), Held()
        await held.round(source)
        batch = await source.changes(INBOX, held.cursor)
        assert (batch.arrivals, batch.census, batch.cursor, batch.more) == ([], None, held.cursor, False)
        assert server.sessions == 2
        await source.close()


@pytest.mark.parametrize("cursor", ["", "x", "1:???", "2:AAAA", "1:AAAA", "7.9"])
async def test_a_cursor_of_another_time_is_lost_not_misread(cursor: str) -> None:
    async with scripted_pop3(drop(1)) as server:
        source = await server.open()
        with pytest.raises(CursorLost):
            await source.changes(INBOX, Cursor(cursor))
        assert (await source.changes(INBOX, None)).arrivals
        await source.close()


def test_the_cursor_of_a_hundred_thousand_messages_stays_below_a_megabyte() -> None:
    ids = [RemoteId(f"u.{number:020}") for number in range(100_000)]
    cursor = listing.written([listing.digest_of(remote) for remote in ids])
    assert len(cursor) < 1_000_000
    read = listing.read(cursor)
    assert all(listing.digest_of(remote) in read for remote in ids)
    assert not any(listing.digest_of(RemoteId(f"u.new-{number}")) in read for number in range(100_000))


async def test_a_message_came_when_the_last_server_said_so() -> None:
    async with scripted_pop3(drop(7)) as server:
        source = await server.open()
        (arrival,) = (await source.changes(INBOX, None)).arrivals
        await source.close()
    assert arrival.received_at == datetime(2026, 2, 5, 9, 0, 7, tzinfo=UTC)
    assert (arrival.size, arrival.flags) == (len(letter(7)), None)


NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Date: Mon, 02 Feb 2026 08:00:00 +0000\r\n\r\n", datetime(2026, 2, 2, 8, tzinfo=UTC)),
        (b"Received: nonsense\r\nDate: Mon, 02 Feb 2026 08:00:00 +0000\r\n\r\n", datetime(2026, 2, 2, 8, tzinfo=UTC)),
        (b"Date: Mon, 02 Feb 2099 08:00:00 +0000\r\n\r\n", NOW),
        (b"", NOW),
        (b"\xff\x00" * 1000, NOW),
        (b"Received: x; Sun, 01 Mar 2026 02:00:00 +0000\r\n\r\n", NOW),
    ],
)
def test_a_date_that_cannot_be_is_none(header: bytes, expected: datetime) -> None:
    assert received_at(header, NOW) == expected


# -- bytes ---------------------------------------------------------------------------------------------------------------


@given(
    raw=st.lists(st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"x", b".\r", b"\n."]), max_size=40).map(b"".join),
    data=st.data(),
)
def test_dots_are_removed_exactly_in_any_split_of_the_stream(raw: bytes, data: st.DataObject) -> None:
    wire = stuffed(raw) + b"+OK next\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    unstuffing, content = Unstuffing(), b""
    for start, end in pairwise([0, *cuts, len(wire)]):
        if unstuffing.rest is None:
            content += unstuffing.feed(wire[start:end])
        else:
            unstuffing.rest += wire[start:end]
    assert content == raw + (b"" if raw.endswith(b"\r\n") or not raw else b"\r\n")
    assert unstuffing.rest == b"+OK next\r\n"


@pytest.mark.parametrize("body", ["a\n.\nb\r\n", "a\r.\rb\r\n", "\n.\n\r\n", "a\r\n.\rb\r\n", "\x00\x80\r\n", "ä\r\n"])
async def test_bare_line_ends_and_odd_bytes_are_kept_as_sent(body: str) -> None:
    raw = letter(1, body=body)
    async with scripted_pop3([("uid-1", raw)]) as server:
        source = await server.open()
        found = await fetched(source, uids(1))
        await source.close()
    assert found == {"u.uid-1": RawMessage(uids(1)[0], raw)}


async def test_a_big_message_waits_on_disk_not_in_memory() -> None:
    raw = letter(1, body="x" * 30_000_000 + "\r\n")
    async with scripted_pop3([("uid-1", raw)]) as server:
        source = await server.open(limits=Limits(in_memory=1 << 20))
        found = [one async for one in source.fetch(INBOX, uids(1))]
        await source.close()
    (message,) = found
    assert isinstance(message, RawMessage)
    assert not isinstance(message.raw, bytes)
    assert bytes(message.raw) == raw


# -- ids -----------------------------------------------------------------------------------------------------------------


async def test_the_same_uidl_twice_is_two_messages() -> None:
    held = [("same", letter(1)), ("same", letter(2)), ("same", letter(2)), ("other", letter(3))]
    async with scripted_pop3(held) as server:
        source, reader = await server.open(), Held()
        await reader.round(source)
        assert reader.contents == sorted(raw for _, raw in held)
        assert RemoteId("u.other") in reader.messages
        await source.close()


@pytest.mark.parametrize("uid", ["x" * 5000, "ü", "\x80\xff", "%", "1", "a b"])
async def test_a_uidl_of_any_form_serves(uid: str) -> None:
    async with scripted_pop3([(uid, letter(1)), ("uid-2", letter(2))]) as server:
        source, reader = await server.open(), Held()
        await reader.round(source)
        assert len(reader.messages) == 2
        assert all(len(remote) < 80 and remote.isascii() and remote.isprintable() for remote in reader.messages)
        doomed = next(remote for remote, raw in reader.messages.items() if raw == letter(1))
        await source.perform(Delete(INBOX, (doomed,)))
        assert [held for held, _ in server.held] == ["uid-2"]
        await source.close()


async def test_a_message_uidl_leaves_out_is_reported_all_the_same() -> None:
    async with scripted_pop3(drop(1, 2), {"UIDL": b"+OK\r\n1 uid-1\r\n.\r\n"}) as server:
        source, reader = await server.open(), Held()
        await reader.round(source)
        assert reader.contents == [letter(1), letter(2)]
        await source.close()


# -- errands -------------------------------------------------------------------------------------------------------------


async def test_nothing_is_deleted_before_quit_is_answered() -> None:
    async with scripted_pop3(drop(1, 2), {"QUIT": [None, b"+OK\r\n"]}) as server:
        source = await server.open()
        with pytest.raises(TryAgain):
            await source.perform(Delete(INBOX, tuple(uids(1))))
        assert len(server.held) == 2
        await source.close()


async def test_a_quit_whose_answer_got_lost_is_looked_after() -> None:
    async with scripted_pop3(drop(1, 2), {"QUIT": [None, b"+OK\r\n"]}) as server:
        source = await server.open()
        server.silent = True
        assert await source.perform(Delete(INBOX, tuple(uids(1)))) == Outcome()
        assert server.held == drop(2)
        await source.close()


async def test_a_number_that_stands_for_another_message_now_is_not_deleted() -> None:
    async with scripted_pop3(drop(1, 2), {"UIDL 1": b"+OK 1 uid-2\r\n"}) as server:
        source = await server.open()
        with pytest.raises(ProtocolViolation) as caught:
            await source.perform(Delete(INBOX, tuple(uids(1))))
        assert caught.value.code == "uidl-changed"
        assert not any(line.startswith((b"DELE", b"QUIT")) for line in server.heard)
        await source.close()


async def test_a_refused_deletion_is_the_message_s_own_trouble_and_the_others_go() -> None:
    async with scripted_pop3(drop(1, 2, 3), {"DELE 2": b"-ERR may not\r\n"}) as server:
        source = await server.open()
        with pytest.raises(MessageTrouble) as caught:
            await source.perform(Delete(INBOX, tuple(uids(1, 2, 3))))
        assert caught.value.code == "refused-by-server"
        assert server.held == drop(2)
        assert await source.census(INBOX) == set(uids(2))
        await source.close()


async def test_hanging_up_in_the_middle_of_deleting_deletes_nothing() -> None:
    async with scripted_pop3(drop(1, 2), {"DELE 2": b"-ERR [SYS/TEMP] later\r\n"}) as server:
        source = await server.open()
        with pytest.raises(TryAgain):
            await source.perform(Delete(INBOX, tuple(uids(1, 2))))
        await source.close()
        assert server.held == drop(1, 2)


async def test_deleting_twice_is_harmless() -> None:
    async with scripted_pop3(drop(1, 2)) as server:
        source = await server.open()
        assert await source.perform(Delete(INBOX, tuple(uids(1)))) == Outcome()
        assert await source.perform(Delete(INBOX, tuple(uids(1)))) == Outcome(gone=frozenset(uids(1)))
        assert server.held == drop(2)
        await source.close()


@pytest.mark.parametrize(
    "errand",
    [
        Move(INBOX, tuple(uids(1)), INBOX),
        Copy(INBOX, tuple(uids(1)), INBOX),
        Append(INBOX, b"x", frozenset(), ""),
        CreateFolder(("Neu",)),
    ],
)
async def test_what_pop3_cannot_do_is_said(errand: Errand) -> None:
    async with scripted_pop3(drop(1)) as server:
        source = await server.open()
        with pytest.raises(MessageTrouble) as caught:
            await source.perform(errand)
        assert caught.value.code == "unsupported-by-protocol"
        with pytest.raises(MessageTrouble) as caught:
            await source.search(INBOX, ["x"], 10)
        assert caught.value.code == "search-unsupported"
        assert await source.quota() is None
        await source.close()


async def test_flags_are_kept_here_only() -> None:
    async with scripted_pop3(drop(1)) as server:
        source = await server.open()
        heard = len(server.heard)
        assert await source.perform(ChangeFlags(INBOX, tuple(uids(1)), add=frozenset({SEEN}))) == Outcome()
        assert len(server.heard) == heard
        await source.close()


async def test_other_folders_are_missing() -> None:
    nowhere = RemoteFolderId("Sent")
    async with scripted_pop3(drop(1)) as server:
        source = await server.open()
        with pytest.raises(FolderMissing):
            await source.changes(nowhere, None)
        with pytest.raises(FolderMissing):
            await source.census(nowhere)
        with pytest.raises(FolderMissing):
            await source.perform(Delete(nowhere, tuple(uids(1))))
        await source.close()


async def test_a_window_slides_from_the_newest_to_the_oldest() -> None:
    async with scripted_pop3(drop(1, 2, 3, 4, 5)) as server:
        source = await server.open()
        first = await source.window(INBOX, None, 2)
        second = await source.window(INBOX, first[-1], 2)
        third = await source.window(INBOX, second[-1], 2)
        assert [[arrival.id for arrival in view] for view in (first, second, third)] == [
            uids(5, 4),
            uids(3, 2),
            uids(1),
        ]
        assert await source.window(INBOX, third[-1], 2) == []
        await source.close()


# -- poor, broken and hostile servers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "error", "code"),
    [
        ({"greeting": b"-ERR [SYS/TEMP] later\r\n"}, TryAgain, "server-busy"),
        ({"greeting": b"-ERR go away\r\n"}, TryAgain, "server-closed"),
        ({"greeting": None}, TryAgain, "connection-lost"),
        ({"greeting": b"* OK IMAP\r\n"}, NeedsAttention, "wrong-protocol"),
        ({"greeting": b"220 smtp\r\n"}, NeedsAttention, "wrong-protocol"),
        ({"greeting": b"+OK " + b"x" * 100_000 + b"\r\n"}, ProtocolViolation, "line-too-long"),
        ({"PASS": b"-ERR [AUTH] no\r\n"}, LoginRejected, "login-rejected"),
        ({"PASS": b"-ERR wrong password\r\n"}, LoginRejected, "login-rejected"),
        ({"USER": b"-ERR unknown user\r\n"}, LoginRejected, "login-rejected"),
        ({"PASS": b"-ERR [IN-USE] busy\r\n"}, TryAgain, "server-busy"),
        ({"PASS": b"-ERR [LOGIN-DELAY] patience\r\n"}, TryAgain, "server-busy"),
        ({"PASS": b"-ERR [SYS/TEMP] disk\r\n"}, TryAgain, "server-busy"),
        ({"PASS": b"-ERR [SYS/PERM] no such mailbox\r\n"}, NeedsAttention, "server-refused"),
        ({"PASS": b"-ERR maildrop already locked\r\n"}, TryAgain, "server-busy"),
        ({"PASS": b"-ERR account is locked\r\n"}, LoginRejected, "login-rejected"),
        ({"PASS": None}, TryAgain, "connection-lost"),
        ({"PASS": b"what\r\n"}, ProtocolViolation, "malformed-response"),
        ({"CAPA": b"+OK\r\n" + b"X\r\n" * 5000 + b".\r\n"}, ProtocolViolation, "too-many-numbers"),
        ({"CAPA": b"+OK\r\nSASL GSSAPI\r\n.\r\n"}, NeedsAttention, "mechanism-not-offered"),
    ],
)
async def test_a_log_in_that_cannot_succeed_says_why(
    answers: dict[str, bytes | list[bytes | None] | None], error: type[PoststelleError], code: str
) -> None:
    async with scripted_pop3((), answers) as server:
        with pytest.raises(error) as caught:
            await server.open()
    assert caught.value.code == code


async def test_a_server_that_repeats_our_password_is_not_quoted_with_it() -> None:
    async with scripted_pop3(
        (), {"PASS": b"-ERR bad: " + PASSWORD.encode() + b"\x1b[31m" + b"y" * 900 + b"\r\n"}
    ) as server:
        with pytest.raises(LoginRejected) as caught:
            await server.open()
    answer = str(caught.value.facts["answer"])
    assert PASSWORD not in answer
    assert "\x1b" not in answer
    assert len(answer) <= 300


async def test_apop_hides_the_password_on_an_open_line() -> None:
    greeting = b"+OK POP3 <1896.697170952@dbc.mtview.ca.us>\r\n"
    async with scripted_pop3((), {"greeting": greeting}) as server:
        source = await server.open(Login("mrose", Secret("tanstaaf")))
        await source.close()
    assert b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n" in server.heard
    assert not any(b"tanstaaf" in line for line in server.heard)


@pytest.mark.parametrize("name", ["nutzer\r\nDELE 1", "nutzer\n", "", "\x00"])
async def test_a_name_cannot_smuggle_a_command(name: str) -> None:
    async with scripted_pop3(drop(1)) as server:
        with pytest.raises(LoginRejected):
            await server.open(Login(name, Secret("x"), Mechanism.LOGIN))
    assert not any(line.startswith(b"DELE") for line in server.heard)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"LIST": b"+OK\r\n0 5\r\n.\r\n"}, "malformed-response"),
        ({"LIST": b"+OK\r\n-1 5\r\n.\r\n"}, "malformed-response"),
        ({"LIST": b"+OK\r\nx 5\r\n.\r\n"}, "malformed-response"),
        ({"LIST": b"+OK\r\n1 5\r\n1 5\r\n.\r\n"}, "malformed-response"),
        ({"LIST": b"+OK\r\n99999999999999999999 5\r\n.\r\n"}, "malformed-response"),
        ({"LIST": b"-ERR no\r\n"}, "refused-by-server"),
        ({"LIST": b"+OK\r\n" + b"".join(b"%d 1\r\n" % n for n in range(1, 20_000)) + b".\r\n"}, "too-many-numbers"),
        (
            {"UIDL": b"+OK\r\n" + b"".join(b"%d x%d\r\n" % (n, n) for n in range(1, 20_000)) + b".\r\n"},
            "too-many-numbers",
        ),
        ({"UIDL": b"+OK\r\n1 " + b"x" * 100_000 + b"\r\n.\r\n"}, "line-too-long"),
        ({"UIDL": b"+OK\r\n1 uid-1\r\n"}, "read-timeout"),
        ({"UIDL": None}, "connection-lost"),
        ({"UIDL": b"\x16\x03\x01garbage\r\n"}, "malformed-response"),
        ({"RETR": b"+OK\r\nSubject: x\r\n"}, "read-timeout"),
        ({"RETR": None}, "connection-lost"),
        ({"RETR": b"-ERR [SYS/TEMP] later\r\n"}, "server-busy"),
        ({"RETR": b"250 ok\r\n"}, "malformed-response"),
    ],
)
async def test_a_session_that_breaks_the_rules_ends_with_a_reason(
    answers: dict[str, bytes | list[bytes | None] | None], code: str
) -> None:
    async with scripted_pop3(drop(1, 2), answers) as server:
        source = await server.open(limits=Limits(read_seconds=0.3, messages=10_000))
        with pytest.raises(PoststelleError) as caught:
            await Held().round(source)
        await source.close()
    assert caught.value.code == code


@pytest.mark.parametrize(
    "lists",
    [
        {"LIST": b"+OK 7 messages\r\n1 1\r\n2 99999999\r\n.\r\n"},
        {"LIST": b"+OK\r\n1\r\n2 x\r\n.\r\n"},
        {"LIST": b"+OK\r\n2 5\r\n.\r\n"},
        {"STAT": b"+OK 0 0\r\n"},
        {"TOP": b"-ERR no\r\n"},
        {"TOP": b"+OK\r\n.\r\n"},
        {"CAPA": b"-ERR what\r\n"},
    ],
)
async def test_wrong_counts_and_sizes_lose_nothing(lists: dict[str, bytes | list[bytes | None] | None]) -> None:
    async with scripted_pop3(drop(1, 2), lists) as server:
        source, reader = await server.open(), Held()
        await reader.round(source)
        assert reader.contents == [letter(1), letter(2)]
        await source.close()


async def test_one_message_that_is_refused_does_not_keep_the_others_back() -> None:
    async with scripted_pop3(drop(1, 2, 3), {"RETR 2": b"-ERR corrupt\r\n"}) as server:
        source = await server.open()
        found = await fetched(source, [*uids(1, 2, 3), RemoteId("u.unknown")])
        await source.close()
    assert found["u.uid-2"] == Unfetchable(uids(2)[0], "not-delivered")
    assert found["u.unknown"] == Unfetchable(RemoteId("u.unknown"), "gone", gone=True)
    assert isinstance(found["u.uid-1"], RawMessage)
    assert isinstance(found["u.uid-3"], RawMessage)


async def test_a_message_without_end_is_set_aside_and_the_others_come_in_a_new_session() -> None:
    endless = b"+OK\r\n" + b"x" * 400_000
    async with scripted_pop3(drop(1, 2, 3), {"RETR 2": endless}) as server:
        source = await server.open(limits=Limits(message=100_000, in_memory=10_000))
        found = await fetched(source, uids(1, 2, 3))
        await source.close()
    assert found["u.uid-2"] == Unfetchable(uids(2)[0], "too-large")
    assert {remote for remote, one in found.items() if isinstance(one, RawMessage)} == set(uids(1, 3))
    assert server.sessions == 2


async def test_a_message_larger_than_allowed_is_not_even_asked_for() -> None:
    async with scripted_pop3(drop(1, 2), {"LIST": b"+OK\r\n1 99999999999\r\n2 5\r\n.\r\n"}) as server:
        source, reader = await server.open(), Held()
        await reader.round(source)
        assert list(reader.messages) == uids(2)
        assert await fetched(source, uids(1)) == {"u.uid-1": Unfetchable(uids(1)[0], "too-large")}
        assert b"RETR 1\r\n" not in server.heard
        await source.close()


async def test_a_long_list_is_bounded_in_memory() -> None:
    count = 30_000
    lists: dict[str, bytes | list[bytes | None] | None] = {
        "LIST": b"+OK\r\n" + b"".join(b"%d 100\r\n" % n for n in range(1, count + 1)) + b".\r\n",
        "UIDL": b"+OK\r\n" + b"".join(b"%d %032x\r\n" % (n, n) for n in range(1, count + 1)) + b".\r\n",
        "TOP": b"-ERR no\r\n",
        "CAPA": b"+OK\r\nUSER\r\nUIDL\r\n.\r\n",
    }
    async with scripted_pop3((), lists) as server:
        source = await server.open()
        tracemalloc.start()
        batch = await source.changes(INBOX, None)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (len(batch.arrivals), batch.remaining) == (400, count - 400)
        assert peak < 40 * 1024 * 1024
        await source.close()


async def test_a_server_that_wants_time_between_log_ins_gets_it() -> None:
    async with scripted_pop3(drop(1), {"CAPA": b"+OK\r\nUSER\r\nUIDL\r\nTOP\r\nLOGIN-DELAY 900\r\n.\r\n"}) as server:
        source, reader = await server.open(), Held()
        await reader.round(source)
        server.held += drop(2)
        batch = await source.changes(INBOX, reader.cursor)
        assert (batch.cursor, batch.arrivals, batch.more) == (reader.cursor, (), False)
        assert server.sessions == 1
        await source.close()


async def test_what_a_round_is_followed_by_is_done_in_the_one_session_such_a_server_grants() -> None:
    async with scripted_pop3(drop(1, 2), {"CAPA": b"+OK\r\nUSER\r\nUIDL\r\nTOP\r\nLOGIN-DELAY 900\r\n.\r\n"}) as server:
        source, reader = await server.open(), Held()
        await reader.round(source)
        ids = tuple(sorted(await source.census(INBOX)))
        assert len(ids) == 2
        assert await source.perform(Delete(INBOX, ids[:1])) == Outcome()
        assert len(server.held) == 1
        batch = await source.changes(INBOX, reader.cursor)
        assert (batch.cursor, batch.arrivals, batch.more) == (reader.cursor, (), False)
        with pytest.raises(TryAgain) as later:
            await source.perform(Delete(INBOX, ids[1:]))
        assert later.value.after is not None
        assert 890 < later.value.after <= 900
        assert server.sessions == 1
        await source.close()


async def test_a_way_in_that_is_no_pop3_is_refused() -> None:
    with pytest.raises(NeedsAttention) as caught:
        await pop3.open_source(
            Endpoint("imap", "localhost", 1, Encryption.TLS), Login("a", None), egress=EGRESS, tls=Trust()
        )
    assert caught.value.code == "wrong-protocol"
