"""What is done on poor and careless servers: nothing twice, nothing of other people's, and nothing they cannot do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from poststelle.adapters.imap import command
from poststelle.errors import FolderMissing, MessageTrouble
from poststelle.mail.ports import (
    FLAGGED,
    SEEN,
    Append,
    ChangeFlags,
    Copy,
    CreateFolder,
    Delete,
    DeleteFolder,
    Move,
    RemoteFolderId,
    RemoteId,
    RenameFolder,
)
from tests.adapters.scripted_imap import ScriptedImap, scripted

INBOX, FILES = RemoteFolderId("INBOX"), RemoteFolderId("Akten")
OK = b"{tag} OK\r\n"
HEADERS = b"".join(
    b"* %d FETCH (UID %d RFC822.SIZE 9 BODY[HEADER.FIELDS (MESSAGE-ID)] {24}\r\nMessage-ID: <%d@y.de>\r\n\r\n)\r\n"
    % (n, n, n)
    for n in (1, 2, 3)
)


def ids(*uids: int) -> tuple[RemoteId, ...]:
    return tuple(RemoteId(f"7.{uid}") for uid in uids)


def offering(*names: str) -> dict[str, bytes | list[bytes | None] | None]:
    told = " ".join(("IMAP4rev1", "LITERAL+", *names)).encode()
    return {"CAPABILITY": b"* CAPABILITY " + told + b"\r\n" + OK, "UID STORE": OK, "UID EXPUNGE": OK, "EXPUNGE": OK}


def said(server: ScriptedImap, *verbs: str) -> list[str]:
    """The commands of these kinds, without their tags."""
    told = [line.decode().strip().partition(" ")[2] for line in server.heard]
    return [line for line in told if line.startswith(verbs)]


async def test_a_move_tells_where_the_messages_lie_now() -> None:
    moved = b"* OK [COPYUID 9 1,3 20:21] moved\r\n* 1 EXPUNGE\r\n" + OK
    async with scripted({**offering("MOVE", "UIDPLUS"), "UID MOVE": moved}) as server:
        source = await server.open()
        outcome = await source.perform(Move(INBOX, ids(1, 3), FILES))
        await source.close()
    assert outcome.ids == {"7.1": "9.20", "7.3": "9.21"}
    assert said(server, "UID MOVE", "UID COPY", "UID STORE") == ['UID MOVE 1,3 "Akten"']


@pytest.mark.parametrize("code", [b"9 1,3 20", b"9 1:4000000000 1:4000000000", b"x", b"9 1,3 20:", b"9 4294967296 0"])
async def test_a_wrong_word_about_where_they_lie_is_no_word(code: bytes) -> None:
    async with scripted({**offering("MOVE"), "UID MOVE": b"{tag} OK [COPYUID " + code + b"] done\r\n"}) as server:
        source = await server.open()
        assert all(old in ids(1, 3) for old in (await source.perform(Move(INBOX, ids(1, 3), FILES))).ids)
        await source.close()


async def test_exchange_2013_leaves_out_the_beginning_of_its_answer() -> None:
    async with scripted({**offering("MOVE"), "UID MOVE": b"[COPYUID 124 1 233]\r\n* 1 EXPUNGE\r\n" + OK}) as server:
        source = await server.open()
        assert (await source.perform(Move(INBOX, ids(1), FILES))).ids == {"7.1": "124.233"}
        await source.close()


async def test_a_server_that_offers_move_and_does_not_know_it_gets_a_copy_and_a_removal() -> None:
    answers = {
        **offering("MOVE", "UIDPLUS"),
        "UID COPY": b"{tag} OK [COPYUID 9 2 20] done\r\n",
        "UID FETCH": HEADERS + OK,
    }
    answers["UID SEARCH"] = [b"* SEARCH 1 2 3\r\n" + OK, b"* SEARCH\r\n" + OK]
    async with scripted(answers) as server:
        source = await server.open()
        outcome = await source.perform(Move(INBOX, ids(2), FILES))
        await source.close()
    assert outcome.ids == {"7.2": "9.20"}
    assert said(server, "UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE") == [
        'UID MOVE 2 "Akten"',
        'UID COPY 2 "Akten"',
        "UID STORE 2 +FLAGS.SILENT (\\Deleted)",
        "UID EXPUNGE 2",
    ]


async def test_a_move_that_was_cut_off_after_copying_is_finished_without_a_second_copy() -> None:
    answers = {**offering("UIDPLUS"), "UID COPY": b"{tag} OK [COPYUID 9 2 20] done\r\n", "UID FETCH": HEADERS + OK}
    answers["UID SEARCH"] = [b"* SEARCH 1 2\r\n" + OK, b"* SEARCH 1\r\n" + OK, b"* SEARCH\r\n" + OK]
    async with scripted(answers) as server:
        source = await server.open()
        outcome = await source.perform(Move(INBOX, ids(1, 2), FILES))
        await source.close()
    assert outcome.ids == {"7.1": "7.1", "7.2": "9.20"}
    assert said(server, "UID COPY", "UID EXPUNGE") == ['UID COPY 2 "Akten"', "UID EXPUNGE 1:2"]


async def test_without_uid_expunge_only_our_own_removals_are_carried_out() -> None:
    answers = {**offering(), "UID SEARCH": [b"* SEARCH 1 2\r\n" + OK, b"* SEARCH 1 2\r\n" + OK]}
    async with scripted(answers) as server:
        source = await server.open()
        await source.perform(Delete(INBOX, ids(1, 2)))
        await source.close()
    assert said(server, "EXPUNGE", "UID EXPUNGE", "CLOSE") == ["EXPUNGE"]


async def test_without_uid_expunge_nothing_is_carried_out_while_others_have_marked_something() -> None:
    answers = {**offering(), "UID SEARCH": [b"* SEARCH 1 2\r\n" + OK, b"* SEARCH 1 2 3\r\n" + OK]}
    async with scripted(answers) as server:
        source = await server.open()
        await source.perform(Delete(INBOX, ids(1, 2)))
        await source.folders()
        await source.close()
    assert said(server, "UID STORE") == ["UID STORE 1:2 +FLAGS.SILENT (\\Deleted)"]
    assert said(server, "EXPUNGE", "UID EXPUNGE", "CLOSE") == []


async def test_uid_expunge_that_is_offered_and_unknown_is_no_reason_to_remove_what_others_marked() -> None:
    answers = {**offering("UIDPLUS"), "UID EXPUNGE": b"{tag} BAD what?\r\n"}
    answers["UID SEARCH"] = [b"* SEARCH 1\r\n" + OK, b"* SEARCH 1 9\r\n" + OK]
    async with scripted(answers) as server:
        source = await server.open()
        await source.perform(Delete(INBOX, ids(1)))
        await source.close()
    assert said(server, "EXPUNGE") == []


async def test_messages_of_another_numbering_are_never_touched() -> None:
    old = (RemoteId("6.1"), RemoteId("6.2"))
    async with scripted({**offering("MOVE", "UIDPLUS"), "UID MOVE": OK}) as server:
        source = await server.open()
        for errand in (Move(INBOX, old, FILES), Copy(INBOX, old, FILES), Delete(INBOX, old)):
            assert (await source.perform(errand)).gone == set(old)
        await source.close()
    assert said(server, "UID") == []


async def test_a_target_that_is_missing_is_named() -> None:
    async with scripted({**offering(), "UID COPY": b"{tag} NO [TRYCREATE] no such folder\r\n"}) as server:
        source = await server.open()
        with pytest.raises(FolderMissing) as caught:
            await source.perform(Copy(INBOX, ids(1), FILES))
        await source.close()
    assert caught.value.facts["folder"] == FILES


def test_very_many_numbers_are_said_in_lines_a_server_can_read() -> None:
    odd: Sequence[int] = range(1_000_000_001, 1_000_020_001, 2)
    parts = list(command.uid_sets(odd))
    assert [uid for _, named in parts for uid in named] == list(odd)
    assert all(len(part) < 7500 for part, _ in parts)
    assert [part for part, _ in command.uid_sets(range(1, 11), most=4)] == [b"1:4", b"5:8", b"9:10"]


async def test_flags_of_very_many_messages_go_in_short_lines() -> None:
    odd = tuple(RemoteId(f"7.{uid}") for uid in range(100_001, 120_001, 2))
    every = b"* SEARCH" + b"".join(b" %d" % uid for uid in range(100_001, 120_001, 2)) + b"\r\n" + OK
    async with scripted({**offering(), "UID SEARCH": every}) as server:
        source = await server.open()
        assert not (await source.perform(ChangeFlags(INBOX, odd, frozenset({"\\Seen"})))).gone
        await source.close()
    assert max(map(len, server.heard)) < 8192


async def test_a_server_that_does_not_search_headers_is_read_instead() -> None:
    answers = {
        **offering(),
        "UID FETCH": HEADERS + OK,
        "UID SEARCH": [b"{tag} NO cannot\r\n", b"* SEARCH 1 2 3\r\n" + OK],
    }
    async with scripted(answers) as server:
        source = await server.open()
        outcome = await source.perform(Append(INBOX, b"Message-ID: <2@y.de>\r\n\r\n", frozenset(), "<2@y.de>"))
        await source.close()
    assert outcome.id == "7.2"
    assert said(server, "APPEND") == []


async def test_a_message_with_utf8_headers_goes_as_rfc_6855_wants() -> None:
    answers = {**offering("ENABLE", "UTF8=ACCEPT"), "ENABLE": b"* ENABLED UTF8=ACCEPT\r\n" + OK, "APPEND": OK}
    answers["UID SEARCH"] = b"* SEARCH\r\n" + OK
    entwurf = '* LIST () "/" "Entwürfe"\r\n'.encode()
    async with scripted({**answers, "LIST": entwurf + OK}) as server:
        source = await server.open()
        (folder,) = await source.folders()
        assert folder.path == ("Entwürfe",)
        assert folder.id == "Entw&APw-rfe"
        await source.perform(Append(folder.id, "Subject: Grüße\r\n\r\n".encode(), frozenset(), ""))
        await source.search(folder.id, ["Größe"], 5)
        await source.close()
    (append,) = said(server, "APPEND")
    assert append == "APPEND {9+}\r\nEntwürfe () UTF8 (~{20+}\r\nSubject: Grüße\r\n\r\n)"
    assert said(server, "UID SEARCH TEXT")


async def test_a_server_without_utf8_search_says_so() -> None:
    async with scripted({**offering(), "UID SEARCH": b"{tag} NO [BADCHARSET (US-ASCII)] no\r\n"}) as server:
        source = await server.open()
        for words in (["Größe"], ["a\0b"]):
            with pytest.raises(MessageTrouble) as caught:
                await source.search(INBOX, words, 5)
            assert caught.value.code == "search-unsupported"
        await source.folders()
        await source.close()


@pytest.mark.parametrize(
    ("listing", "answer", "code"),
    [
        (b"", b"{tag} NO [CANNOT] not so\r\n", "folder-name-impossible"),
        (b"", b"{tag} NO no more folders for you\r\n", "refused-by-server"),
        (b'* LIST (\\Noselect) "." "Akten"\r\n', b"{tag} NO [ALREADYEXISTS] there\r\n", "folder-exists"),
    ],
)
async def test_a_folder_the_server_does_not_make_says_why(listing: bytes, answer: bytes, code: str) -> None:
    async with scripted({**offering(), "CREATE": answer, "LIST": listing + OK, "SUBSCRIBE": OK}) as server:
        source = await server.open()
        with pytest.raises(MessageTrouble) as caught:
            await source.perform(CreateFolder(("Akten",)))
        await source.close()
    assert caught.value.code == code


@pytest.mark.parametrize("path", [(), ("",), ("a.b",), ("a\nb",), ("a", ""), ("x" * 2000,), ("\ud800",)])
async def test_a_name_no_folder_can_have_is_never_sent(path: tuple[str, ...]) -> None:
    async with scripted({**offering(), "LIST": b'* LIST (\\Noselect) "." ""\r\n' + OK}) as server:
        source = await server.open()
        with pytest.raises(MessageTrouble) as caught:
            await source.perform(CreateFolder(path))
        await source.close()
    assert caught.value.code == "folder-name-impossible"
    assert said(server, "CREATE") == []


async def test_a_folder_is_renamed_below_the_personal_prefix_and_its_subscriptions_follow() -> None:
    answers = {
        **offering("NAMESPACE"),
        "NAMESPACE": b'* NAMESPACE (("INBOX." ".")) NIL NIL\r\n' + OK,
        "LSUB": [b'* LSUB () "." INBOX.Alt\r\n' + OK, b'* LSUB () "." INBOX.Alt.2025\r\n' + OK],
        "RENAME": OK,
        "SUBSCRIBE": OK,
        "UNSUBSCRIBE": OK,
    }
    async with scripted(answers) as server:
        source = await server.open(inbox_is_root=True)
        outcome = await source.perform(RenameFolder(RemoteFolderId("INBOX.Alt"), ("Neu",)))
        await source.close()
    assert outcome.folder == "INBOX.Neu"
    assert said(server, "RENAME", "SUBSCRIBE", "UNSUBSCRIBE") == [
        'RENAME "INBOX.Alt" "INBOX.Neu"',
        'SUBSCRIBE "INBOX.Neu"',
        'UNSUBSCRIBE "INBOX.Alt"',
        'SUBSCRIBE "INBOX.Neu.2025"',
        'UNSUBSCRIBE "INBOX.Alt.2025"',
    ]


SELECTED = b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [PERMANENTFLAGS (%s)] limited\r\n{tag} OK [READ-WRITE]\r\n"


@pytest.mark.parametrize(
    ("permanent", "stored", "unkept"),
    [
        (rb"\Seen \Deleted Bezahlt", ["UID STORE 1 +FLAGS (\\Seen bezahlt)", "UID STORE 1 -FLAGS (\\Flagged)"], {"Wichtig"}),
        (rb"\Seen \*", ["UID STORE 1 +FLAGS (Wichtig \\Seen bezahlt)", "UID STORE 1 -FLAGS (\\Flagged alt)"], set()),
    ],
)  # fmt: skip
async def test_keywords_the_server_does_not_keep_are_not_sent_and_named(
    permanent: bytes, stored: list[str], unkept: set[str]
) -> None:
    async with scripted({**offering(), "SELECT": SELECTED % permanent}) as server:
        source = await server.open()
        errand = ChangeFlags(INBOX, ids(1), frozenset({SEEN, "Wichtig", "bezahlt"}), frozenset({FLAGGED, "alt"}))
        outcome = await source.perform(errand)
        await source.close()
    assert (outcome.gone, outcome.unkept) == (frozenset(), unkept)
    assert said(server, "UID STORE") == stored


async def test_a_keyword_the_server_does_not_keep_is_not_worth_a_word_to_it() -> None:
    async with scripted({**offering(), "SELECT": SELECTED % rb"\Seen"}) as server:
        source = await server.open()
        outcome = await source.perform(ChangeFlags(INBOX, ids(1), frozenset({"Wichtig"})))
        await source.close()
    assert outcome.unkept == {"Wichtig"}
    assert said(server, "UID STORE") == []


@pytest.mark.parametrize(
    ("permanent", "sent", "unkept"),
    [(rb"\Seen bezahlt", "(Bezahlt \\Seen)", {"Wichtig"}), (rb"\Seen \*", "(Bezahlt Wichtig \\Seen)", set())],
)
async def test_a_message_is_put_into_a_folder_without_the_keywords_it_does_not_keep(
    permanent: bytes, sent: str, unkept: set[str]
) -> None:
    answers = {**offering("LITERAL+"), "SELECT": SELECTED % permanent, "APPEND": OK}
    async with scripted(answers) as server:
        source = await server.open()
        outcome = await source.perform(
            Append(INBOX, b"Subject: x\r\n\r\n", frozenset({SEEN, "Wichtig", "Bezahlt"}), "")
        )
        await source.close()
    assert outcome.unkept == unkept
    (said_there,) = said(server, "APPEND")
    assert sent in said_there


async def test_a_message_without_keywords_is_put_into_a_folder_that_is_only_looked_at() -> None:
    async with scripted({**offering("LITERAL+"), "EXAMINE": SELECTED % rb"", "APPEND": OK}) as server:
        source = await server.open()
        outcome = await source.perform(Append(INBOX, b"Subject: x\r\n\r\n", frozenset({SEEN}), ""))
        await source.close()
    assert outcome.unkept == set()
    (said_there,) = said(server, "APPEND")
    assert "(\\Seen)" in said_there


@pytest.mark.parametrize(
    ("offered", "left_by"), [(("UNSELECT",), ["UNSELECT"]), ((), ["EXAMINE", "CLOSE"])], ids=["unselect", "close"]
)
async def test_a_folder_is_left_before_it_is_deleted_and_nothing_is_expunged_by_it(
    offered: tuple[str, ...], left_by: list[str]
) -> None:
    """CLOSE removes what anybody has marked in a folder that was opened for writing."""
    answers = {**offering(*offered), "UNSELECT": OK, "CLOSE": OK, "DELETE": OK, "UNSUBSCRIBE": OK, "UID STORE": OK}
    async with scripted(answers) as server:
        source = await server.open()
        await source.perform(ChangeFlags(INBOX, ids(1), frozenset({SEEN})))
        await source.perform(DeleteFolder(RemoteFolderId("Alt")))
        await source.close()
    verbs = [line.split()[1].decode().upper() for line in server.heard]
    assert verbs[verbs.index("DELETE") - len(left_by) : verbs.index("DELETE")] == left_by
