"""Servers that promise what they do not keep, or keep it their own way: the adapter notices, or knows, and gets along."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from poststelle.adapters.compress import Unpacker
from poststelle.adapters.imap import quirks, watching, wire
from poststelle.errors import MessageTrouble, ProtocolViolation, TryAgain
from poststelle.mail.ports import Batch, ChangeFlags, Cursor, Delete, RemoteFolderId, RemoteId, Role
from tests.adapters.scripted_imap import ScriptedImap, scripted

INBOX = RemoteFolderId("INBOX")
OK = b"{tag} OK\r\n"
Answers = dict[str, bytes | list[bytes | None] | None]


def offering(*names: str) -> Answers:
    told = " ".join(("IMAP4rev1", "LITERAL+", *names)).encode()
    return {"CAPABILITY": b"* CAPABILITY " + told + b"\r\n" + OK, "ENABLE": b"* ENABLED QRESYNC\r\n" + OK, "ID": OK}


def selected(exists: int, modseq: int, uid_next: int = 11) -> bytes:
    told = (exists, uid_next, modseq)
    return b"* %d EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT %d]\r\n* OK [HIGHESTMODSEQ %d]\r\n" % told + OK


def said(server: ScriptedImap, *verbs: str) -> list[str]:
    told = [line.decode().strip().partition(" ")[2] for line in server.heard]
    return [line for line in told if line.startswith(verbs)]


KNOWN = Cursor('[7,5,11,10,[[1,10]],"",""]')
"""Ten messages, UID 1 to 10, reported up to mod-sequence 5."""


async def changes_after(answers: Answers) -> tuple[list[Batch], ScriptedImap]:
    """What the server's answers make of `KNOWN`."""
    async with scripted(answers) as server:
        source = await server.open()
        batches = [await source.changes(INBOX, KNOWN)]
        while batches[-1].more:
            batches.append(await source.changes(INBOX, batches[-1].cursor))
        await source.close()
    return batches, server


# -- QRESYNC and CONDSTORE -------------------------------------------------------------------------------------------


async def test_what_vanished_is_believed_where_it_accounts_for_all_that_is_missing() -> None:
    batches, server = await changes_after(
        {
            **offering("ENABLE", "CONDSTORE", "QRESYNC"),
            "EXAMINE": selected(7, 9),
            "UID SEARCH": b"* SEARCH\r\n" + OK,
            "UID FETCH": b"* VANISHED (EARLIER) 2,4:5\r\n* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (8))\r\n" + OK,
        }
    )
    assert [message for batch in batches for message in batch.gone] == ["7.2", "7.4", "7.5"]
    assert batches[-1].census is None
    assert said(server, "UID FETCH") == ["UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 5 VANISHED)"]
    assert batches[-1].cursor.startswith("[7,9,11,7,")


@pytest.mark.parametrize(
    "vanished",
    [
        b"",
        b"* VANISHED (EARLIER) 2\r\n",
        b"* VANISHED (EARLIER) 900:4000000000\r\n",
        b"* VANISHED 1:3\r\n",
        b"* VANISHED (EARLIER) 2,2,2,2\r\n",
    ],
    ids=["silent", "too-few", "elsewhere", "only-news", "repeated"],
)
async def test_a_server_that_does_not_name_all_that_left_is_asked_for_a_census(vanished: bytes) -> None:
    batches, _ = await changes_after(
        {
            **offering("ENABLE", "CONDSTORE", "QRESYNC"),
            "EXAMINE": selected(7, 9),
            "UID SEARCH": [b"* SEARCH\r\n" + OK, b"* SEARCH 1 3 6 7 8 9 10\r\n" + OK],
            "UID FETCH": vanished + OK,
        }
    )
    assert batches[-1].census == {f"7.{uid}" for uid in (1, 3, 6, 7, 8, 9, 10)}
    assert not any(batch.gone for batch in batches)


