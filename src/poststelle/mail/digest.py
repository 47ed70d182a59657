"""What is worth knowing of a message without opening it: the parsed columns of a list row, and the text for the search index.

Derived from the bytes and nothing else, so it can be recomputed at any time. Runs in reader processes, away from everything else; never
raises on any bytes.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from poststelle.mail import calendar
from poststelle.mail.address import Address
from poststelle.mail.enclosures import enclosures
from poststelle.mail.message import ParsedMessage, Raw, body_text, nested, parse, preview

MAX_REFERENCES = 200
_PEOPLE = 20
_OTHERS = 1_000
_NESTED, _NESTED_DEPTH = 50, 5
_TEXT = 200_000


@dataclass(frozen=True, slots=True)
class Digest:
    """`recipients`: To and Cc, at most 20, as (name, address). `references`: message ids this one answers, oldest first; of very
    many the first and the latest.

    For the index: `text` is the readable body, cut; `files` the attachments' names, those in a winmail.dat too; `more` what
    messages and appointments within say; `others` the people not named above.
    """

    subject: str
    sender: tuple[str, str]
    recipients: Sequence[tuple[str, str]]
    sent_at: datetime | None
    message_id: str
    references: Sequence[str]
    preview: str
    has_attachments: bool
    defects: Sequence[str]
    text: str
    files: Sequence[str]
    more: str = ""
    others: str = ""


def digest(raw: bytes | mmap.mmap) -> Digest:
    """The digest of these bytes."""
    parsed = parse(raw)
    text = body_text(raw, parsed, _TEXT)
    addressed = (*parsed.to, *parsed.cc)
    files = enclosures(raw, parsed)
    return Digest(
        subject=parsed.subject,
        sender=next(((one.name, one.address) for one in (*parsed.from_, *parsed.sender)), ("", "")),
        recipients=[(one.name, one.address) for one in addressed[:_PEOPLE]],
        sent_at=parsed.date,
        message_id=parsed.message_id,
        references=_ancestors(parsed),
        preview=preview(text, 200),
        has_attachments=any(not file.is_inline for file in files),
        defects=parsed.defects,
        text=text,
        files=[file.name for file in files if file.name],
        more=_within(raw, parsed)[:_TEXT],
        others=_words((*parsed.from_[1:], *parsed.sender, *parsed.reply_to, *parsed.bcc, *addressed[_PEOPLE:])),
    )


def _words(people: Sequence[Address]) -> str:
    return " ".join(dict.fromkeys(word for one in people[:_OTHERS] for word in (one.name, one.address) if word))


def _within(raw: Raw, parsed: ParsedMessage, depth: int = 0) -> str:
    words = []
    for event in calendar.invitations(raw, parsed):
        words += [event.summary, event.location, *event.organizer, event.description]
    left = _TEXT
    for inner, message in islice(nested(raw, parsed), _NESTED if depth < _NESTED_DEPTH else 0):
        people = _words((*message.from_, *message.to, *message.cc))
        piece = "\n".join(
            (message.subject, people, body_text(inner, message, left), _within(inner, message, depth + 1))
        )
        words.append(piece[:left])
        left -= len(piece)
        if left <= 0:
            break
    return "\n".join(filter(None, words))


def _ancestors(parsed: ParsedMessage) -> list[str]:
    known = list(dict.fromkeys((*parsed.references, *parsed.in_reply_to)))
    return known if len(known) <= MAX_REFERENCES else [known[0], *known[1 - MAX_REFERENCES :]]
