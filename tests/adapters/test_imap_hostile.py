"""Servers that are poor, broken or hostile: each gets a clear verdict, none gets our password, memory or patience."""

from __future__ import annotations

import mmap
import ssl
from collections.abc import Sequence

import pytest

from poststelle.adapters.connection import Trust
from poststelle.adapters.imap import wire
from poststelle.adapters.imap.source import ImapSource
from poststelle.errors import (
    CertificateRejected,
    CursorLost,
    FolderMissing,
    LoginRejected,
    MessageTrouble,
    NeedsAttention,
    ProtocolViolation,
    TryAgain,
)
from poststelle.mail.ports import (
    Append,
    ChangeFlags,
    Cursor,
    FlagChange,
    RawMessage,
    RemoteFolderId,
    RemoteId,
    Role,
    Unfetchable,
)
from poststelle.mail.settings import Encryption
from tests.adapters.scripted_imap import PASSWORD, scripted
from tests.servers.ca import Certificate, CertificateAuthority

INBOX = RemoteFolderId("INBOX")
META = b"".join(
    b'* %d FETCH (UID %d FLAGS () INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE 9)\r\n' % (n, n)
    for n in (1, 2, 3)
)


def ids(*uids: int) -> list[RemoteId]:
    return [RemoteId(f"7.{uid}") for uid in uids]


async def fetched(source: ImapSource, wanted: Sequence[RemoteId]) -> dict[RemoteId, RawMessage | Unfetchable]:
    return {found.id: found async for found in source.fetch(INBOX, wanted)}