async def test_a_server_that_forgot_its_past_and_names_every_number_costs_no_memory() -> None:
    many = Cursor('[7,5,4000000001,3000000,[[1,4000000000]],"",""]')
    answers = {
        **offering("ENABLE", "CONDSTORE", "QRESYNC"),
        "EXAMINE": selected(3, 9, 4000000001),
        "UID SEARCH": [b"* SEARCH\r\n" + OK, b"* SEARCH 1 3 6\r\n" + OK],
        "UID FETCH": b"* VANISHED (EARLIER) 1:4000000000\r\n" + OK,
    }
    async with scripted(answers) as server:
        source = await server.open()
        batch = await source.changes(INBOX, many)
        await source.close()
    assert batch.census == {"7.1", "7.3", "7.6"}
    assert not batch.gone


async def test_icloud_is_not_asked_what_vanished() -> None:
    assert quirks.quirks_of("p07-imap.mail.me.com", frozenset()).distrusted == {"QRESYNC"}
    assert quirks.quirks_of("imap.example.test", frozenset({"QRESYNC"})).distrusted == frozenset()


async def test_a_server_that_never_says_qresync_is_enabled_is_not_asked_what_vanished() -> None:
    batches, server = await changes_after(
        {
            **offering("ENABLE", "CONDSTORE", "QRESYNC"),
            "ENABLE": OK,
            "EXAMINE": selected(9, 9),
            "UID SEARCH": [b"* SEARCH\r\n" + OK, b"* SEARCH 1 2 3 4 5 6 7 8 9\r\n" + OK],
            "UID FETCH": OK,
        }
    )
    assert batches[-1].census is not None
    assert said(server, "UID FETCH") == ["UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 5)"]


async def test_a_server_that_offers_qresync_and_condstore_and_knows_neither_is_listed() -> None:
    flags = b"".join(b"* %d FETCH (UID %d FLAGS ())\r\n" % (uid, uid) for uid in range(1, 11))
    batches, server = await changes_after(
        {
            **offering("ENABLE", "CONDSTORE", "QRESYNC"),
            "EXAMINE": [b"{tag} BAD what?\r\n", selected(10, 9)],
            "UID SEARCH": b"* SEARCH\r\n" + OK,
            "UID FETCH": flags + OK,
        }
    )
    assert len(batches[-1].flags) == 10
    assert said(server, "UID FETCH") == ["UID FETCH 1:* (UID FLAGS)"]


async def test_a_server_that_refuses_to_say_what_changed_is_listed() -> None:
    flags = b"".join(b"* %d FETCH (UID %d FLAGS (\\Seen))\r\n" % (uid, uid) for uid in range(1, 11))
    refusal = b"{tag} BAD what?\r\n"
    batches, server = await changes_after(
        {
            **offering("ENABLE", "CONDSTORE", "QRESYNC"),
            "EXAMINE": selected(10, 9),
            "UID SEARCH": b"* SEARCH\r\n" + OK,
            "UID FETCH": [refusal, refusal, flags + OK],
        }
    )
    assert {change.flags for batch in batches for change in batch.flags} == {frozenset({"\\Seen"})}
    assert len(said(server, "UID FETCH")) == 3
    assert batches[-1].cursor.startswith("[7,0,")


async def test_yahoo_tells_a_mod_sequence_without_condstore_and_is_not_asked_with_it() -> None:
    flags = b"".join(b"* %d FETCH (UID %d FLAGS ())\r\n" % (uid, uid) for uid in range(1, 11))
    answers = {**offering(), "EXAMINE": selected(10, 9), "UID SEARCH": b"* SEARCH\r\n" + OK, "UID FETCH": flags + OK}
    _, server = await changes_after(answers)
    assert said(server, "UID FETCH") == ["UID FETCH 1:* (UID FLAGS)"]


