"""IMAP servers that mean harm, or have lost their mind: each a set of answers to be given instead of honest ones.

The answers of one command are bytes (``{tag}`` stands for its tag), None (hang up), or a function of the tag and the whole command that
gives pieces as long as anybody takes them. What is not replaced is answered as a poor but honest server of three messages would.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

from tests.servers.listening import listening

Pieces = Callable[[bytes, bytes], Iterable[bytes]]
Answer = bytes | Pieces | None

BODY = b"Subject: Hallo\r\n\r\nGuten Tag\r\n"


def _fetch(tag: bytes, line: bytes) -> Iterator[bytes]:
    wanted = _uids(line)
    for uid in (uid for uid in (1, 2, 3) if uid in wanted):
        body = b" BODY[] {%d}\r\n%s" % (len(BODY), BODY) if b"BODY.PEEK[]" in line else b""
        said = b'* %d FETCH (UID %d FLAGS () INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE %d%s)\r\n'
        yield said % (uid, uid, len(BODY), body)
    yield tag + b" OK\r\n"


def _uids(line: bytes) -> set[int]:
    """The UIDs a UID FETCH asks for, below 1,000."""
    told = re.search(rb"UID FETCH ([\d,:*]+)", line)
    found: set[int] = set()
    for part in (told[1] if told else b"").split(b","):
        first, _, last = part.partition(b":")
        end = 999 if last == b"*" else int(last or first)
        found.update(range(int(first), min(end, 999) + 1))
    return found


HONEST: Mapping[str, Answer] = {
    "greeting": b"* OK ready\r\n",
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 LITERAL+\r\n{tag} OK\r\n",
    "LOGIN": b"{tag} OK\r\n",
    "LIST": b'* LIST () "/" INBOX\r\n{tag} OK\r\n',
    "LSUB": b'* LSUB () "/" INBOX\r\n{tag} OK\r\n',
    "EXAMINE": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 4]\r\n{tag} OK\r\n",
    "SELECT": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 4]\r\n{tag} OK\r\n",
    "UID SEARCH": b"* SEARCH 1 2 3\r\n{tag} OK\r\n",
    "UID FETCH": _fetch,
    "NOOP": b"{tag} OK\r\n",
    "LOGOUT": b"* BYE\r\n{tag} OK\r\n",
}


class HostileImap:
    """A running server. `port`, `connections` so far, and every command in `heard`."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = {**HONEST, **answers}
        self.connections = 0
        self.heard: list[bytes] = []
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
            if await self._say("greeting", b"*", b"", writer):
                while line := await self._hear(reader, writer):
                    tag, _, rest = line.strip().partition(b" ")
                    words = rest.upper().split(b" ")
                    verb = b" ".join(words[: 2 if words[0] == b"UID" else 1]).decode("latin-1").strip()
                    if not await self._say(verb, tag, line, writer):
                        break
        writer.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        line = await reader.readline()
        while literal := re.search(rb"\{(\d+)(\+?)\}\r\n$", line):
            if not literal[2]:
                writer.write(b"+ go on\r\n")
            line += await reader.readexactly(int(literal[1])) + await reader.readline()
        if line:
            self.heard.append(line)
        return line

    async def _say(self, verb: str, tag: bytes, line: bytes, writer: asyncio.StreamWriter) -> bool:
        answer = self._answers.get(verb, b"{tag} BAD unknown\r\n")
        if answer is None:
            return False
        pieces = [answer.replace(b"{tag}", tag)] if isinstance(answer, bytes) else answer(tag, line)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return True


@contextlib.asynccontextmanager
async def hostile(answers: Mapping[str, Answer]) -> AsyncIterator[HostileImap]:
    """A server on a free port for as long as the block lasts."""
    made = HostileImap(answers)
    async with listening(made.talk, limit=1 << 20) as made.port:
        yield made


# -- what they do ----------------------------------------------------------------------------------------------------


