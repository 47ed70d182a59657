"""What is fuzzed: functions of bytes that may refuse them with an error of ours, and nothing else, and must be done in time.

Seeds are the odd mail of `tests.corpora` and a few answers of servers; `mutated` spoils them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

from poststelle.adapters.connection import EgressPolicy
from poststelle.adapters.imap import utf7, wire
from poststelle.adapters.imap.session import Session as ImapSession
from poststelle.adapters.pop3.session import Limits as Pop3Limits
from poststelle.adapters.pop3.session import Session as Pop3Session
from poststelle.adapters.stream import Connection
from poststelle.errors import Trouble
from poststelle.mail import calendar, report, tnef
from poststelle.mail.digest import digest
from poststelle.mail.html import linkify, sanitise, text_of
from poststelle.mail.message import body_text, parse, part_bytes, part_text
from tests.corpora.odd import ODD

Target = Callable[[bytes], None]

_EGRESS = EgressPolicy.of("")
_IMAP_LIMITS = wire.Limits(line=4096, literal=4096, numbers=1000, read_seconds=5)
_POP3_LIMITS = Pop3Limits(line=4096, message=4096, messages=100, read_seconds=5)


def _connection(data: bytes) -> Connection:
    """A line on which these bytes have come, cut where the bytes themselves say, and which has ended then."""
    connection = Connection("mail.test", 143, _EGRESS)
    cut = data[0] + 1 if data else 1
    for start in range(0, len(data), cut):
        connection.data_received(data[start : start + cut])
    connection.eof_received()
    return connection


def imap(data: bytes) -> None:
    """Every answer of an IMAP server, until the line ends."""

    async def read_all() -> None:
        session = ImapSession(_connection(data), _IMAP_LIMITS)
        while True:
            await session.read()

    _refused(read_all)


def pop3(data: bytes) -> None:
    """Lists, then messages, until the line ends."""

    async def read_all() -> None:
        session = Pop3Session(_connection(data), _POP3_LIMITS)
        for line in iter(session._line, None):
            text = await line
            if text.startswith(b"+OK"):
                await session._body(text)

    _refused(read_all)


def _refused(read_all: Callable[[], object]) -> None:
    try:
        asyncio.run(read_all())  # type: ignore[arg-type]
    except Trouble:
        return
    raise AssertionError("a line that has ended went on")


def mime(data: bytes) -> None:
    """A message, opened in every way there is."""
    parsed = parse(data)
    body_text(data, parsed).encode()
    for part in parsed.attachments:
        part_bytes(data, part)
    if parsed.html_part is not None:
        sanitise(part_text(data, parsed.html_part), images=None, remote=False)
    read = digest(data)
    for shown in (read.text, read.more, read.others, *read.files):
        shown.encode()
    report.disposition(data, parsed)
    report.delivery(data, parsed)


def winmail(data: bytes) -> None:
    """A winmail.dat."""
    tnef.unpack(data)


def appointments(data: bytes) -> None:
    """A calendar."""
    calendar.events(data.decode("utf-8", "replace"))


def html(data: bytes) -> None:
    """HTML, made harmless; twice is the same as once."""
    text = data.decode("utf-8", "replace")
    cleaned = sanitise(text, images=None, remote=False).html
    assert "<script" not in cleaned.lower()
    sanitise(cleaned, images=None, remote=False)
    text_of(text)
    linkify(text)


def names(data: bytes) -> None:
    """A folder's name on the wire."""
    utf7.decode(data).encode("utf-8", "surrogatepass")


TARGETS: Mapping[str, Target] = {
    "imap": imap, "pop3": pop3, "mime": mime, "winmail": winmail, "appointments": appointments, "html": html, "names": names,
}  # fmt: skip

_ANSWERS = (
    b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n* 3 EXISTS\r\n* 1 FETCH (UID 7 FLAGS (\\Seen) RFC822.SIZE 5 BODY[] {5}\r\nHallo)\r\n",
    b'* LIST (\\HasChildren) "/" {3}\r\na/b\r\n* STATUS "a b" (MESSAGES 3 UIDNEXT 9)\r\n* SEARCH 1 2 3\r\n* ESEARCH (TAG x) UID ALL 1:9,12\r\n',
    b'* VANISHED (EARLIER) 1:5,9\r\n* NAMESPACE (("" "/")) NIL NIL\r\n* QUOTA "" (STORAGE 1 2)\r\nP1 OK [COPYUID 1 2:3 4:5] done\r\n+ go\r\n',
)
_LISTS = (b"+OK\r\nSubject: a\r\n\r\n..b\r\n.\r\n+OK\r\n.\r\n", b"+OK 2\r\n1 aaa\r\n2 bbb\r\n.\r\n-ERR no\r\n")
_ICS = (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20260301T100000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=5\r\n"
        b"SUMMARY:Termin\\, gut\r\nATTENDEE;CN=\"Eva\":mailto:eva@kunde.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",)  # fmt: skip
_TNEF = (b"\x78\x9f\x3e\x22\x01\x00" + b"\x01\x06\x90\x08\x00\x04\x00\x00\x00\x00\x00\x01\x00\x01\x00" * 4,)

SEEDS: Mapping[str, Sequence[bytes]] = {
    "imap": _ANSWERS, "pop3": _LISTS, "mime": [raw for raw in ODD.values() if len(raw) < 20_000], "winmail": _TNEF,
    "appointments": _ICS, "names": [b"Entw&APw-rfe", b"&U,BTFw-", b"a&-b"],
    "html": [raw for name, raw in ODD.items() if name.startswith("html")] + [b"<a href=x style='color:red'><img src=cid:a>"],
}  # fmt: skip


def mutated(seed: bytes, dice: random.Random) -> bytes:
    """The same with a few bytes turned, pieces lost, doubled, cut short or put elsewhere."""
    data = bytearray(seed)
    for _ in range(dice.randrange(1, 8)):
        at, length = dice.randrange(len(data) + 1), dice.randrange(1, 40)
        match dice.randrange(6):
            case 0 if at < len(data):
                data[at] = dice.getrandbits(8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length] * dice.choice((1, 1, 30))
            case 3:
                data[at:at] = dice.choice(
                    (b"(", b")", b"{9}\r\n", b"\r\n", b'"', b"\\", b"\0", b"--x", b"=?", b"<", b"99999999999", b"\xff")
                )
            case 4:
                del data[at:]
            case _:
                data[at:at] = dice.randbytes(length)
    return bytes(data[:50_000])
