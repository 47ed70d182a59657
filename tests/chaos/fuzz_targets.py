"""What is fuzzed: functions of bytes that may refuse them with an error of ours, and nothing else, and must be done in time.

Their seeds are in `tests.chaos.fuzz_seeds`. What we say to servers in `talks` goes nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime

from poststelle.adapters import certificate
from poststelle.adapters.autoconfig import exchange_of, filled_username, servers_of
from poststelle.adapters.compress import Unpacker
from poststelle.adapters.http import json_of
from poststelle.adapters.imap import utf7
from poststelle.adapters.imap.session import Session as ImapSession
from poststelle.adapters.pop3.session import Session as Pop3Session
from poststelle.adapters.stream import Connection
from poststelle.errors import Invalid, Trouble
from poststelle.mail import (
    account_document,
    address,
    authentication,
    calendar,
    calendar_answer,
    extract,
    files,
    headers,
    query,
    report,
    rtf,
    spoofing,
    table,
    thread,
    tnef,
)
from poststelle.mail.digest import digest
from poststelle.mail.folding import Labels, prepared
from poststelle.mail.html import linkify, sanitise, text_of
from poststelle.mail.message import body_text, parse, part_bytes, part_text
from tests.chaos import talks

Target = Callable[[bytes], None]

_RUNNER = asyncio.Runner(loop_factory=asyncio.new_event_loop)
"""One loop for all inputs: to make one costs more than most of them."""

_TODAY = date(2026, 2, 1)
_NOW = datetime(2026, 2, 1, tzinfo=UTC)
_OWN = "eva@kunde.test"


# -- servers ---------------------------------------------------------------------------------------------------------


def _talk(talk: Callable[[Connection], Awaitable[None]], *, ends: bool = False) -> Target:
    """A conversation in which these are the server's words; one that never `ends` by itself is ended by the line."""

    async def held(data: bytes) -> None:
        try:
            await talk(talks.a_line(data))
        except Trouble:
            return
        assert ends, "a line that has ended went on"

    return lambda data: _RUNNER.run(held(data))


async def _imap_answers(connection: Connection) -> None:
    session = ImapSession(connection, talks.IMAP_LIMITS)
    while True:
        await session.read()


async def _pop3_answers(connection: Connection) -> None:
    session = Pop3Session(connection, talks.POP3_LIMITS)
    while True:
        text = await session._line()
        if text.startswith(b"+OK"):
            await session._body(text)


def names(data: bytes) -> None:
    """A folder's name on the wire."""
    utf7.decode(data).encode("utf-8", "surrogatepass")


def packed(data: bytes) -> None:
    """What a server sends under COMPRESS=DEFLATE, taken in small pieces."""
    unpacker = Unpacker()
    unpacker.feed(data)
    with contextlib.suppress(zlib.error):
        for _ in range(100):
            assert len(unpacker.unpack(1000)) <= 1000


def certificates(data: bytes) -> None:
    """A server's certificate."""
    told = certificate.facts(data)
    assert str(told).isprintable()
    certificate.ends_at(data)
    certificate.key_fingerprint(data)
    certificate.carries(data, "mail.amt.test")


def autoconfig(data: bytes) -> None:
    """What a provider publishes: autoconfig, Autodiscover in XML and JSON."""
    with contextlib.suppress(ValueError):
        found = servers_of(data, _OWN)
        if found is not None:
            assert filled_username(found.username, _OWN).isprintable()
    with contextlib.suppress(ValueError):
        exchange_of(data)
    with contextlib.suppress(ValueError):
        json_of(data)


# -- mail ------------------------------------------------------------------------------------------------------------


def mime(data: bytes) -> None:
    """A message, opened in every way there is."""
    parsed = parse(data)
    body_text(data, parsed).encode()
    for part in parsed.attachments:
        part_bytes(data, part)
        assert files.safe_name(part.name)
    if parsed.html_part is not None:
        sanitise(part_text(data, parsed.html_part), images=None, remote=False)
    read = digest(data)
    for shown in (read.text, read.more, read.others, *read.files):
        shown.encode()
    spoofing.marks(parsed)


def reports(data: bytes) -> None:
    """Delivery and disposition notifications."""
    parsed = parse(data)
    report.disposition(data, parsed)
    report.delivery(data, parsed)


def fields(data: bytes) -> None:
    """The header alone, every field in every way one can be read (RFC 2047, 2231, 5322)."""
    found, _, _ = headers.split(data)
    for _, raw in found:
        text = headers.unfold(raw)
        headers.decode_words(text).encode("utf-8", "surrogatepass")
        headers.clean(text)
        headers.parameters(text)
        headers.message_ids(text)
        headers.date(text)
        thread.base_subject(text)
        authentication.parse(text)
        for one in address.parse_addresses(text):
            address.format_address(one.name, one.address).encode("utf-8", "surrogatepass")
    authentication.verdict(found, {"amt.test"})


def winmail(data: bytes) -> None:
    """A winmail.dat."""
    tnef.unpack(data)


def rich_text(data: bytes) -> None:
    """Rich Text, packed and as it is."""
    rtf.text_of(rtf.unpacked(data)).encode()
    rtf.text_of(data).encode()


def enclosed(data: bytes) -> None:
    """A file the search reads; PDF apart, whose reader is not ours and stays in its cage."""
    if b"%PDF-" not in data[:2048]:
        for name in ("a.docx", "a.xml", "a.eml"):
            with contextlib.suppress(extract.Unreadable):
                extract.text_of(name, "", data).encode("utf-8", "surrogatepass")


def appointments(data: bytes) -> None:
    """A calendar, and our answers to it."""
    for event in calendar.events(data.decode("utf-8", "replace")):
        answer = calendar_answer.answer(event, _OWN, accepted=True, now=_NOW)
        assert len(calendar.events(answer)) == 1
        assert all(len(line.encode()) <= 75 for line in answer.split("\r\n"))


def html(data: bytes) -> None:
    """HTML, made harmless; twice is the same as once."""
    text = data.decode("utf-8", "replace")
    cleaned = sanitise(text, images=None, remote=False).html
    assert "<script" not in cleaned.lower()
    sanitise(cleaned, images=None, remote=False)
    prepared(text, Labels("zitiert", "führt zu"))
    text_of(text)
    linkify(text)


# -- people ----------------------------------------------------------------------------------------------------------


def queries(data: bytes) -> None:
    """What is typed into the search."""
    text = data.decode("utf-8", "replace")
    query.parse(text, _TODAY)
    query.completions(text)


def tables(data: bytes) -> None:
    """A table of mailboxes, and the document of each line."""
    with contextlib.suppress(Invalid):
        for line in table.read(data):
            with contextlib.suppress(Invalid):
                account_document.read(line.document)


def documents(data: bytes) -> None:
    """An account document."""
    with contextlib.suppress(ValueError, RecursionError):
        told = json.loads(data)
        with contextlib.suppress(Invalid):
            account_document.read(told)


TARGETS: Mapping[str, Target] = {
    "imap": _talk(_imap_answers), "imap-talk": _talk(talks.imap, ends=True), "pop3": _talk(_pop3_answers),
    "pop3-talk": _talk(talks.pop3, ends=True), "smtp": _talk(talks.smtp, ends=True), "names": names, "packed": packed,
    "certificates": certificates, "autoconfig": autoconfig,
    "mime": mime, "reports": reports, "fields": fields, "winmail": winmail, "rich-text": rich_text, "enclosed": enclosed,
    "appointments": appointments, "html": html, "queries": queries, "tables": tables, "documents": documents,
}  # fmt: skip
