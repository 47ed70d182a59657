"""Messages, right and wrong, and what is read of them."""

from __future__ import annotations

import base64
import mmap
import tempfile
import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poststelle.mail.address import Address
from poststelle.mail.digest import digest
from poststelle.mail.message import ParsedMessage, body_text, parse, part_bytes, part_text, preview
from poststelle.mail.mime import MAX_DEPTH, MAX_HEADER, MAX_PARTS, Part

MIXED = b"""From: =?utf-8?q?J=C3=BCrg?= <j@x.test>
To: a@x.test, B <b@x.test>
Subject: =?utf-8?q?Rechnung_f=C3=BCr?= Mai
Date: Wed, 03 Jan 2024 10:00:00 +0100
Message-ID: <m1@x.test>
In-Reply-To: <m0@x.test>
References: <r@x.test> <m0@x.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="out er"

preamble
--out er
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=
=C3=9Fe
--inner
Content-Type: multipart/related; boundary=rel

--rel
Content-Type: text/html; charset=utf-8

<p>Hallo <img src="cid:logo@x"></p>
--rel
Content-Type: image/png; name=logo.png
Content-ID: <logo@x>
Content-Transfer-Encoding: base64

iVBORw0K
--rel--
--inner--
--out er
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''f%C3%BCr.pdf
Content-Transfer-Encoding: base64

JVBERg==
--out er
Content-Type: message/rfc822

Subject: nested
Content-Type: multipart/mixed; boundary=deep

--deep

inner text
--deep
Content-Type: application/zip; name=z.zip

zip
--deep--
--out er--
epilogue
"""


def leaves(part: Part) -> list[Part]:
    return [leaf for child in part.children for leaf in leaves(child)] if part.children else [part]


def text_message(body: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"From: a@x.test", *fields, b"", body])