async def test_extended_search_that_fails_is_done_without() -> None:
    answers: Answers = {**offering("ESEARCH"), "UID SEARCH": [b"{tag} BAD what?\r\n", b"* SEARCH 1 2\r\n" + OK]}
    async with scripted(answers) as server:
        source = await server.open()
        assert len(await source.census(INBOX)) == 2
        assert len(await source.census(INBOX)) == 2
        await source.close()
    assert len(said(server, "UID SEARCH RETURN")) == 1


async def test_who_we_are_is_said_once_and_in_the_same_breath_as_what_is_switched_on() -> None:
    async with scripted(offering("ID", "ENABLE", "QRESYNC")) as server:
        source = await server.open()
        await source.folders()
        await source.close()
    assert said(server, "ID", "ENABLE") == ['ID ("name" "Poststelle")', "ENABLE QRESYNC"]
    async with scripted({**offering("ID"), "ID": b"{tag} BAD what?\r\n"}) as server:
        source = await server.open()
        assert len(await source.folders()) == 1
        await source.close()


async def test_imap4rev2_is_not_made_use_of_where_it_is_known_to_be_faulty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = quirks.TABLE["Microsoft 365"]
    monkeypatch.setattr(quirks, "TABLE", {"here": replace(known, hosts=("localhost",))})
    answers: Answers = {**offering("IMAP4rev2", "UIDPLUS"), "LIST": b'* LIST () "/" INBOX\r\n' + OK}
    async with scripted(answers) as server:
        source = await server.open()
        await source.folders()
        await source.close()
    assert said(server, "LIST") == ['LIST "" "*"']


# -- Gmail, Microsoft 365 --------------------------------------------------------------------------------------------

GMAIL = (
    b'* LIST (\\HasNoChildren) "/" "INBOX"\r\n'
    b'* LIST (\\All \\HasNoChildren) "/" "[Gmail]/Alle Nachrichten"\r\n'
    b'* LIST (\\Trash \\HasNoChildren) "/" "[Gmail]/Papierkorb"\r\n' + OK
)


async def test_on_gmail_a_message_is_removed_by_way_of_the_trash() -> None:
    answers: Answers = {
        **offering("X-GM-EXT-1", "UIDPLUS", "MOVE"),
        "LIST": GMAIL,
        "UID MOVE": b"{tag} OK [COPYUID 7 2 3] done\r\n",
        "UID STORE": OK,
        "UID EXPUNGE": OK,
    }
    async with scripted(answers) as server:
        source = await server.open()
        await source.perform(Delete(INBOX, (RemoteId("7.2"),)))
        await source.perform(Delete(RemoteFolderId("[Gmail]/Papierkorb"), (RemoteId("7.1"),)))
        await source.close()
    assert said(server, "UID MOVE", "UID EXPUNGE") == [
        'UID MOVE 2 "[Gmail]/Papierkorb"',
        "UID EXPUNGE 3",
        "UID EXPUNGE 1",
    ]


async def test_microsoft_365_is_never_taken_at_its_word_about_imap4rev2() -> None:
    known = quirks.quirks_of("outlook.office365.com", frozenset({"IMAP4REV2", "MOVE"}))
    assert known.distrusted == {"IMAP4REV2"}
    assert not known.delete_in_trash


def test_every_quirk_says_where_it_is_known_from() -> None:
    for name, entry in quirks.TABLE.items():
        assert entry.quirks.sources, name
        assert entry.hosts or entry.capability, name
        assert entry.quirks.distrusted or entry.quirks.delete_in_trash, name


# -- folders ---------------------------------------------------------------------------------------------------------


