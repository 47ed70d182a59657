"""POP3 servers that mean harm: sets of answers to be given instead of honest ones, in the manner of `tests.servers.hostile_imap`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping

from tests.servers.hostile_imap import Answer
from tests.servers.listening import listening

RAW = b"Subject: Hallo\r\n\r\nGuten Tag\r\n"

HONEST: Mapping[str, Answer] = {
    "greeting": b"+OK ready\r\n",
    "CAPA": b"+OK\r\nUIDL\r\nTOP\r\nUSER\r\n.\r\n",
    "USER": b"+OK\r\n",
    "PASS": b"+OK\r\n",
    "LIST": b"+OK\r\n1 30\r\n2 30\r\n.\r\n",
    "UIDL": b"+OK\r\n1 a\r\n2 b\r\n.\r\n",
    "RETR": b"+OK\r\n" + RAW + b".\r\n",
    "TOP": b"+OK\r\nSubject: Hallo\r\n\r\n.\r\n",
    "NOOP": b"+OK\r\n",
    "QUIT": b"+OK\r\n",
}


@contextlib.asynccontextmanager
async def hostile_pop3(answers: Mapping[str, Answer]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server for as long as the block lasts: its port and what it was sent."""
    given, heard = {**HONEST, **answers}, list[bytes]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            line = b"greeting"
            while line:
                answer = given.get(line.split()[0].decode("latin-1"), b"-ERR unknown\r\n")
                if answer is None:
                    break
                for piece in [answer] if isinstance(answer, bytes) else answer(b"", line):
                    writer.write(piece)
                    await writer.drain()
                line = await reader.readline()
                heard.append(line)

    async with listening(talk) as port:
        yield port, heard


def _for_ever(begin: bytes, piece: bytes) -> Answer:
    many = piece * max(1, 65536 // len(piece))
    return lambda _tag, _line: itertools.chain([begin], itertools.repeat(many))


def _lines(text: bytes) -> Answer:
    """Numbered lines without end."""

    def say(_tag: bytes, _line: bytes) -> Iterable[bytes]:
        yield b"+OK\r\n"
        for first in itertools.count(1, 100):
            yield b"".join(text % number for number in range(first, first + 100))

    return say


def _big(_tag: bytes, _line: bytes) -> Iterable[bytes]:
    return itertools.chain([b"+OK\r\n"], itertools.repeat(b"x" * 998 + b"\r\n", 30_000), [b".\r\n"])


_MANY = b"".join(b"%d 30\r\n" % number for number in range(1, 401))

SCENARIOS: Mapping[str, Mapping[str, Answer]] = {
    "pop3-endless-greeting": {"greeting": _for_ever(b"+OK ", b"x")},
    "pop3-endless-capabilities": {"CAPA": _lines(b"X%d\r\n")},
    "pop3-endless-list": {"LIST": _lines(b"%d 30\r\n")},
    "pop3-endless-long-uidl": {"UIDL": _lines(b"%d " + b"u" * 60_000 + b"\r\n")},
    "pop3-number-twice": {"UIDL": b"+OK\r\n1 a\r\n1 b\r\n.\r\n"},
    "pop3-number-of-100-digits": {"LIST": b"+OK\r\n" + b"9" * 100 + b" 30\r\n.\r\n"},
    "pop3-all-the-same-uidl": {"UIDL": b"+OK\r\n1 a\r\n2 a\r\n.\r\n"},
    "pop3-message-without-end": {"RETR": _for_ever(b"+OK\r\n", b"x" * 998 + b"\r\n")},
    "pop3-message-of-one-line": {"RETR": _for_ever(b"+OK\r\n", b"x" * 65536)},
    "pop3-small-messages-that-are-big": {
        "LIST": b"+OK\r\n" + _MANY + b".\r\n", "UIDL": b"+OK\r\n" + _MANY.replace(b" 30", b" u30") + b".\r\n", "RETR": _big,
    },
    "pop3-hangs-up-in-every-message": {"RETR": None},
    "pop3-starttls-injection": {"CAPA": b"+OK\r\nSTLS\r\nUSER\r\n.\r\n", "STLS": b"+OK go\r\n+OK\r\nUSER\r\n.\r\n"},
    "pop3-noise": {"LIST": bytes(range(256)) * 100},
}  # fmt: skip
"""Name and what it does instead."""