@pytest.fixture(params=[b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def mixed(request: pytest.FixtureRequest) -> bytes:
    return MIXED.replace(b"\n", request.param)


def test_the_header_of_a_message_is_read(mixed: bytes) -> None:
    parsed = parse(mixed)
    assert parsed.subject == "Rechnung für Mai"
    assert parsed.from_ == (Address("Jürg", "j@x.test"),)
    assert parsed.to == (Address("", "a@x.test"), Address("B", "b@x.test"))
    assert parsed.date == datetime(2024, 1, 3, 9, tzinfo=UTC)
    assert (parsed.message_id, parsed.in_reply_to, parsed.references) == (
        "m1@x.test",
        ("m0@x.test",),
        ("r@x.test", "m0@x.test"),
    )
    assert (parsed.sender, parsed.cc, parsed.bcc, parsed.reply_to, parsed.defects) == ((), (), (), (), ())


def test_text_html_and_attachments_are_told_apart(mixed: bytes) -> None:
    parsed = parse(mixed)
    assert body_text(mixed, parsed) == "Grüße"
    assert parsed.html_part is not None
    assert part_text(mixed, parsed.html_part).strip() == '<p>Hallo <img src="cid:logo@x"></p>'
    found = [(part.path, part.content_type, part.name, part.is_inline) for part in parsed.attachments]
    assert found == [
        ("1.2.2", "image/png", "logo.png", True),
        ("2", "application/pdf", "für.pdf", False),
        ("3", "message/rfc822", "", False),
    ]
    assert part_bytes(mixed, parsed.attachments[1]) == b"%PDF"


def test_a_nested_message_is_an_attachment_with_parts_of_its_own(mixed: bytes) -> None:
    nested = parse(mixed).attachments[2]
    assert nested.children[0].headers.get("subject") == "nested"
    assert [(part.path, part.content_type) for part in leaves(nested)] == [
        ("3.1.1", "text/plain"),
        ("3.1.2", "application/zip"),
    ]
    assert parse(part_bytes(mixed, nested)).subject == "nested"


def test_offsets_give_the_encoded_body_without_the_line_end_before_the_boundary(mixed: bytes) -> None:
    assert mixed[parse(mixed).attachments[1].start : parse(mixed).attachments[1].end] == b"JVBERg=="


def test_a_memory_map_and_a_memory_view_are_read_like_bytes() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(MIXED)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            parsed = parse(mapped)
            assert parsed == parse(MIXED) == parse(memoryview(MIXED))
            assert (
                part_bytes(mapped, parsed.attachments[1])
                == part_bytes(memoryview(MIXED), parsed.attachments[1])
                == b"%PDF"
            )


def test_the_parts_of_a_cut_off_message_are_still_there() -> None:
    cut = MIXED[: MIXED.index(b"--out er\nContent-Type: message")]
    parsed = parse(cut)
    assert [part.name for part in parsed.attachments] == ["logo.png", "für.pdf"]
    assert parsed.defects == ("no-closing-boundary",)


def test_an_outer_boundary_ends_an_inner_multipart_that_was_never_closed() -> None:
    raw = MIXED.replace(b"--rel--\n", b"").replace(b"--inner--\n", b"")
    assert [part.path for part in parse(raw).attachments] == ["1.2.2", "2", "3"]
    assert "no-closing-boundary" in parse(raw).defects


def test_a_boundary_that_begins_like_another_is_not_that_one() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=ab\n\n--ab\nContent-Type: multipart/mixed; boundary=abc\n\n--abc\n\neins\n--abc--\n--ab\n\nzwei\n--ab--\n"
    assert [part_bytes(raw, part) for part in leaves(parse(raw).root)] == [b"eins", b"zwei"]


def test_blanks_after_a_boundary_do_not_matter() -> None:
    raw = b'Content-Type: multipart/mixed; boundary="x "\n\n--x  \t\n\neins\n--x-- \n'
    assert body_text(raw, parse(raw)) == "eins"


def test_a_part_without_header_and_blank_line_does_not_swallow_the_next() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n--x\n\nzwei\n--x--\n"
    assert [part_bytes(raw, part) for part in leaves(parse(raw).root)] == [b"", b"zwei"]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_a_header_ends_at_its_blank_line_however_long_it_is_and_whatever_hyphens_it_holds(newline: bytes) -> None:
    long = b"X-Long: " + b"lang " * 2_000
    raw = newline.join(
        (b"Content-Type: multipart/mixed; boundary=x", long, b"Subject: lang", b"", b"--x", b"Content-Type: text/plain", long,
         b"Content-ID: <eins@x>", b"", b"eins", b"--x", b"--y", b"Content-Type: text/plain", b"", b"zwei", b"--x--", b"")
    )  # fmt: skip
    first, second = parse(raw).root.children
    assert parse(raw).subject == "lang"
    assert (first.content_id, part_bytes(raw, first)) == ("eins@x", b"eins")
    assert part_bytes(raw, second).endswith(b"zwei")


def test_parts_with_the_same_header_are_told_apart() -> None:
    raw = b"Content-Type: multipart/%s; boundary=x\n\n--x\nX: 1\n\neins\n--x\nX: 1\n\nzwei\n--x--\n"
    mixed, digested = (parse(raw % kind).root.children for kind in (b"mixed", b"digest"))
    assert [part.content_type for part in (*mixed, *digested)] == ["text/plain"] * 2 + ["message/rfc822"] * 2
    assert [(part.path, part_bytes(raw % b"mixed", part)) for part in mixed] == [("1", b"eins"), ("2", b"zwei")]


@pytest.mark.parametrize(
    ("raw", "subject", "text"),
    [
        (b"From x@y Mon Jan  1 00:00:00 2024\nSubject: mbox\n\ntext", "mbox", "text"),
        (b"\xef\xbb\xbfSubject: bom\n\ntext", "bom", "text"),
        (b"\r\n\r\nSubject: late\r\n\r\ntext", "late", "text"),
        (b" folded: x\nSubject: first folded\n\ntext", "first folded", "text"),
        (b"Subject: stray\nno field\nTo: a@x.test\n\ntext", "stray", "text"),
        (b"Subject: forgotten blank\nHallo Welt\n\ntext", "forgotten blank", "Hallo Welt\n\ntext"),
        (b"no header at all\n\ntext", "", "no header at all\n\ntext"),
        (b"Subject : blank\n\ntext", "blank", "text"),
        (b"Subject: only header", "only header", ""),
        (b"Subject: f\xfcr\n\nf\xfcr", "für", "für"),
        ("Subject: für\n\nfür".encode(), "für", "für"),
        (b"Subject: a\0b\n\na\0b", "a b", "a\ufffdb"),
        (b"Subject: twice\r\r\nTo: a@x.test\r\r\n\r\r\ntext", "twice", "text"),
        (b"", "", ""),
        (b"\r\n", "", ""),
        (b"\n\n\n", "", ""),
    ],
)
def test_a_damaged_header_costs_no_text(raw: bytes, subject: str, text: str) -> None:
    parsed = parse(raw)
    assert (parsed.subject, body_text(raw, parsed).strip("\n")) == (subject, text)


def test_defects_have_stable_names() -> None:
    assert parse(b"Subject: x\nno field\nTo: a@x.test\n\n").defects == ("stray-header-line",)
    assert parse(b"Subject: x\nHallo\n\n").defects == ("no-blank-line",)
    assert parse(b"Subject: x").defects == ("unterminated-header",)
    assert parse(b"Content-Type: multipart/mixed\n\nx").defects == ("no-boundary",)
    assert parse(b"Subject: " + b"x" * MAX_HEADER + b"\n\nx").defects == ("header-too-big",)
    assert parse(b"A: x\n" * 10_001 + b"\n").defects == ("too-many-fields",)
    assert parse(b"Content-Type: text/plain" + b";a=b" * 1_001 + b"\n\n").defects == ("too-many-parameters",)


def test_nesting_beyond_the_cap_is_kept_as_one_opaque_part() -> None:
    raw = (
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(1_000))
        + b"\nend"
    )
    parsed = parse(raw)
    assert "too-deep" in parsed.defects
    part, depth = parsed.root, 0
    while part.children:
        part, depth = part.children[0], depth + 1
    assert (depth, part.content_type) == (MAX_DEPTH, "application/octet-stream")


def test_parts_beyond_the_cap_are_kept_as_one_opaque_part() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\na\n" * 12_000 + b"--x--\n"
    parsed = parse(raw)
    assert parsed.defects == ("too-many-parts",)
    assert len(parsed.root.children) == MAX_PARTS
    assert part_bytes(raw, parsed.root.children[-1]).count(b"--x\n") == 12_000 - MAX_PARTS


def test_a_multipart_that_has_no_parts_is_read_as_text() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=x\n\nonly text"
    assert body_text(raw, parse(raw)) == "only text"


def test_several_text_parts_are_one_text_and_named_ones_are_files() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\neins\n--x\n\nzwei\n--x\nContent-Type: text/plain; name=c.txt\n\ndrei\n--x--\n"
    parsed = parse(raw)
    assert body_text(raw, parsed) == "eins\nzwei"
    assert [part.name for part in parsed.attachments] == ["c.txt"]


def test_a_delivery_report_shows_its_words_and_keeps_its_records() -> None:
    raw = (
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nnot delivered\n"
        b"--x\nContent-Type: message/delivery-status\n\nAction: failed\n\n--x\nContent-Type: text/rfc822-headers\n\nSubject: lost\n--x--\n"
    )
    parsed = parse(raw)
    assert body_text(raw, parsed) == "not delivered"
    assert [part.content_type for part in parsed.attachments] == ["message/delivery-status", "text/rfc822-headers"]


def test_the_parts_of_a_digest_are_messages() -> None:
    raw = b"Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: eins\n\ntext\n--x--\n"
    assert parse(raw).attachments[0].children[0].headers.get("subject") == "eins"


def test_html_alone_is_read_by_its_words() -> None:
    raw = text_message(
        b"<style>p{}</style><p>Gr&uuml;&szlig;e</p><p>aus <b>K</b>&ouml;ln</p>", b"Content-Type: text/html"
    )
    parsed = parse(raw)
    assert body_text(raw, parsed) == "Grüße\naus Köln"
    assert body_text(raw, parsed, 7) == "Grüße\na"


def test_html_without_a_charset_names_it_inside() -> None:
    raw = text_message(b'<meta charset="koi8-r"><p>\xc1', b"Content-Type: text/html")
    assert body_text(raw, parse(raw)) == "а"


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        (b"base64", b"QUJD", b"ABC"),
        (b"BASE64", b"QU\r\nJD\r\n", b"ABC"),
        (b"base64", b"QUI", b"AB"),
        (b"base64", b"Q!U#J$D", b"ABC"),
        (b"base64", b"QQ==QkM=", b"ABC"),
        (b"base64", b"QUI=\n\n-- \nlist footer = here", b"AB"),
        (b"base64", b"Q", b""),
        (b"quoted-printable", b"=41=\r\n=4x", b"A=4x"),
        (b"x-uuencode", b"begin 644 x\r\n#04)#\r\n`\r\nend\r\n", b"ABC"),
        (b"x-foreign", b"ABC", b"ABC"),
    ],
)
def test_a_broken_transfer_encoding_gives_what_can_be_read(encoding: bytes, body: bytes, content: bytes) -> None:
    raw = text_message(
        body,
        b"Content-Type: application/x",
        b"Content-Disposition: attachment",
        b"Content-Transfer-Encoding: " + encoding,
    )
    assert part_bytes(raw, parse(raw).attachments[0]) == content