async def test_a_folder_keeps_its_mailbox_id_as_identity_or_else_a_uidvalidity_of_its_own() -> None:
    status = b"* STATUS %s (MESSAGES 0 UIDNEXT 1 UIDVALIDITY %d%s)\r\n"
    answers: Answers = {
        **offering("LIST-EXTENDED", "LIST-STATUS", "OBJECTID", "LIST-MYRIGHTS"),
        "LIST": b'* LIST (\\Subscribed) "/" A\r\n* LIST () "/" B\r\n* LIST () "/" C\r\n* LIST () "/" D\r\n'
        + status % (b"A", 5, b" MAILBOXID (F-1)")
        + status % (b"B", 6, b"")
        + status % (b"C", 7, b"")
        + status % (b"D", 7, b"")
        + b"* MYRIGHTS A lrs\r\n"
        + OK,
    }
    async with scripted(answers) as server:
        source = await server.open()
        folders = {folder.path[0]: folder for folder in await source.folders()}
        await source.close()
    assert {name: folder.identity for name, folder in folders.items()} == {
        "A": "mailboxid:F-1",
        "B": "uidvalidity:6",
        "C": "",
        "D": "",
    }
    assert (folders["A"].rights, folders["B"].rights) == ("lrs", None)
    assert (folders["A"].subscribed, folders["B"].subscribed) == (True, False)
    asked = "SUBSCRIBED MYRIGHTS STATUS (MESSAGES UIDNEXT UIDVALIDITY MAILBOXID)"
    assert said(server, "LIST", "LSUB") == [f'LIST "" "*" RETURN ({asked})']


async def test_subscriptions_come_from_lsub_where_the_list_does_not_carry_them() -> None:
    folders = b'* LIST () "/" INBOX\r\n* LIST () "/" A\r\n* LIST () "/" B\r\n'
    answers: Answers = {**offering(), "LIST": folders + OK, "LSUB": b'* LSUB () "/" B\r\n' + OK}
    async with scripted(answers) as server:
        source = await server.open()
        assert [folder.subscribed for folder in await source.folders()] == [True, False, True]
        await source.close()
    async with scripted({**answers, "LSUB": b"{tag} BAD what?\r\n"}) as server:
        source = await server.open()
        assert all(folder.subscribed for folder in await source.folders())
        await source.close()


async def test_folders_of_others_are_listed_and_say_whose_they_are() -> None:
    spaces = b'* NAMESPACE (("" "/")) (("~" "/")) (("#public/" "/")("#news." "."))\r\n'
    answers: Answers = {
        **offering("NAMESPACE", "ACL"),
        "NAMESPACE": spaces + OK,
        "LIST": [
            b'* LIST () "/" INBOX\r\n* LIST () "/" Sent\r\n' + OK,
            b'* LIST () "/" ~clara/Sent\r\n' + OK,
            b'* LIST () "/" #public/Aushang\r\n' + OK,
            b"{tag} NO none\r\n",
        ],
        "MYRIGHTS": [b"* MYRIGHTS ~clara/Sent lr\r\n" + OK, b"{tag} NO no\r\n"],
    }
    async with scripted(answers) as server:
        source = await server.open()
        folders = {folder.id: folder for folder in await source.folders()}
        await source.close()
    assert {name: folder.owner for name, folder in folders.items()} == {
        "INBOX": "",
        "Sent": "",
        "~clara/Sent": "clara",
        "#public/Aushang": "#public",
    }
    assert folders[RemoteFolderId("~clara/Sent")].role is Role.NONE
    assert folders[RemoteFolderId("~clara/Sent")].rights == "lr"
    assert folders[RemoteFolderId("#public/Aushang")].rights == ""
    assert folders[RemoteFolderId("Sent")].rights is None


async def test_notify_does_not_tell_everything_where_others_share_folders_with_us() -> None:
    answers: Answers = {**offering("NAMESPACE", "NOTIFY"), "NOTIFY": OK}
    answers["LIST"] = [b'* LIST () "/" INBOX\r\n' + OK, b'* LIST () "/" ~clara/Sent\r\n' + OK]
    told = {}
    for others in (b"NIL", b'(("~" "/"))'):
        spaces = b'* NAMESPACE (("" "/")) %s NIL\r\n' % others
        async with scripted({**answers, "NAMESPACE": spaces + OK}) as server:
            source = await server.open()
            await source.folders()
            assert await source.wait(INBOX, 0.2) == {INBOX}
            assert await source.wait(INBOX, 0.01) == frozenset()
            told[others] = source.tells_everything
            await source.close()
    assert list(told.values()) == [True, False]


