"""What IMAP servers say is read exactly, however it is cut into pieces; what they must not say is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poststelle.adapters.connection import EgressPolicy
from poststelle.adapters.imap import command, utf7, wire
from poststelle.adapters.imap.numbers import Numbers
from poststelle.adapters.imap.reader import Body, internal_date
from poststelle.adapters.imap.session import Session
from poststelle.adapters.stream import Connection
from poststelle.errors import ProtocolViolation, TryAgain

names = st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name)


def as_sent(value: bytes) -> list[Body]:
    """An argument as a server would echo it: the parts of one answer."""
    spelled = command.string(value)
    if isinstance(spelled, command.Literal):
        return [b"* LIST () NIL {%d}" % len(value), value, b""]
    return [b"* LIST () NIL " + spelled]


@given(names)
def test_a_name_survives_the_wire_whatever_bytes_it_has(name: bytes) -> None:
    listed = wire.parse(as_sent(name))
    assert isinstance(listed, wire.Listed)
    assert listed.name == name


@given(st.text(max_size=40).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)))
def test_modified_utf7_reads_back_what_it_wrote(name: str) -> None:
    encoded = utf7.encode(name)
    assert encoded.isascii()
    assert utf7.decode(encoded) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"A&-B", "A&B"),
        (b"&2D3eAA-", "😀"),
        (b"&broken", "&broken"),
        (b"&2D0-x", "&2D0-x"),
        ("Entwürfe".encode(), "Entwürfe"),
        (b"\xfcber", "über"),
    ],
)
def test_folder_names_are_shown_whatever_the_server_wrote(name: bytes, shown: str) -> None:
    assert utf7.decode(name) == shown


@given(st.sets(st.integers(1, 500), min_size=1))
def test_a_uid_set_names_exactly_its_numbers(uids: set[int]) -> None:
    numbers = Numbers("SEARCH", 1000)
    numbers.feed(command.uid_set(sorted(uids)), last=True)
    assert set(numbers.found) == uids


def test_line_ends_never_get_into_a_command() -> None:
    with pytest.raises(ValueError, match="line end"):
        command.serialise(b"A", [b"LOGIN x\r\nA2 DELETE INBOX"], frozenset())
    assert isinstance(command.string(b"a\r\nb"), command.Literal)
    with pytest.raises(ValueError, match="NUL"):
        command.string(b"a\0b")
    with pytest.raises(ValueError, match="atom"):
        command.flag_list(["\\Seen) x"])


def test_literals_wait_for_the_server_unless_it_said_they_need_not() -> None:
    arguments = [b"LOGIN", command.Literal(b"m\xc3\xbcller"), command.Literal(b"x\xff")]

    def sent(*capable: str) -> list[bytes]:
        return [b"".join(group) for group in command.serialise(b"A", arguments, frozenset(capable))]

    assert sent() == [b"A LOGIN {7}\r\n", b"m\xc3\xbcller {2}\r\n", b"x\xff\r\n"]
    assert sent("LITERAL+") == [b"A LOGIN {7+}\r\nm\xc3\xbcller {2+}\r\nx\xff\r\n"]
    assert sent("LITERAL-") == sent("LITERAL+")


def test_where_only_short_literals_need_not_wait_long_ones_do() -> None:
    def sent(size: int) -> list[bytes]:
        arguments = [b"APPEND", command.Literal(b"x" * size)]
        return [b"".join(group)[:20] for group in command.serialise(b"A", arguments, frozenset({"LITERAL-"}))]

    assert sent(4096) == [b"A APPEND {4096+}\r\nxx"]
    assert sent(4097) == [b"A APPEND {4097}\r\n", b"x" * 20]


def test_a_fetch_answer_is_read_in_any_order_and_case() -> None:
    answer = wire.parse(
        [
            b"* 7 fetch (RFC822.SIZE 5 modseq (12) BODY[] {5}",
            b"a)\r\n(",
            b' InternalDate " 1-Feb-2026 10:00:00 +0100" FLAGS (\\seen $x) UID 4294967295)',
        ]
    )
    received = datetime(2026, 2, 1, 10, tzinfo=timezone(timedelta(hours=1)))
    assert answer == wire.Fetched(4294967295, ("\\seen", "$x"), received, 5, True, b"a)\r\n(")


def test_bodystructures_and_envelopes_we_did_not_ask_for_do_no_harm() -> None:
    answer = wire.parse(
        [
            b'* 1 FETCH (ENVELOPE ("x" "sub (offen * 0" NIL (("a" NIL "b" "c"))) '
            b'BODYSTRUCTURE (("text" "plain" ("charset" "x") NIL NIL "7bit" 3 1) "mixed") UID 3)'
        ]
    )
    assert isinstance(answer, wire.Fetched)
    assert answer.uid == 3


@pytest.mark.parametrize("text", [b"(", b")", b'"open', b"1 FETCH UID", b"1 FETCH (UID x)", b"LIST x", b"STATUS x 3"])
def test_broken_answers_are_a_violation_and_nothing_else(text: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        wire.parse([b"* " + text] if not text.startswith((b"(", b")", b'"')) else [b"* LIST () NIL " + text])


def test_nesting_ends_at_the_limit() -> None:
    assert wire.parse([b"* 1 FETCH (X " + b"(" * 49 + b")" * 49 + b" UID 1)"]) == wire.Fetched(1)
    with pytest.raises(ProtocolViolation) as caught:
        wire.parse([b"* 1 FETCH (X " + b"(" * 60_000])
    assert caught.value.code == "nesting-too-deep"


@given(st.lists(st.integers(1, 1 << 32), max_size=30), st.data())
def test_long_number_lists_read_the_same_in_any_pieces(numbers: list[int], data: st.DataObject) -> None:
    numbers = [number for number in numbers if number < 1 << 32]
    text = b"".join(b" %d" % number for number in numbers) + b" (MODSEQ 917162500)"
    collected = Numbers("SEARCH", 1000)
    while len(text) > 1:
        cut = data.draw(st.integers(1, len(text) - 1))
        collected.feed(text[:cut], last=False)
        text = text[cut:]
        if data.draw(st.booleans()):
            break
    collected.feed(text, last=True)
    assert list(collected.found) == numbers


def test_an_esearch_answer_gives_all_and_only_all() -> None:
    collected = Numbers("ESEARCH", 1000)
    collected.feed(b' (TAG "P3") UID COUNT 5 ALL 1:3,9 MODSEQ 77', last=True)
    assert list(collected.found) == [1, 2, 3, 9]


def test_a_number_list_ends_at_the_limit() -> None:
    with pytest.raises(ProtocolViolation) as caught:
        Numbers("SEARCH", 1000).feed(b" 1:4294967295", last=True)
    assert caught.value.code == "too-many-numbers"


def test_free_text_announces_no_literal() -> None:
    assert wire.literal_size(b"* OK see {3}") is None
    assert wire.literal_size(b"P1 NO quota {12}") is None
    assert wire.literal_size(b"+ {3}") is None
    assert wire.literal_size(b"* 1 FETCH (BODY[] {3}") == 3


@pytest.mark.parametrize("date", [b"99-Feb-2026 10:00:00 +0100", b"01-Foo-2026 10:00:00 +0100", b"", b"x"])
def test_a_date_that_is_none_is_no_date(date: bytes) -> None:
    assert internal_date(date) is None
    assert internal_date(b"31-Dec-2026 23:59:59 +0000") == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)


STREAM = (
    b"* OK [HIGHESTMODSEQ 715194045007] Highest {9}\r\n"
    b"* 172 EXISTS\r\n"
    b'* LIST (\\HasNoChildren) "/" {5}\r\n"a\\\r\n\r\n'
    b"* SEARCH 5 3 99\r\n"
    b"* 1 FETCH (UID 9 BODY[] {30}\r\nP1 OK done\r\n* BYE\r\n)\r\n{3}\r\nabc FLAGS (\\Deleted))\r\n"
    b'* STATUS "x y" (MESSAGES 3 UIDNEXT 4)\r\n'
    b"* VANISHED (EARLIER) 41,43:116\r\n"
    b"P1 OK [READ-ONLY] done\r\n"
)


async def read_all(pieces: list[bytes]) -> list[wire.Response]:
    connection = Connection("mail.example.test", 993, EgressPolicy())
    session = Session(connection, wire.Limits())

    async def feed() -> None:
        for piece in pieces:
            connection.data_received(piece)
            await asyncio.sleep(0)
        connection.eof_received()

    feeding = asyncio.create_task(feed())
    found: list[wire.Response] = []
    try:
        while True:
            found.append(await session.read(5))
    except TryAgain:
        await feeding
        return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=40))
def test_answers_are_the_same_however_the_network_cuts_them(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    whole = asyncio.run(read_all([STREAM]))
    assert len(whole) == 8
    assert whole[2] == wire.Listed(frozenset({"\\hasnochildren"}), b"/", b'"a\\\r\n')
    fetched = whole[4]
    assert isinstance(fetched, wire.Fetched)
    assert fetched.body == b"P1 OK done\r\n* BYE\r\n)\r\n{3}\r\nabc"
    assert asyncio.run(read_all(pieces)) == whole


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"* ", b"1 FETCH ", b"(", b")", b'"', b"{2}\r\n", b"\r\n", b"UID ", b"7", b"NIL", b" ",
                                 b"BODY[]", b"\\", b"* SEARCH", b"+", b"P1 OK", b"[", b"]", b"LIST", b"FLAGS ",
                                 b"STATUS", b"* VANISHED (EARLIER) 1:4", b"* NAMESPACE ", b"* QUOTA ", b"* MYRIGHTS ",
                                     b"[COPYUID ", b"* ENABLED ", b"\xff", b"\0", b"ab"]), max_size=25))  # fmt: skip
def test_no_stream_of_tokens_raises_anything_but_trouble(tokens: list[bytes]) -> None:
    async def read() -> None:
        connection = Connection("mail.example.test", 993, EgressPolicy())
        session = Session(connection, wire.Limits())
        connection.data_received(b"".join(tokens) + b"\r\n")
        connection.eof_received()
        while True:
            await session.read(1)

    with pytest.raises((ProtocolViolation, TryAgain)):
        asyncio.run(read())