def server_side(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


async def test_a_server_without_any_extension_is_enough() -> None:
    async with scripted({"UID FETCH": META + b"{tag} OK\r\n"}) as server:
        source = await server.open()
        folders = await source.folders()
        assert [(folder.path, folder.role) for folder in folders] == [(("INBOX",), Role.INBOX)]
        batch = await source.changes(INBOX, None)
        assert [arrival.id for arrival in batch.arrivals] == ids(3, 2, 1)
        again = await source.changes(INBOX, batch.cursor)
        assert not again.arrivals
        assert {change.id for change in again.flags} == set(ids(1, 2, 3))
        quiet = await source.changes(INBOX, again.cursor)
        assert not quiet.flags
        assert quiet.census is None
        await source.close()


@pytest.mark.parametrize(
    ("answers", "error", "code"),
    [
        ({"greeting": b"* BYE maintenance\r\n"}, TryAgain, "server-closed"),
        ({"greeting": None}, TryAgain, "connection-lost"),
        ({"greeting": b"220 mx.example.test ESMTP\r\n"}, NeedsAttention, "wrong-protocol"),
        ({"greeting": b"+OK pop\r\n"}, NeedsAttention, "wrong-protocol"),
        ({"greeting": b"HTTP/1.1 400 Bad Request\r\n"}, NeedsAttention, "wrong-protocol"),
        ({"greeting": b"\x15\x03\x01\x00\x02\x02\x46\r\n"}, NeedsAttention, "plain-on-tls-port"),
        ({"greeting": b"* OK " + b"x" * 100_000 + b"\r\n"}, ProtocolViolation, "line-too-long"),
        ({"LOGIN": b"{tag} NO [AUTHENTICATIONFAILED] no\r\n"}, LoginRejected, "login-rejected"),
        ({"LOGIN": b"{tag} NO wrong\r\n"}, LoginRejected, "login-rejected"),
        ({"LOGIN": b"{tag} BAD wrong\r\n"}, LoginRejected, "login-rejected"),
        ({"LOGIN": b"{tag} NO [UNAVAILABLE] later\r\n"}, TryAgain, "server-busy"),
        ({"LOGIN": b"{tag} NO [INUSE] later\r\n"}, TryAgain, "server-busy"),
        ({"LOGIN": b"{tag} NO [LIMIT] later\r\n"}, TryAgain, "server-busy"),
        ({"LOGIN": b"{tag} NO [ALERT] Too many connections\r\n"}, TryAgain, "server-busy"),
        ({"LOGIN": b"* BYE bye\r\n"}, TryAgain, "server-closed"),
        ({"LOGIN": None}, TryAgain, "connection-lost"),
        ({"LOGIN": b"X99 OK\r\n"}, ProtocolViolation, "foreign-tag"),
        ({"LOGIN": b"+ go on\r\n"}, ProtocolViolation, "unexpected-continuation"),
        (
            {"CAPABILITY": b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK\r\n"},
            NeedsAttention,
            "login-needs-tls",
        ),
    ],
)
async def test_a_log_in_that_cannot_succeed_says_why(
    answers: dict[str, bytes | None], error: type[Exception], code: str
) -> None:
    async with scripted(answers) as server:
        with pytest.raises(error) as caught:
            await server.open()
    assert getattr(caught.value, "code", None) == code


async def test_a_server_that_repeats_our_password_is_not_quoted_with_it() -> None:
    async with scripted(
        {"LOGIN": b"{tag} NO bad: " + PASSWORD.encode() + b"\x1b[31m" + b"y" * 900 + b"\r\n"}
    ) as server:
        with pytest.raises(LoginRejected) as caught:
            await server.open()
    answer = str(caught.value.facts["answer"])
    assert PASSWORD not in answer
    assert "\x1b" not in answer
    assert len(answer) == 300


async def test_a_password_never_goes_where_log_in_is_disabled() -> None:
    async with scripted({"CAPABILITY": b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK\r\n"}) as server:
        with pytest.raises(NeedsAttention):
            await server.open()
    assert not any(PASSWORD.encode() in line for line in server.heard)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"}, "starttls-missing"),
        ({"STARTTLS": b"{tag} NO not today\r\n"}, "starttls-missing"),
        ({"STARTTLS": b"{tag} OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"}, "starttls-injection"),
        ({"greeting": b"* PREAUTH welcome\r\n"}, "preauth-before-starttls"),
    ],
)
async def test_starttls_is_never_talked_away(answers: dict[str, bytes | None], code: str) -> None:
    offers = {"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK\r\n", **answers}
    async with scripted(offers) as server:
        with pytest.raises((NeedsAttention, ProtocolViolation)) as caught:
            await server.open(Encryption.STARTTLS)
    assert caught.value.code == code
    assert not any(PASSWORD.encode() in line for line in server.heard)


async def test_a_silent_plain_server_times_out() -> None:
    async with scripted({"greeting": b""}) as server:
        with pytest.raises(TryAgain) as caught:
            await server.open(limits=wire.Limits(greeting_seconds=0.2))
    assert caught.value.code == "greeting-timeout"


async def test_plain_talk_to_a_tls_port_is_recognised(ca: CertificateAuthority) -> None:
    async with scripted(tls=server_side(ca.good())) as server:
        with pytest.raises(NeedsAttention) as caught:
            await server.open(limits=wire.Limits(greeting_seconds=0.3))
    assert caught.value.code == "plain-on-tls-port"


async def test_tls_to_a_plain_port_is_recognised_and_says_what_answers_there() -> None:
    async with scripted() as server:
        with pytest.raises(NeedsAttention) as caught:
            await server.open(Encryption.TLS)
    assert caught.value.code == "tls-on-plain-port"
    assert caught.value.facts["got"] == "imap"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", "certificate-expired"),
        ("not_yet_valid", "certificate-not-yet-valid"),
        ("wrong_name", "certificate-wrong-name"),
        ("self_signed", "certificate-self-signed"),
    ],
)
@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_a_bad_certificate_is_rejected_with_its_reason(
    ca: CertificateAuthority, kind: str, code: str, encryption: Encryption
) -> None:
    context = server_side(getattr(ca, kind)())
    offers = {"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK\r\n"}
    async with scripted(offers, context, starttls=encryption is Encryption.STARTTLS) as server:
        with pytest.raises(CertificateRejected) as caught:
            await server.open(encryption, Trust(ca.ca_file))
    assert not any(PASSWORD.encode() in line for line in server.heard)
    if encryption is Encryption.TLS:
        assert caught.value.facts["not_after"]
        assert "CN=" in str(caught.value.facts["subject"])
    assert caught.value.code == code
    assert caught.value.facts["host"] == "localhost"