async def test_a_list_with_options_that_is_refused_is_asked_for_without() -> None:
    answers: Answers = {**offering("LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE")}
    answers["LIST"] = [b"{tag} BAD what?\r\n", b'* LIST (\\Sent) "/" Weg\r\n' + OK]
    async with scripted(answers) as server:
        source = await server.open()
        for _ in range(2):
            assert [(folder.path, folder.role) for folder in await source.folders()] == [(("Weg",), Role.SENT)]
        await source.close()
    assert len(said(server, "LIST")) == 3


# -- waiting ---------------------------------------------------------------------------------------------------------


async def test_notify_that_is_refused_leaves_idle() -> None:
    answers: Answers = {**offering("NOTIFY", "IDLE"), "NOTIFY": b"{tag} NO [BADEVENT] no\r\n", "DONE": b""}
    answers["IDLE"] = b"+ idling\r\n* 4 EXISTS\r\n{tag} OK\r\n"
    async with scripted(answers) as server:
        source = await server.open()
        assert await source.wait(INBOX, 0.2) == {INBOX}
        assert await source.wait(INBOX, 2) == {INBOX}
        await source.close()
    assert len(said(server, "NOTIFY")) == 1


async def test_a_server_that_gives_notify_up_is_asked_for_everything_once() -> None:
    answers: Answers = {**offering("NOTIFY", "IDLE"), "NOTIFY": OK, "DONE": b""}
    answers["IDLE"] = b"+ idling\r\n* OK [NOTIFICATIONOVERFLOW] too much\r\n{tag} OK\r\n"
    async with scripted(answers) as server:
        source = await server.open()
        assert await source.wait(INBOX, 0.2) == {INBOX}
        assert await source.wait(INBOX, 2) is None
        await source.close()
    assert len(said(server, "NOTIFY")) == 1


async def test_idle_that_is_offered_and_refused_is_replaced_by_asking() -> None:
    async with scripted({**offering("IDLE"), "IDLE": b"{tag} BAD what?\r\n"}) as server:
        source = await server.open()
        assert await source.wait(INBOX, 0.2) == {INBOX}
        assert await source.wait(INBOX, 0.2) == frozenset()
        assert said(server, "NOOP")
        await source.close()


async def test_flags_told_while_idle_ends_are_not_lost() -> None:
    answers: Answers = {**offering("IDLE"), "IDLE": b"+ idling\r\n"}
    answers[""] = b"* 2 FETCH (FLAGS (\\Seen))\r\nP5 OK\r\n"  # to DONE, which has no tag
    async with scripted(answers) as server:
        source = await server.open()
        assert await source.wait(INBOX, 0.2) == {INBOX}
        assert await source.wait(INBOX, 0.2) == {INBOX}
        await source.close()


async def test_idle_is_renewed_before_a_server_takes_us_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "IDLE_SECONDS", 0.01)
    answers: Answers = {**offering("IDLE"), "IDLE": b"+ idling\r\n"}
    answers[""] = [b"P5 OK\r\n", b"P6 OK\r\n", b"* 4 EXISTS\r\nP7 OK\r\n"]
    async with scripted(answers) as server:
        source = await server.open()
        assert await source.wait(INBOX, 5) == {INBOX}
        assert await source.wait(INBOX, 5) == {INBOX}
        await source.close()
        assert [line.split()[1:] for line in server.heard if b"IDLE" in line] == [[b"IDLE"]] * 3