def _for_ever(piece: bytes, begin: bytes = b"") -> Pieces:
    """`begin`, and then the same again and again."""
    many = piece * max(1, 65536 // len(piece))
    return lambda _tag, _line: itertools.chain([begin], itertools.repeat(many))


def _selected(exists: int = 3, uid_validity: int = 7, uid_next: int = 4) -> bytes:
    said = b"* %d EXISTS\r\n* OK [UIDVALIDITY %d]\r\n* OK [UIDNEXT %d]\r\n" % (exists, uid_validity, uid_next)
    return said + b"{tag} OK\r\n"


def _renumbering() -> Pieces:
    validity = itertools.count(7)
    return lambda tag, _line: [_selected(uid_validity=next(validity)).replace(b"{tag}", tag)]


def _shrinking() -> Pieces:
    """The UIDs begin again from 1 and the past is another one, under the same UIDVALIDITY."""
    sizes = itertools.chain((900, 3, 2), itertools.repeat(1))

    def say(tag: bytes, _line: bytes) -> Iterable[bytes]:
        size = next(sizes)
        return [_selected(size, 7, size + 1).replace(b"{tag}", tag)]

    return say


def _repeating(tag: bytes, line: bytes) -> Iterator[bytes]:
    """Every UID three times, each time with another body and other flags."""
    for uid in sorted(_uids(line) & {1, 2, 3}) * 3:
        body = b"Subject: %d\r\n\r\n%d\r\n" % (uid, time.monotonic_ns())
        told = b" BODY[] {%d}\r\n%s" % (len(body), body) if b"BODY.PEEK[]" in line else b""
        yield b"* %d FETCH (UID %d FLAGS () RFC822.SIZE %d%s)\r\n" % (uid, uid, len(body), told)
    yield tag + b" OK\r\n"


def _never_the_same() -> Pieces:
    """Another state at every look, and never a message to show for it."""
    states = itertools.count(10)

    def say(tag: bytes, _line: bytes) -> Iterable[bytes]:
        return [b"* OK [HIGHESTMODSEQ %d]\r\n" % next(states), _selected(3, 7, next(states)).replace(b"{tag}", tag)]

    return say


def _waking(words: Callable[[bytes], Iterable[bytes]]) -> Mapping[str, Answer]:
    """A server with IDLE, and what it says while we listen."""
    tags: list[bytes] = []

    def idle(tag: bytes, _line: bytes) -> Iterable[bytes]:
        tags.append(tag)
        return itertools.chain([b"+ idling\r\n"], words(tag))

    # The line DONE has no tag and so no verb either.
    done = {"": lambda _tag, _line: [tags[-1] + b" OK done\r\n"]}
    return {"CAPABILITY": b"* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK\r\n", "IDLE": idle, **done}


def _fluttering() -> Callable[[bytes], Iterable[bytes]]:
    counts = itertools.cycle((4, 5))
    return lambda _tag: [b"* %d EXISTS\r\n" % next(counts)]


def _many_folders(tag: bytes, line: bytes) -> Iterator[bytes]:
    word = b"LSUB" if b"LSUB" in line else b"LIST"
    yield b'* %s () "/" INBOX\r\n' % word
    for first in range(0, 100_000, 1000):
        yield b"".join(
            b'* %s () "/" "Akten/%05d/Vorgang mit Namen"\r\n' % (word, n) for n in range(first, first + 1000)
        )
    yield tag + b" OK\r\n"


def _long_names(tag: bytes, line: bytes) -> Iterator[bytes]:
    word = b"LSUB" if b"LSUB" in line else b"LIST"
    yield b'* %s () "/" INBOX\r\n' % word
    for number in range(100_000):
        yield b'* %s () "/" "%06d%s"\r\n' % (word, number, b"/aa" * 300)
    yield tag + b" OK\r\n"


def _none_there(tag: bytes, _line: bytes) -> Iterable[bytes]:
    return [_selected(0, 7, 1).replace(b"{tag}", tag)]


def _odd_names(tag: bytes, line: bytes) -> Iterator[bytes]:
    word = b"LSUB" if b"LSUB" in line else b"LIST"
    yield b'* %s () "/" INBOX\r\n' % word
    names = [b"../../../etc/passwd", b"..", b"/", b"a\0b", b"neu\r\nX9 DELETE INBOX", b"x" * 10_000, b"\xff\xfe", b"&AAAA-", b"//", b"\x1b[31m",
             b"<script>alert(1)</script>", b"&&&", b"a" * 1023, b"%s%n{tag}", b"\xe2\x80\xaetxt.exe"]  # fmt: skip
    for name in names:
        yield b'* %s () "/" {%d}\r\n%s\r\n' % (word, len(name), name)
    yield tag + b" OK\r\n"


def _liar(bodies: int, size: int) -> Mapping[str, Answer]:
    """Announces small messages and delivers big ones."""
    zeros = b"0" * 65536

    def fetch(tag: bytes, line: bytes) -> Iterator[bytes]:
        for uid in sorted(_uids(line) & set(range(1, bodies + 1))):
            yield b'* %d FETCH (UID %d FLAGS () INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE 9' % (uid, uid)
            if b"BODY.PEEK[]" in line:
                yield b" BODY[] {%d}\r\n" % size
                yield from itertools.repeat(zeros, size // len(zeros))
            yield b")\r\n"
        yield tag + b" OK\r\n"

    select = _selected(bodies, 7, bodies + 1)
    search = b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, bodies + 1)) + b"\r\n{tag} OK\r\n"
    return {"EXAMINE": select, "SELECT": select, "UID SEARCH": search, "UID FETCH": fetch}


