"""How the demo's messages become bytes: MIME by the standard library, with everything random taken from a seed.

This module does not know what the messages say.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from poststelle.run.demo.office import Path, Person


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """One message where it lies. `received_at` is aware; `flags` as in `mail.ports`."""

    mailbox: str
    path: Path
    raw: bytes
    flags: tuple[str, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What a message says. `answers`: the Message-IDs of the thread so far, oldest first."""

    sender: Person
    to: Sequence[Person]
    subject: str
    text: str
    html: str = ""
    cc: Sequence[Person] = ()
    attachments: Sequence[Attachment] = ()
    answers: Sequence[str] = ()
    calendar: bytes = b""
    nested: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Writer:
    """Writes letters; two with the same seed write the same bytes in the same order."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - decoration, not secrecy

    def write(self, letter: Letter, at: datetime) -> tuple[bytes, str]:
        """The message's bytes (CRLF) and its Message-ID."""
        message = EmailMessage(policy=SMTP)
        message_id = f"<{self.dice.getrandbits(64):016x}@{letter.sender.address.rpartition('@')[2]}>"
        message["From"] = _address(letter.sender)
        message["To"] = [_address(person) for person in letter.to]
        if letter.cc:
            message["Cc"] = [_address(person) for person in letter.cc]
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(at)
        message["Message-ID"] = message_id
        if letter.answers:
            message["In-Reply-To"] = letter.answers[-1]
            message["References"] = " ".join(letter.answers)
        for name, value in letter.headers:
            message[name] = value
        message.set_content(letter.text + "\n")
        if letter.html:
            message.add_alternative(letter.html, subtype="html")
        if letter.calendar:
            message.add_alternative(letter.calendar.decode(), subtype="calendar", params={"method": "REQUEST"})
        for file in letter.attachments:
            kind, _, subtype = file.kind.partition("/")
            message.add_attachment(file.data, maintype=kind, subtype=subtype, filename=file.name)
        if letter.nested:
            inner = message_from_bytes(letter.nested, EmailMessage, policy=SMTP)
            message.add_attachment(inner, filename="Weitergeleitete Nachricht.eml")
        for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
            if part.get_content_maintype() == "multipart":
                part.set_boundary(f"=_{message_id[1:13]}_{number}")
        return message.as_bytes(), message_id


def _address(person: Person) -> Address:
    return Address(person.name, addr_spec=person.address)


def quoted(text: str, sender: Person, at: datetime) -> str:
    """The text a reply repeats, as German mail programs introduce it."""
    lines = "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
    return f"Am {at:%d.%m.%Y} um {at:%H:%M} schrieb {sender.name}:\n{lines}"


def page(title: str, body: str) -> str:
    """A complete HTML message in the plain style of office mail."""
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8"><title>' + escape(title) + "</title></head>"
        '<body style="font-family: Arial, sans-serif; color: #222">' + body + "</body></html>"
    )


def paragraphs(text: str) -> str:
    """Plain text as HTML paragraphs."""
    return "".join(f"<p>{escape(part).replace(chr(10), '<br>')}</p>" for part in text.split("\n\n"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table with visible lines."""
    cell = 'style="border: 1px solid #bbb; padding: 4px 8px"'
    drawn = "".join("<tr>" + "".join(f"<td {cell}>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    titles = "".join(f"<th {cell}>{escape(text)}</th>" for text in head)
    return f'<table style="border-collapse: collapse"><tr>{titles}</tr>{drawn}</table>'
