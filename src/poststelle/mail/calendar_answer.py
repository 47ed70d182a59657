"""The answer to an invitation as a calendar text (RFC 5546 section 3.2.3): who comes, who does not.

Law: of the invitation only what must be repeated is, escaped anew. This module does not know how it is sent.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from poststelle.mail.calendar import Event

_ZONE = "%Y%m%dT%H%M%SZ"


def answer(event: Event, attendee: str, *, accepted: bool, now: datetime) -> str:
    """A REPLY of `attendee` (an address) to the event, with CRLF line ends, each at most 75 octets."""
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Poststelle//DE", "METHOD:REPLY", "BEGIN:VEVENT",
        f"UID:{_text(event.uid)}", f"DTSTAMP:{now.astimezone(UTC).strftime(_ZONE)}",
        f"ATTENDEE;PARTSTAT={'ACCEPTED' if accepted else 'DECLINED'}:mailto:{_address(attendee)}",
        f"ORGANIZER:mailto:{_address(event.organizer[1])}", f"SUMMARY:{_text(event.summary)}",
    ]  # fmt: skip
    if event.start is not None:
        lines.append(_moment("DTSTART", event.start))
    if event.end is not None:
        lines.append(_moment("DTEND", event.end))
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VEVENT", "END:VCALENDAR"])


def _moment(name: str, at: datetime | date) -> str:
    if not isinstance(at, datetime):
        return f"{name};VALUE=DATE:{at:%Y%m%d}"
    return f"{name}:{at.astimezone(UTC).strftime(_ZONE) if at.tzinfo else at.strftime('%Y%m%dT%H%M%S')}"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
    return "".join(letter for letter in escaped if letter.isprintable())


def _address(value: str) -> str:
    return "".join(letter for letter in value if letter.isprintable() and letter not in ' <>",;')


def _folded(line: str) -> str:
    """Folded between characters, not octets (RFC 5545 section 3.1)."""
    pieces, piece, size = [], "", 0
    for letter in line:
        octets = len(letter.encode())
        if size + octets > 74:
            pieces.append(piece)
            piece, size = "", 0
        piece, size = piece + letter, size + octets
    return "\r\n ".join([*pieces, piece])