async def test_an_unknown_authority_is_not_trusted(ca: CertificateAuthority) -> None:
    async with scripted(tls=server_side(ca.good())) as server:
        with pytest.raises(NeedsAttention) as caught:
            await server.open(Encryption.TLS, Trust())
    assert caught.value.code == "certificate-unknown-issuer"
    assert "Poststelle test authority" in str(caught.value.facts["issuer"])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"* 1 FETCH (UID 1 BODY[] {4294967296}\r\n", "literal-too-big"),
        (b"* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\n", "malformed-response"),
        (b"* OK " + b"x" * 200_000 + b"\r\n", "line-too-long"),
        (b"* 1 FETCH (X " + b"(" * 200 + b"\r\n", "nesting-too-deep"),
        (b"* 1 FETCH (UID 1 BODY[] (a b))\r\n", "malformed-response"),
        (b"nonsense\r\n", "malformed-response"),
        (b"* 1 FETCH (UID 1 BODY[] {50}\r\nhalf* BYE\r\n", "read-timeout"),
        (b"* BYE restarting\r\n", "server-closed"),
    ],
)
async def test_a_fetch_that_breaks_the_rules_ends_the_session(answer: bytes, code: str) -> None:
    async with scripted({"UID FETCH": [META + b"{tag} OK\r\n", answer]}) as server:
        source = await server.open(limits=wire.Limits(read_seconds=0.4))
        await source.changes(INBOX, None)
        with pytest.raises((ProtocolViolation, TryAgain)) as caught:
            await fetched(source, ids(1, 2, 3))
        assert caught.value.code == code
        with pytest.raises(TryAgain):
            await source.folders()
        await source.close()


async def test_every_message_asked_for_is_answered_for() -> None:
    bodies = (
        b"* 1 FETCH (UID 1 BODY[] NIL)\r\n"
        b"* 9 FETCH (UID 9 BODY[] {3}\r\nbad)\r\n"
        b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
        b"* 3 FETCH (BODY[] {9}\r\nabcdefghi UID 3)\r\n{tag} OK\r\n"
    )
    async with scripted(
        {"UID FETCH": [META + b"{tag} OK\r\n", bodies], "UID SEARCH": [b"* SEARCH 3 1 2 2\r\n{tag} OK\r\n",
                                                                      b"* SEARCH 1\r\n{tag} OK\r\n"]}
    ) as server:  # fmt: skip
        source = await server.open()
        await source.changes(INBOX, None)
        found = await fetched(source, ids(1, 2, 3))
        await source.close()
    assert found == {
        "7.1": Unfetchable(RemoteId("7.1"), "no-body"),
        "7.2": Unfetchable(RemoteId("7.2"), "gone", gone=True),
        "7.3": RawMessage(RemoteId("7.3"), b"abcdefghi"),
    }


async def test_a_message_the_server_is_silent_about_is_not_lost() -> None:
    silent = META.partition(b"* 2")[0]
    async with scripted({"UID FETCH": [silent + b"{tag} OK\r\n", b"{tag} OK\r\n"]}) as server:
        source = await server.open()
        batch = await source.changes(INBOX, None)
        assert {arrival.id for arrival in batch.arrivals} == set(ids(1, 2, 3))
        found = await fetched(source, ids(2))
        await source.close()
    assert found == {"7.2": Unfetchable(RemoteId("7.2"), "not-delivered")}


async def test_one_unreadable_message_does_not_hold_up_the_others() -> None:
    one = b"* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n{tag} OK\r\n"
    three = b"* 3 FETCH (UID 3 BODY[] {1}\r\nc)\r\n{tag} OK\r\n"
    refusal = b"{tag} NO cannot read\r\n"
    async with scripted({"UID FETCH": [META + b"{tag} OK\r\n", refusal, one, refusal, three]}) as server:
        source = await server.open()
        await source.changes(INBOX, None)
        found = await fetched(source, ids(1, 2, 3))
        await source.close()
    assert {found_id: type(entry) for found_id, entry in found.items()} == {
        "7.1": RawMessage,
        "7.2": Unfetchable,
        "7.3": RawMessage,
    }


async def test_a_message_beyond_the_limit_is_set_aside_unfetched() -> None:
    big = b'* 1 FETCH (UID 1 FLAGS () INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE 5000000000)\r\n{tag} OK\r\n'
    async with scripted(
        {
            "UID FETCH": big,
            "UID SEARCH": b"* SEARCH 1\r\n{tag} OK\r\n",
            "EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n",
        }
    ) as server:
        source = await server.open()
        await source.changes(INBOX, None)
        assert await fetched(source, ids(1)) == {"7.1": Unfetchable(RemoteId("7.1"), "too-large")}
        assert not any(b"BODY" in line for line in server.heard)
        await source.close()