def test_a_message_identifier_without_brackets_is_taken_as_it_stands() -> None:
    assert parse(b"Message-ID: a@b extra\n\n").message_id == "a@b"
    assert parse(b"Message-ID: <a@b\n\n").message_id == "a@b"
    assert parse(b"\n").message_id == ""


def test_a_preview_is_one_line_of_the_writers_own_words() -> None:
    assert preview("> quoted\nHallo\n\n  Welt\0!\n> more") == "Hallo Welt !"
    assert preview("> only quoted") == "> only quoted"
    assert len(preview("x " * 500)) <= 200
    assert preview("x" * 500, 10) == "xxxxxxxxx…"


def check(raw: bytes) -> ParsedMessage:
    parsed = parse(raw)
    text = body_text(raw, parsed, 1_000)
    assert len(text) <= 1_000
    (text + parsed.subject + preview(text)).encode("utf-8")
    assert preview(text).isprintable() or "\n" not in preview(text)
    for part in leaves(parsed.root):
        assert 0 <= part.start <= part.end <= len(raw)
        assert len(part_bytes(raw, part)) <= max(len(raw) * 4, 64)
    reachable = {part.path for part in leaves(parsed.root)}
    assert {part.path for part in parsed.texts} <= reachable
    return parsed


@given(st.binary(max_size=300))
@example(b'Content-Type: multipart/mixed; boundary=""\n\n--\n--\n----\n')
@example(b"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n")
def test_any_bytes_are_a_message(raw: bytes) -> None:
    check(raw)


