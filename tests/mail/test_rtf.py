"""Rich Text as Outlook packs it: the words come out, whatever else is in it."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail import rtf


def packed(tokens: bytes, size: int) -> bytes:
    return struct.pack("<IIII", len(tokens) + 12, size, 0x75465A4C, 0) + tokens


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"{\rtf1\ansi\ansicpg1252 Gr\'fc\'dfe\par aus Bonn}", "Grüße\naus Bonn"),
        (rb"{\rtf1{\fonttbl{\f0 Arial;}}{\colortbl;\red0;}Text}", "Text"),
        (rb"{\rtf1\uc1 \u8364?5}", "€5"),
        (rb"{\rtf1 \u-10179?\u-8704?!}", "😀!"),
        (rb"{\rtf1 a\{b\}\\c\tab d}", "a{b}\\c\td"),
        (rb"{\rtf1 {\*\htmltag64 <p>}Hallo{\*\htmltag72 </p>}\htmlrtf \par\htmlrtf0  Welt}", "Hallo Welt"),
        (rb"{\rtf1\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (b"{\\rtf1 never closed", "never closed"),
        (b"}}}} a", " a"),
        (b"", ""),
    ],
)
def test_the_words_of_a_rich_text_are_read(written: bytes, read: str) -> None:
    assert rtf.text_of(written) == read


def test_a_packed_text_is_unpacked_by_its_dictionary() -> None:
    # One literal, then "{\rtf1" again from the dictionary's beginning (offset 0, six bytes).
    tokens = bytes([0b00000010]) + b"x" + bytes([0x00, 0x04]) + b"y"
    assert rtf.unpacked(packed(tokens, 8)) == b"x{\\rtf1y"
    assert rtf.unpacked(struct.pack("<IIII", 20, 5, 0x414C454D, 0) + b"plain") == b"plain"


def test_a_packed_text_that_refers_to_itself_grows_no_further_than_the_cap() -> None:
    tokens = (bytes([0xFF]) + bytes([0x0C, 0xEF]) * 8) * 40_000
    began = time.process_time()
    assert len(rtf.unpacked(packed(tokens, 0xFFFFFFFF))) <= rtf.MAX_UNPACKED
    assert time.process_time() - began < 10


@given(st.binary(max_size=200))
def test_any_bytes_are_unpacked_and_read(data: bytes) -> None:
    rtf.unpacked(data)
    rtf.unpacked(packed(data, 4000))
    rtf.text_of(data).encode("utf-8")


@given(
    st.lists(
        st.sampled_from([b"{", b"}", rb"\par ", rb"\u-1 ", rb"\'e4", rb"\uc9 ", rb"\*", rb"\bin9 ", b"ab", b"\\"]),
        max_size=30,
    )
)
def test_any_order_of_rich_text_words_is_read(words: list[bytes]) -> None:
    rtf.text_of(b"".join(words)).encode("utf-8")