def _qresync(vanished: Pieces) -> Mapping[str, Answer]:
    offers = b"* CAPABILITY IMAP4rev1 LITERAL+ ENABLE CONDSTORE QRESYNC UIDPLUS\r\n{tag} OK\r\n"
    select = b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 4]\r\n* OK [HIGHESTMODSEQ 9]\r\n"
    return {
        "CAPABILITY": offers, "ENABLE": b"* ENABLED QRESYNC\r\n{tag} OK\r\n", "SELECT": select + b"{tag} OK\r\n",
        "EXAMINE": select + b"{tag} OK\r\n", "UID SEARCH": vanished, "UID FETCH": vanished,
    }  # fmt: skip


def _bomb() -> Pieces:
    """Compressed a thousandfold: one answer that never ends."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(b"* OK " + b"x" * (64 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return lambda tag, _line: [tag + b" OK go\r\n", start, *itertools.repeat(start, 50)]


def _scram(count: int) -> Mapping[str, Answer]:
    def authenticate(tag: bytes, _line: bytes) -> Iterable[bytes]:
        return [b"+ \r\n"]

    return {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 SASL-IR LOGINDISABLED\r\n{tag} OK\r\n",
        "AUTHENTICATE": lambda tag, line: [b"+ " + _first_message(line, count) + b"\r\n"],
    }


def _first_message(line: bytes, count: int) -> bytes:
    import base64

    told = base64.b64decode(line.strip().rpartition(b" ")[2])
    nonce = told.rpartition(b"r=")[2]
    return base64.b64encode(b"r=" + nonce + b"server,s=c2FsdHNhbHQ=,i=%d" % count)


_NESTED = b"* 1 FETCH (UID 1 X " + b"(" * 100_000 + b")" * 100_000 + b")\r\n{tag} OK\r\n"
_IN_LITERALS = b"* 1 FETCH (UID 1 X (" + b"({0}\r\n" * 100_000 + b"\r\n{tag} OK\r\n"

SCENARIOS: Mapping[str, Mapping[str, Answer]] = {
    "endless-greeting": {"greeting": _for_ever(b"x", b"* OK ")},
    "endless-line": {"UID FETCH": _for_ever(b"x", b"* 1 FETCH (UID 1 X ")},
    "endless-line-in-list": {"LIST": _for_ever(b"a", b'* LIST () "/" "')},
    "literal-of-4-gb": {"UID FETCH": _for_ever(b"x", b"* 1 FETCH (UID 1 BODY[] {4294967296}\r\n")},
    "literal-of-4-gb-as-name": {"LIST": _for_ever(b"x", b'* LIST () "/" {4294967295}\r\n')},
    "literal-at-the-limit": {"UID FETCH": _for_ever(b"x", b"* 1 FETCH (UID 1 BODY[] {268435456}\r\n")},
    "many-literals-in-one-answer": {
        "UID FETCH": _for_ever(b" {8388000}\r\n" + b"x" * 8388000, b"* 1 FETCH (UID 1 X (")
    },
    "literals-of-nothing": {"UID FETCH": _for_ever(b" {0}\r\n", b"* 1 FETCH (UID 1 X (")},
    "nested-100000-deep": {"UID FETCH": _NESTED},
    "nested-by-literals": {"UID FETCH": _IN_LITERALS},
    "impossible-count": {"SELECT": _selected(4294967295, 7, 4294967295), "EXAMINE": _selected(4294967295, 7, 4294967295)},
    "count-of-100-digits": {"SELECT": b"* " + b"9" * 100 + b" EXISTS\r\n{tag} OK\r\n",
                            "EXAMINE": b"* " + b"9" * 100 + b" EXISTS\r\n{tag} OK\r\n"},
    "search-without-end": {"UID SEARCH": _for_ever(b" 1", b"* SEARCH")},
    "search-again-and-again": {"UID SEARCH": _for_ever(b"* SEARCH" + b" 7" * 30_000 + b"\r\n")},
    "search-finds-all-there-could-be": {"UID SEARCH": b"* ESEARCH (TAG x) ALL 1:4294967295\r\n* SEARCH 1:4294967295\r\n{tag} OK\r\n"},
    "vanished-storm": _qresync(_for_ever(b"* VANISHED (EARLIER) " + b",".join([b"1:4294967295"] * 5000) + b"\r\n")),
    "vanished-without-end": _qresync(_for_ever(b",1:4294967295", b"* VANISHED (EARLIER) 1")),
    "endless-untagged": {"UID FETCH": _for_ever(b"* OK still here\r\n")},
    "endless-nothing": {"UID FETCH": _for_ever(b"* X\r\n")},
    "endless-flags": {"UID FETCH": _for_ever(b"* 1 FETCH (UID 1 FLAGS (" + b" a" * 10_000 + b"))\r\n")},
    "endless-expunges": {"UID FETCH": _for_ever(b"* 1 EXPUNGE\r\n")},
    "endless-capabilities": {"CAPABILITY": _for_ever(b"* CAPABILITY IMAP4rev1" + b" AUTH=X" * 5000 + b"\r\n")},
    "endless-status": {"LIST": _for_ever(b"* STATUS INBOX (" + b"X 1 " * 4000 + b"MESSAGES 3)\r\n")},
    "endless-continuations": {"UID FETCH": _for_ever(b"+ go on\r\n")},
    "wrong-tag": {"UID FETCH": b"X99 OK done\r\n"},
    "foreign-uids": {"UID FETCH": b"".join(b"* 1 FETCH (UID %d FLAGS () RFC822.SIZE 9)\r\n" % n for n in range(4000, 9000)) + b"{tag} OK\r\n"},
    "uids-that-shrink": {"EXAMINE": (shrinking := _shrinking()), "SELECT": shrinking},
    "uids-that-repeat": {"UID SEARCH": b"* SEARCH 3 1 1 2 2 2 3 1\r\n{tag} OK\r\n", "UID FETCH": _repeating},
    "counts-that-are-wrong": {"EXAMINE": _selected(0), "SELECT": _selected(100_000), "UID SEARCH": b"* SEARCH 1 2 3 9\r\n{tag} OK\r\n"},
    "uidvalidity-of-the-hour": {"EXAMINE": _renumbering(), "SELECT": _renumbering()},
    "odd-folder-names": {"LIST": _odd_names, "LSUB": _odd_names},
    "scram-for-ever": _scram(2**31),
    "bomb": {"CAPABILITY": b"* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\r\n{tag} OK\r\n", "COMPRESS": _bomb()},
    "starttls-injection": {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK\r\n",
        "STARTTLS": b"{tag} OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
    },
    "small-messages-that-are-big": _liar(900, 8 << 20),
    "hangs-up-in-every-fetch": {"UID FETCH": None},
    "noise": {"UID FETCH": bytes(range(256)) * 200},
}  # fmt: skip
"""Name and what it does instead."""

RESTLESS: Mapping[str, Mapping[str, Answer]] = {
    "never-the-same": {**_waking(lambda _: []), "EXAMINE": (never := _never_the_same()), "SELECT": never},
    "wakes-us-without-end": _waking(_fluttering()),
    "talks-while-we-listen": _waking(lambda _: itertools.repeat(b"* OK still here\r\n" * 4000)),
    "idle-that-ends-at-once": _waking(lambda tag: [tag + b" OK done\r\n"]),
    "hangs-up-when-we-listen": {"CAPABILITY": b"* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK\r\n", "IDLE": None},
}
"""In step, and then they give no rest."""

FOLDERS: Mapping[str, Mapping[str, Answer]] = {
    "100000-folders": {"LIST": _many_folders, "LSUB": _many_folders, "SELECT": _none_there, "EXAMINE": _none_there},
    "100000-long-names": {"LIST": _long_names, "LSUB": _long_names, "SELECT": _none_there, "EXAMINE": _none_there},
}
"""Folders without end, for a measurement that takes longer."""
