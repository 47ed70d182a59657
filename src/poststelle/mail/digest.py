"""What is worth knowing of a message without opening it: the parsed columns of a list row, and the text for the search index.

Derived from the bytes and nothing else, so it can be recomputed at any time (`VERSION` says by which reading). Runs in reader
processes, away from everything else; never raises on any bytes.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from poststelle.mail.message import ParsedMessage, body_text, parse, preview

VERSION = 1
_PEOPLE = 20


@dataclass(frozen=True, slots=True)
class Digest:
    """`recipients`: To and Cc, at most 20, as (name, address). `references`: message ids this one answers, oldest first.

    `text` is the readable body, cut; `files` the attachments' names.
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


def digest(raw: bytes | mmap.mmap) -> Digest:
    """The digest of these bytes."""
    parsed = parse(raw)
    text = body_text(raw, parsed)
    return Digest(
        subject=parsed.subject,
        sender=next(((one.name, one.address) for one in (*parsed.from_, *parsed.sender)), ("", "")),
        recipients=[(one.name, one.address) for one in (*parsed.to, *parsed.cc)[:_PEOPLE]],
        sent_at=parsed.date,
        message_id=parsed.message_id,
        references=_ancestors(parsed),
        preview=preview(text, 200),
        has_attachments=any(not part.is_inline for part in parsed.attachments),
        defects=parsed.defects,
        text=text,
        files=[part.name for part in parsed.attachments if part.name],
    )


def _ancestors(parsed: ParsedMessage) -> list[str]:
    return list(dict.fromkeys((*parsed.references, *parsed.in_reply_to)))