@given(
    st.integers(0, len(MIXED)),
    st.integers(0, len(MIXED)),
    st.sampled_from([b"", b"\0", b"\r", b"\n", b"--", b"\xff", b";", b'"']),
)
def test_any_damage_to_a_message_still_gives_a_message(first: int, second: int, put: bytes) -> None:
    low, high = sorted((first, second))
    check(MIXED[:low] + put + MIXED[high:])
    check(MIXED[:low] + put + MIXED[low:])
    check(MIXED[low:])


_PIECES = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b"--x", b"--x--", b"--", b"Content-Type: multipart/mixed; boundary=x", b"Content-Type: message/rfc822", b"a: b",
     b"Content-Type: text/html", b" ", b"text", b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment", b"QUJD=", b"\0", b"<p>"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=40))
def test_any_sequence_of_message_pieces_is_a_message(pieces: list[bytes]) -> None:
    check(b"".join(pieces))


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--y\n" * 500_000,
        b"Content-Type: multipart/mixed; boundary=x\n\n" + b"\n--" * 700_000,
        b"\r" * 2_000_000,
        b"\n\r" * 1_000_000,
        b"A" * 2_000_000,
        b": " * 1_000_000,
        b"A:\n " * 500_000,
        b"Subject: " + b"=?a?q?" * 150_000,
        b"Subject: " + b"=?utf-8?b?QQ==?= " * 50_000,
        b"Content-Type: a/b;" + b' x="\\' * 200_000,
        b"Content-Type: a/b; x=" + b"\\" * 900_000,
        b"References: " + b"<" * 900_000,
        b"Content-Type: multipart/mixed; boundary=x\n\n"
        + b"--x\nContent-Type: multipart/mixed; boundary=x\n\n" * 20_000,
        b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\nA: b\n" * 200_000,
        b"Content-Type: multipart/mixed; boundary=x\n\n" + (b"--x\nA:" + b" -" * 3_000 + b"\n") * 300,
        b"Content-Transfer-Encoding: base64\n\n" + b"QQ==" * 500_000,
        b"Content-Type: text/html\n\n" + b"<div>" * 400_000,
        b"Content-Type: text/html\n\n" + b"<p><b id=1><i id=2>" * 100_000,
        base64.b64encode(b"\0" * 1_000_000),
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_no_message_takes_long(raw: bytes) -> None:
    begun = time.process_time()
    parsed = parse(raw)
    preview(body_text(raw, parsed))
    for part in parsed.attachments[:10]:
        part_bytes(raw, part)
    assert time.process_time() - begun < 5


def test_the_words_of_nested_messages_are_found_however_they_are_encoded() -> None:
    inner = b"From: Eva <eva@x.test>\r\nSubject: Mahnung\r\n\r\nDie Frist ist verstrichen.\r\n"
    coded = base64.encodebytes(inner).replace(b"\n", b"\r\n")
    raw = (
        b"Subject: Wtr\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSiehe unten\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b\r\nContent-Type: message/rfc822\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + coded + b"\r\n--b--\r\n"
    )
    read = digest(raw)
    assert read.text.strip() == "Siehe unten"
    assert read.more.count("Die Frist ist verstrichen.") == 2
    assert read.more.count("eva@x.test") == 2


def test_everybody_named_anywhere_is_told_to_the_index() -> None:
    many = ", ".join(f"p{number}@x.test" for number in range(30))
    read = digest(f"From: a@x.test\nReply-To: antwort@x.test\nBcc: still@x.test\nTo: {many}\n\n".encode())
    assert len(read.recipients) == 20
    assert read.others.split() == ["antwort@x.test", "still@x.test", *(f"p{number}@x.test" for number in range(20, 30))]