async def test_flags_told_where_there_is_no_idle_are_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    async with scripted({"NOOP": b"* 2 FETCH (FLAGS (\\Seen))\r\n{tag} OK\r\n"}) as server:
        source = await server.open()
        assert await source.wait(INBOX, 0.2) == {INBOX}
        assert await source.wait(INBOX, 5) == {INBOX}
        await source.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"{tag} NO [LIMIT] At most 32 flags in one mailbox supported\r\n", MessageTrouble),
        (b"{tag} NO [LIMIT] UID STORE rate limit hit\r\n", TryAgain),
    ],
)
async def test_one_keyword_too_many_is_refused_and_not_tried_for_ever(answer: bytes, error: type[Exception]) -> None:
    async with scripted({"UID STORE": answer}) as server:
        source = await server.open()
        with pytest.raises(error):
            await source.perform(ChangeFlags(INBOX, (RemoteId("7.1"),), add=frozenset({"wichtig"})))
        await source.close()


async def test_a_providers_limit_of_a_day_is_waited_for_and_is_no_full_mailbox() -> None:
    over = b"{tag} NO [OVERQUOTA] Account exceeded command or bandwidth limits\r\n"
    async with scripted({"LOGIN": over}) as server:
        with pytest.raises(TryAgain, match="server-busy"):
            await server.open()
    async with scripted({"UID FETCH": over}) as server:
        source = await server.open()
        with pytest.raises(TryAgain, match="server-busy"):
            await source.changes(INBOX, None)
        await source.close()


async def test_quota_is_the_fullest_limit_of_the_storage() -> None:
    told = b'* QUOTAROOT INBOX "" "Gruppe"\r\n* QUOTA "" (STORAGE 10 100)\r\n* QUOTA "Gruppe" (STORAGE 90 100 MESSAGE 1 5)\r\n'
    for answer, used in (
        (told + OK, 90 * 1024),
        (b'* QUOTA "" (STORAGE 1 0)\r\n' + OK, None),
        (b"{tag} NO no\r\n", None),
    ):
        async with scripted({**offering("QUOTA"), "GETQUOTAROOT": answer}) as server:
            source = await server.open()
            quota = await source.quota()
            await source.close()
        assert (quota.used if quota else None) == used


# -- compression -----------------------------------------------------------------------------------------------------


def packed(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    "after",
    [b"this is not packed at all\r\n" * 3, b"\xff" * 100, zlib.compress(b"x" * 1000), b"\x03\x00* OK more\r\n"],
    ids=["plain", "garbage", "zlib-header", "past-the-end"],
)
async def test_a_stream_that_is_not_what_was_agreed_ends_the_session(after: bytes) -> None:
    answers: Answers = {**offering("COMPRESS=DEFLATE"), "COMPRESS": OK + after}
    async with scripted(answers) as server:
        source = await server.open(bulk=True)
        with pytest.raises(ProtocolViolation) as caught:
            await source.folders()
        await source.close()
    assert caught.value.code == "compression-broken"


async def test_compression_that_is_refused_is_done_without() -> None:
    async with scripted({**offering("COMPRESS=DEFLATE"), "COMPRESS": b"{tag} NO [COMPRESSIONACTIVE] no\r\n"}) as server:
        source = await server.open(bulk=True)
        assert len(await source.folders()) == 1
        await source.close()


async def test_a_small_packet_that_unpacks_to_a_huge_line_is_refused_as_a_long_line() -> None:
    bomb = packed(b"* OK " + b"x" * 200_000_000)
    assert len(bomb) < 300_000
    async with scripted({**offering("COMPRESS=DEFLATE"), "COMPRESS": OK + bomb}) as server:
        source = await server.open(bulk=True, limits=wire.Limits(read_seconds=2))
        with pytest.raises(ProtocolViolation) as caught:
            await source.folders()
        await source.close()
    assert caught.value.code == "line-too-long"


def test_unpacking_never_gives_more_than_there_is_room_for() -> None:
    unpacker = Unpacker()
    unpacker.feed(packed(b"a" * 10_000_000 + b"Ende"))
    got = bytearray()
    while piece := unpacker.unpack(1000):
        assert len(piece) <= 1000
        got += piece
    assert got == b"a" * 10_000_000 + b"Ende"
    assert unpacker.waiting == 0