async def test_big_bodies_do_not_stay_in_memory() -> None:
    body = b"0123456789\r\n" * 800_000
    answer = b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % len(body) + body + b")\r\n{tag} OK\r\n"
    async with scripted({"UID FETCH": [META + b"{tag} OK\r\n", answer]}) as server:
        source = await server.open()
        await source.changes(INBOX, None)
        found = (await fetched(source, ids(1)))[RemoteId("7.1")]
        assert isinstance(found, RawMessage)
        assert isinstance(found.raw, mmap.mmap)
        assert found.raw[:] == body
        await source.close()


async def test_the_literal_is_the_truth_when_the_announced_size_was_wrong() -> None:
    answer = b"* 1 FETCH (UID 1 BODY[] {12}\r\nabcdefghijkl)\r\n{tag} OK\r\n"
    async with scripted({"UID FETCH": [META + b"{tag} OK\r\n", answer]}) as server:
        source = await server.open()
        await source.changes(INBOX, None)
        found = (await fetched(source, ids(1)))[RemoteId("7.1")]
        await source.close()
    assert isinstance(found, RawMessage)
    assert found.raw == b"abcdefghijkl"


async def test_ids_of_an_older_folder_are_never_used_on_the_new_one() -> None:
    async with scripted() as server:
        source = await server.open()
        old = RemoteId("6.1")
        assert await fetched(source, [old]) == {old: Unfetchable(old, "gone", gone=True)}
        errand = ChangeFlags(INBOX, (RemoteId("6.1"),), add=frozenset({"\\Seen"}))
        assert (await source.perform(errand)).gone == {old}
        assert not any(b"STORE" in line or b"FETCH" in line for line in server.heard)
        with pytest.raises(CursorLost):
            await source.changes(INBOX, Cursor('[6,0,0,0,[],"",""]'))
        with pytest.raises(CursorLost):
            await source.changes(INBOX, Cursor("of another adapter"))
        await source.close()


async def test_removals_announced_during_other_commands_are_noticed() -> None:
    async with scripted(
        {"UID FETCH": META + b"* 2 EXPUNGE\r\n{tag} OK\r\n", "UID SEARCH": [b"* SEARCH 1 2 3\r\n{tag} OK\r\n",
         b"* SEARCH\r\n{tag} OK\r\n", b"* SEARCH 1 3\r\n{tag} OK\r\n"],
         "EXAMINE": [b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n", b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n"]}
    ) as server:  # fmt: skip
        source = await server.open()
        first = await source.changes(INBOX, None)
        second = await source.changes(INBOX, first.cursor)
        await source.close()
    assert second.census == set(ids(1, 3))


async def test_flags_that_change_while_a_message_arrives_are_not_lost() -> None:
    two = META.partition(b"* 3")[0]
    third = META[len(two) :]
    seen = two + b"* 3 FETCH (UID 3 FLAGS (\\Seen))\r\n"
    ok = b"{tag} OK\r\n"
    two_exist = b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n"
    three_exist = b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n"
    async with scripted(
        {
            "EXAMINE": [two_exist, two_exist, three_exist],
            "UID SEARCH": [b"* SEARCH 1 2\r\n" + ok, b"* SEARCH 2\r\n" + ok, b"* SEARCH 3\r\n" + ok],
            "UID FETCH": [two + ok, two + ok, third + ok, seen + ok],
        }
    ) as server:
        source = await server.open()
        batch = await source.changes(INBOX, None)
        batch = await source.changes(INBOX, batch.cursor)
        batch = await source.changes(INBOX, batch.cursor)
        await source.close()
    assert [(arrival.id, arrival.flags) for arrival in batch.arrivals] == [("7.3", frozenset())]
    assert list(batch.flags) == [FlagChange(RemoteId("7.3"), frozenset({"\\Seen"}))]


async def test_a_batch_of_flags_nobody_kept_is_answered_again() -> None:
    count = 9000
    listed = b"".join(b"* %d FETCH (UID %d FLAGS (\\Seen))\r\n" % (uid, uid) for uid in range(1, count + 1))
    exist = b"* %d EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n" % count
    reported = Cursor(f'[7,0,0,{count},[[1,{count}]],"x",""]')
    answers = {"EXAMINE": exist, "UID SEARCH": b"* SEARCH\r\n{tag} OK\r\n", "UID FETCH": listed + b"{tag} OK\r\n"}
    async with scripted(answers) as server:
        source = await server.open()
        lost = await source.changes(INBOX, reported)
        assert lost.more
        told: set[RemoteId] = set()
        batch = await source.changes(INBOX, reported)
        told.update(change.id for change in batch.flags)
        while batch.more:
            batch = await source.changes(INBOX, batch.cursor)
            told.update(change.id for change in batch.flags)
        await source.close()
    assert len(told) == count


