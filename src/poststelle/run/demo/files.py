"""Small real files for the demo's attachments: PDF, PNG, CSV and calendar, written by hand so that nothing is borrowed.

Deterministic. This module does not know mail.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime

_PDF_ESCAPES = str.maketrans({"\\": "\\\\", "(": "\\(", ")": "\\)"})


def pdf(lines: Sequence[str]) -> bytes:
    """One A4 page of text in Helvetica, the first line larger (PDF 1.4; characters of Windows-1252)."""
    drawn = ["BT", "/F1 16 Tf", "72 770 Td", "20 TL"]
    for number, line in enumerate(lines):
        drawn.append(f"({line.translate(_PDF_ESCAPES)}) Tj T*")
        if number == 0:
            drawn += ["/F1 11 Tf", "16 TL", "T*"]
    content = "\n".join([*drawn, "ET"]).encode("cp1252", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    written = bytearray(b"%PDF-1.4\n%\xe4\xf6\xfc\xdf\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    written += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    written += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(written)


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """A picture shading from `colour` at the top to white at the bottom (8 bit RGB)."""
    rows = bytearray()
    for y in range(height):
        shade = bytes(part + (255 - part) * y // max(1, height - 1) for part in colour)
        rows += b"\0" + shade * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def csv(rows: Sequence[Sequence[str]]) -> bytes:
    """A table as German spreadsheets write it: semicolons, UTF-8 with a byte order mark, CRLF."""
    return ("\ufeff" + "".join(";".join(row) + "\r\n" for row in rows)).encode()


def invitation(uid: str, title: str, place: str, begins: datetime, ends: datetime, organiser: str, guest: str) -> bytes:
    """A meeting request (RFC 5545, RFC 5546). Times are aware."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//lindner.example//Kalender//DE",
        "METHOD:REQUEST",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"DTSTAMP:{_stamp(begins)}",
        f"DTSTART:{_stamp(begins)}",
        f"DTEND:{_stamp(ends)}",
        f"SUMMARY:{title}",
        f"LOCATION:{place}",
        f"ORGANIZER:mailto:{organiser}",
        f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{guest}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
