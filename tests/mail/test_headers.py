"""Header fields as the world writes them: folds, encoded words, parameters, dates, identifiers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail import charset, headers


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?q?J=C3=BCrg_x?=", "Jürg x"),
        ("Re:=?utf-8?q?f=C3=BC?=r", "Re:für"),
        ("=?utf-8?q?a?= \t=?utf-8?q?b?= c", "ab c"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("=?utf-8?b?w6?= =?utf-8?b?Q=?=", "ä"),
        ("=?utf-8?b?w6Q?= =?utf-8?b?w6Q?=", "ää"),
        ("=?iso-8859-1?q?=80_5?=", "€ 5"),
        ("=?utf-8*de?q?=C3=BC?=", "ü"),
        ("=?x-unknown?b?w6Q=?=", "ä"),
        ("=?utf-8?b?%%%?= x", "=?utf-8?b?%%%?= x"),
        ("=?utf-8?q?a=0D=0Ab?=", "a b"),
        ("=?utf-7?q?+2AA-?=", "\ufffd"),
        ("=?zlib?q?x?= =?rot13?q?uryyb?=", "xuryyb"),
    ],
)
def test_encoded_words_are_read_as_they_were_meant(written: str, read: str) -> None:
    assert headers.decode_words(written) == read


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=a b.pdf; size=3", "a b.pdf"),
        ("attachment; filename*=utf-8''%C3%BCber%20uns.pdf", "über uns.pdf"),
        ("attachment; filename*=\"utf-8''%C3%BC.pdf\"", "ü.pdf"),
        ("attachment; filename*=iso-8859-1'de'%FC.pdf", "ü.pdf"),
        ("attachment; filename*=plain%20.pdf", "plain .pdf"),
        ("attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        ("attachment; filename*0*=utf-8''%C3; filename*1*=%BC; filename*2=.pdf", "ü.pdf"),
        ('attachment; filename="=?utf-8?q?=C3=BC.pdf?="', "ü.pdf"),
        ('attachment; filename*0="=?utf-8?q?=C3"; filename*1="=BC.pdf?="', "ü.pdf"),
        ("attachment; filename*=utf-8''x; filename=y", "x"),
        ('attachment; filename="C:\\boot.ini"', "C:\\boot.ini"),
        ('attachment; filename="a\\"b;c.txt"', 'a"b;c.txt'),
        ('attachment; filename="never closed', "never closed"),
        ("attachment; filename*=utf-8''a%00%0Ab", "a b"),
        ("attachment ; FILENAME = x.txt", "x.txt"),
    ],
)
def test_a_file_name_is_read_however_it_was_written(value: str, name: str) -> None:
    kind, parameters, overflow = headers.parameters(value)
    assert (kind, parameters.get("filename"), overflow) == ("attachment", name, False)


def test_more_than_a_thousand_parameters_are_cut_and_told() -> None:
    _, parameters, overflow = headers.parameters("a/b" + "".join(f"; p{number}=x" for number in range(1_500)))
    assert overflow
    assert len(parameters) == headers.MAX_PARAMETERS


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("Wed, 03 Jan 2024 10:00:00 +0100", datetime(2024, 1, 3, 9, tzinfo=UTC)),
        ("Mi, 03 Jan 2024 10:00:00 +0100 (CET)", datetime(2024, 1, 3, 9, tzinfo=UTC)),
        ("3 Jan 24 10:00 EST", datetime(2024, 1, 3, 15, tzinfo=UTC)),
        ("Mon Jan  2 15:04:05 2006", datetime(2006, 1, 2, 15, 4, 5, tzinfo=UTC)),
        ("2024-01-03T10:00:00+01:00", datetime(2024, 1, 3, 9, tzinfo=UTC)),
        ("31 Dec 2016 23:59:60 +0000", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("1 Jan 99 00:00:00 -0000", datetime(1999, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_date_is_a_moment_in_utc(written: str, moment: datetime) -> None:
    assert headers.date(written) == moment


@pytest.mark.parametrize(
    "written",
    [
        "",
        "gestern",
        "99 Foo 99999 99:99:99 +9999",
        "30 Feb 2024 10:00:00",
        "31 Dec 9999 23:59:59 -1200",
        "1 Jan 0000 0:0 +0100",
        "٣ Jan 2024 10:00:00",
    ],
)
def test_a_nonsense_date_is_none(written: str) -> None:
    assert headers.date(written) is None


def test_identifiers_come_without_brackets_in_order_and_once() -> None:
    assert headers.message_ids("<a@x> junk <b@x>\t<a@x> <> <c d@x>") == ("a@x", "b@x", "cd@x")


def test_a_field_keeps_its_raw_bytes_and_is_read_by_any_case() -> None:
    fields, length, defects = headers.split(b"Subject: a\r\n  b\r\nX-A: 1\r\nx-a: 2\r\n")
    assert list(fields) == [("Subject", b" a\r\n  b\r"), ("X-A", b" 1\r"), ("x-a", b" 2\r")]
    assert (fields.get("SUBJECT"), fields.get_all("X-a"), fields.get("missing")) == ("a b", ("1", "2"), "")
    assert (length, defects) == (33, [])


def test_a_bare_carriage_return_in_a_value_starts_no_field() -> None:
    fields, _, _ = headers.split(b"Subject: a\rBcc: b@x.test\nTo: c@x.test\n")
    assert fields.get("bcc") == ""
    assert fields.get("subject") == "a Bcc: b@x.test"


def test_raw_utf8_and_raw_windows_1252_are_both_readable() -> None:
    assert headers.unfold("für".encode()) == "für"
    assert headers.unfold("für €".encode("cp1252")) == "für €"


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        (b"\x80", "ISO-8859-1", "€"),
        ("ü".encode(), "us-ascii", "ü"),
        (b"\xfc", "us-ascii", "ü"),
        (b"\xfc", "utf-8", "ü"),
        ("ü".encode() + b"\xff", "utf-8", "ü\ufffd"),
        ("ü".encode(), "zlib", "ü"),
        ("ü".encode("utf-16-le"), "utf-16", "ü"),
        (b"\xff\xfe\xfc\x00", "us-ascii", "ü"),
        ("日本".encode("shift_jis"), "x-sjis", "日本"),
        (b"\x1b$BF|K\\\x1b(B", "iso-2022-jp", "日本"),
        (b"+2AA-", "utf-7", "\ufffd"),
    ],
)
def test_bytes_become_text_by_a_closed_list_of_charsets(data: bytes, label: str, text: str) -> None:
    assert charset.decode(data, label) == text


def test_every_codec_of_the_list_exists() -> None:
    for label in (
        "utf-8",
        "koi8-r",
        "gb2312",
        "big5",
        "euc-kr",
        "iso-2022-kr",
        "windows-1258",
        "macintosh",
        "utf-7",
        "hz-gb-2312",
    ):
        assert charset.codec_of(label) is not None
    for codec in charset._LABELS:
        assert "a".encode(codec)


@given(st.binary(max_size=80), st.sampled_from([*charset._LABELS, "x", ""]))
def test_any_bytes_become_text_every_database_takes(data: bytes, label: str) -> None:
    charset.decode(data, label).encode("utf-8")


@given(st.text(alphabet="=?utf-8qQbB_ äw6Q=%;*'\"\\\r\n0", max_size=80))
def test_any_value_is_read_without_an_error(value: str) -> None:
    headers.decode_words(value)
    headers.parameters(value)
    headers.date(value)
    headers.message_ids(value)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Добрый день, высылаем договор".encode("koi8-r"), "Добрый день, высылаем договор"),
        ("Добрый день, высылаем договор".encode("cp1251"), "Добрый день, высылаем договор"),
        ("こんにちは、ご連絡ありがとうございます".encode("cp932"), "こんにちは、ご連絡ありがとうございます"),
        ("こんにちは、ご連絡ありがとうございます".encode("euc-jp"), "こんにちは、ご連絡ありがとうございます"),
        ("日本語".encode("iso-2022-jp"), "日本語"),
        ("Guten Tag, Grüße".encode("utf-16-le"), "Guten Tag, Grüße"),
        ("Grüße aus Köln über Düren".encode("cp1252"), "Grüße aus Köln über Düren"),
        ("ÄÖÜäöüß".encode("cp1252"), "ÄÖÜäöüß"),
    ],
)
def test_the_charset_of_unlabelled_bytes_is_guessed(data: bytes, text: str) -> None:
    assert charset.decode(data, "") == text