async def test_flags_imap_cannot_spell_harm_nobody() -> None:
    async with scripted() as server:
        source = await server.open()
        with pytest.raises(MessageTrouble) as caught:
            await source.perform(ChangeFlags(INBOX, (RemoteId("7.1"),), add=frozenset({"\\Seen) FLAGS (x"})))
        assert caught.value.code == "errand-unsendable"
        await source.folders()
        await source.close()


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (b"{tag} NO [TRYCREATE] no\r\n", FolderMissing, "folder-missing"),
        (b"{tag} NO [OVERQUOTA] full\r\n", MessageTrouble, "mailbox-full"),
        (b"{tag} NO not allowed\r\n", MessageTrouble, "refused-by-server"),
        (b"{tag} NO [UNAVAILABLE] later\r\n", TryAgain, "server-busy"),
    ],
)
async def test_a_refused_copy_says_what_to_do(answer: bytes, error: type[Exception], code: str) -> None:
    async with scripted({"APPEND": answer, "UID SEARCH": b"* SEARCH\r\n{tag} OK\r\n"}) as server:
        source = await server.open()
        with pytest.raises(error) as caught:
            await source.perform(Append(INBOX, b"a: b", frozenset(), "<x@y>"))
        assert getattr(caught.value, "code", None) == code
        await source.close()


async def test_millions_of_numbers_are_read_in_one_line() -> None:
    found = b"* SEARCH" + b"".join(b" %d" % uid for uid in range(1, 200_001)) + b"\r\n{tag} OK\r\n"
    exists = b"* 200000 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK\r\n"
    newest = b"".join(b"* %d FETCH (UID %d FLAGS () RFC822.SIZE 9)\r\n" % (n, n) for n in range(199_951, 200_001))
    async with scripted({"UID SEARCH": found, "EXAMINE": exists, "UID FETCH": newest + b"{tag} OK\r\n"}) as server:
        source = await server.open()
        batch = await source.changes(INBOX, None)
        await source.close()
    assert batch.remaining == 199_950
    assert batch.arrivals[0].id == "7.200000"
    assert len(batch.cursor) < 200


async def test_too_many_numbers_are_refused() -> None:
    found = b"* SEARCH" + b" 1" * 1001 + b"\r\n{tag} OK\r\n"
    async with scripted({"UID SEARCH": found}) as server:
        source = await server.open(limits=wire.Limits(numbers=1000))
        with pytest.raises(ProtocolViolation) as caught:
            await source.changes(INBOX, None)
        await source.close()
    assert caught.value.code == "too-many-numbers"


async def test_without_idle_waiting_still_ends_in_time() -> None:
    async with scripted() as server:
        source = await server.open()
        assert await source.wait(INBOX, 0.2) == {INBOX}
        assert await source.wait(INBOX, 0.2) == frozenset()
        await source.close()


async def test_each_role_goes_to_one_folder_special_use_before_names() -> None:
    listing = (
        b'* LIST (\\HasChildren) "/" inbox\r\n'
        b'* LIST (\\SENT) "/" "Ausgang"\r\n'
        b'* LIST () "/" "Gesendete Objekte"\r\n'
        b'* LIST () "/" "INBOX/Papierkorb"\r\n'
        b'* LIST () "/" "Kunden/Entw&APw-rfe"\r\n'
        b'* LIST () "/" "Entw&APw-rfe"\r\n'
        b'* LIST (\\Noselect) "/" "Spam"\r\n'
        b'* LIST (\\Archive \\Junk) "/" "Ablage"\r\n'
        b"{tag} OK\r\n"
    )
    async with scripted({"LIST": listing}) as server:
        source = await server.open()
        roles = {folder.path[-1]: folder.role for folder in await source.folders() if folder.role is not Role.NONE}
        await source.close()
    assert roles == {
        "inbox": Role.INBOX,
        "Ausgang": Role.SENT,
        "Papierkorb": Role.TRASH,
        "Entwürfe": Role.DRAFTS,
        "Ablage": Role.ARCHIVE,
    }
