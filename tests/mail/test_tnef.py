"""winmail.dat: what people meant to send comes out of it."""

from __future__ import annotations

import struct
import time

from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail import tnef
from poststelle.mail.digest import digest
from poststelle.mail.enclosures import enclosures
from poststelle.mail.message import body_text, parse
from tests.builders import a_letter

BINARY, UNICODE, STRING, OBJECT = 0x102, 0x1F, 0x1E, 0x0D


def attribute(kind: int, data: bytes, level: int = 1) -> bytes:
    return struct.pack("<BHHI", level, kind, 6, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def properties(*entries: tuple[int, int, bytes]) -> bytes:
    block = struct.pack("<I", len(entries))
    for number, kind, value in entries:
        block += struct.pack("<HHII", kind, number, 1, len(value)) + value + bytes(-len(value) % 4)
    return block


def envelope(*attributes: bytes) -> bytes:
    return struct.pack("<IH", 0x223E9F78, 1) + b"".join(attributes)


def a_file(name: str, data: bytes) -> bytes:
    return (
        attribute(0x9002, bytes(14), 2)
        + attribute(0x8010, b"KURZ~1.PDF\0", 2)
        + attribute(0x800F, data, 2)
        + attribute(0x9005, properties((0x3707, UNICODE, (name + "\0").encode("utf-16-le"))), 2)
    )


PACKED = envelope(
    attribute(0x9003, properties((0x1000, STRING, b"Anbei der Bescheid.\0"))),
    a_file("Bescheid für Müller.pdf", b"%PDF-1"),
    a_file("Anlage.txt", b"text"),
)


def test_text_and_files_with_their_long_names_come_out() -> None:
    unpacked = tnef.unpack(PACKED)
    assert unpacked.text == "Anbei der Bescheid."
    assert [(file.name, file.data) for file in unpacked.files] == [
        ("Bescheid für Müller.pdf", b"%PDF-1"),
        ("Anlage.txt", b"text"),
    ]


def test_a_message_within_gives_its_text_and_files_too() -> None:
    inner = bytes(16) + PACKED
    outer = envelope(
        attribute(0x9002, bytes(14), 2), attribute(0x9005, properties((0x3701, OBJECT, inner)), 2), a_file("x", b"y")
    )
    unpacked = tnef.unpack(outer)
    assert unpacked.text == "Anbei der Bescheid."
    assert [file.name for file in unpacked.files] == ["Bescheid für Müller.pdf", "Anlage.txt", "x"]


def test_envelopes_in_envelopes_end_at_the_cap() -> None:
    data = PACKED
    for _ in range(50):
        data = envelope(
            attribute(0x9002, bytes(14), 2), attribute(0x9005, properties((0x3701, OBJECT, bytes(16) + data)), 2)
        )
    assert tnef.unpack(data).files == ()


def test_a_mail_with_a_winmail_dat_shows_its_text_and_lists_its_files_after_the_rest() -> None:
    raw = a_letter("Bescheid", "", attachments=[("winmail.dat", "application/ms-tnef", PACKED)])
    parsed = parse(raw)
    assert body_text(raw, parsed) == "Anbei der Bescheid."
    listed = enclosures(raw, parsed)
    assert [(one.name, one.content_type, one.is_envelope) for one in listed] == [
        ("winmail.dat", "application/ms-tnef", True),
        ("Bescheid für Müller.pdf", "application/pdf", False),
        ("Anlage.txt", "text/plain", False),
    ]
    assert listed[1].data == b"%PDF-1"
    read = digest(raw)
    assert (read.preview, read.files) == (
        "Anbei der Bescheid.",
        ["winmail.dat", "Bescheid für Müller.pdf", "Anlage.txt"],
    )


def test_a_cut_file_still_gives_what_is_there() -> None:
    assert tnef.unpack(PACKED[:-40]).files[0].data == b"%PDF-1"


def test_texts_by_the_thousand_are_unpacked_only_so_often() -> None:
    packed = struct.pack("<IIII", 60_012, 0xFFFFFFFF, 0x75465A4C, 0) + (bytes([0xFF]) + bytes([0x0C, 0xEF]) * 8) * 3_500
    inner = bytes(16) + envelope(attribute(0x9003, properties(*[(0x1009, BINARY, packed)] * 30)))
    many = [attribute(0x9002, b"", 2) + attribute(0x9005, properties((0x3701, OBJECT, inner)), 2)] * 10
    began = time.process_time()
    tnef.unpack(envelope(*many))
    assert time.process_time() - began < 10


def test_lengths_that_lie_neither_loop_nor_grow() -> None:
    began = time.process_time()
    hostile = [
        envelope(attribute(0x9003, struct.pack("<IHHI", 0xFFFFFFFF, 0x1102, 0x1000, 0xFFFFFFFF))),
        envelope(attribute(0x9003, struct.pack("<IHHI", 0xFFFFFFFF, 0x1003, 0x1000, 0xFFFFFFFF))),
        envelope(*[attribute(0x9002, b"")] * 50_000),
        envelope() + struct.pack("<BHHI", 1, 0x800F, 6, 0xFFFFFFFF),
        envelope(attribute(0x9003, struct.pack("<I", 1) + struct.pack("<HH", 3, 0x8001) + bytes(16) + struct.pack("<II", 1, 0xFFFFFFFF))),
    ]  # fmt: skip
    for data in hostile:
        assert len(tnef.unpack(data).files) <= tnef.MAX_FILES
    assert time.process_time() - began < 5


@given(st.binary(max_size=300), st.integers(0, len(PACKED)), st.binary(max_size=8))
def test_any_bytes_are_unpacked_without_an_error(data: bytes, at: int, patch: bytes) -> None:
    for one in (data, envelope(data), PACKED[:at] + patch + PACKED[at + len(patch) :]):
        tnef.unpack(one).text.encode("utf-8")
