"""An IMAP server that makes up its mail as it is asked for: any number of messages of any size, and no disk.

Every user has an INBOX and a folder "Archiv"; how many messages they hold is in the user's name (``big-500000-20000``: 500,000
of about 20,000 bytes, one in ten of them in the inbox; anything else: 20 of 2,000 bytes). A message is a head of its own and a
slice of one fixed pool, so that making it up costs next to nothing. The greatest size is told truthfully, sizes vary between a
half and one and a half times the mean.

A line on its standard input is a user: one more message is delivered into that inbox, and whoever idles there is told.
Plain connections on 127.0.0.1 only. Run by the benchmarks: python -m bench.endless_server
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

POOL = base64.encodebytes(random.Random(7).randbytes(6 << 20)).replace(b"\n", b"\r\n")
FIRST_DAY = 1_600_000_000
WORDS = [
    f"{one}{other}"
    for one in ("Rechnung", "Frist", "Klage", "Akte", "Bescheid", "Termin")
    for other in ("", "en", "s", "lauf")
]
CAPABLE = b"* CAPABILITY IMAP4rev1 IDLE LITERAL+ SASL-IR AUTH=PLAIN UIDPLUS UNSELECT\r\n"
LISTED = b'* LIST () "/" INBOX\r\n* LIST (\\Archive) "/" Archiv\r\n'
DAYS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@dataclass
class Folder:
    """So many messages, numbered from 1."""

    count: int
    mean: int
    told: list[asyncio.Event] = field(default_factory=list)

    def size(self, uid: int) -> int:
        """In bytes, of the whole message."""
        return max(700, self.mean // 2 + (uid * 2_654_435_761 % 65_536) * self.mean // 65_536)

    def message(self, uid: int) -> bytes:
        """The bytes: the same every time."""
        dice = uid * 2_654_435_761 % (1 << 32)
        said = " ".join(WORDS[(dice >> shift) % len(WORDS)] for shift in range(0, 24, 3))
        head = (
            f"From: Person {dice % 997} <p{dice % 997}@bench.example>\r\nTo: amt@bench.example\r\nSubject: {said[:40]} {uid}\r\n"
            f"Message-ID: <{uid}.{self.mean}@bench.example>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/mixed; boundary="=b"\r\n\r\n--=b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
            f"{said} AZ-{dice}\r\n--=b\r\nContent-Type: image/png; name=bild.png\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
        ).encode()
        room = self.size(uid) - len(head) - 8
        start = dice % (len(POOL) - max(room, 1)) if room < len(POOL) else 0
        return head + POOL[start : start + max(room, 0)].ljust(max(room, 0)) + b"\r\n--=b--"

    def date(self, uid: int) -> bytes:
        """INTERNALDATE: a message every five minutes."""
        minutes = uid * 5
        day, month, year = 1 + minutes // 1440 % 28, minutes // 40_320 % 12, 2015 + minutes // 483_840
        return b"%02d-%s-%d %02d:%02d:00 +0000" % (day, DAYS[month], year, minutes // 60 % 24, minutes % 60)


FOLDERS: dict[bytes, dict[bytes, Folder]] = {}


def folders(user: bytes) -> dict[bytes, Folder]:
    """What the user has; made when first asked for."""
    if user not in FOLDERS:
        named = re.match(rb"big-(\d+)-(\d+)", user)
        count, mean = (int(named[1]), int(named[2])) if named else (20, 2_000)
        inbox = count // 10 if named else count
        FOLDERS[user] = {b"INBOX": Folder(inbox, mean), b"Archiv": Folder(count - inbox, mean)}
    return FOLDERS[user]


def numbers(text: bytes, highest: int) -> Iterator[int]:
    """The UIDs of a set that exist."""
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        low, high = (highest if end == b"*" else int(end) for end in (first, last or first))
        yield from range(min(low, high), min(max(low, high), highest) + 1)


class Session:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._user = b""
        self._folder = Folder(0, 0)

    async def run(self) -> None:
        """Until it ends."""
        self._writer.write(b"* OK ready\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await self._reader.readline():
                while literal := re.search(rb"\{(\d+)\+?\}\r\n$", line):
                    line = (
                        line[: literal.start()]
                        + await self._reader.readexactly(int(literal[1]))
                        + await self._reader.readline()
                    )
                tag, _, rest = line.strip().partition(b" ")
                verb, _, words = rest.partition(b" ")
                if verb.upper() == b"UID":
                    verb, _, words = words.partition(b" ")
                await self._answer(verb.upper(), words)
                self._writer.write(tag + b" OK done\r\n")
                await self._writer.drain()
                if verb.upper() == b"LOGOUT":
                    break
        self._writer.close()

    async def _answer(self, verb: bytes, words: bytes) -> None:
        write = self._writer.write
        if verb == b"CAPABILITY":
            write(CAPABLE)
        elif verb == b"AUTHENTICATE":
            self._user = base64.b64decode(words.split()[1]).split(b"\0")[1]
        elif verb == b"LOGIN":
            self._user = words.split()[0].strip(b'"')
        elif verb in {b"LIST", b"LSUB"}:
            write(LISTED.replace(b"LIST", verb))
        elif verb in {b"SELECT", b"EXAMINE"}:
            self._folder = folders(self._user)[words.split(b" (")[0].strip(b'"')]
            count = self._folder.count
            write(b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT %d] ok\r\n" % (count, count + 1))
        elif verb == b"SEARCH":
            asked = re.search(rb"UID (\S+)", words)
            found = numbers(asked[1] if asked else b"1:*", self._folder.count) if self._folder.count else ()
            write(b"* SEARCH " + b" ".join(b"%d" % uid for uid in found) + b"\r\n")
        elif verb == b"FETCH":
            await self._fetch(words)
        elif verb == b"IDLE":
            await self._idle()

    async def _fetch(self, words: bytes) -> None:
        folder = self._folder
        asked, _, items = words.partition(b" ")
        for uid in numbers(asked, folder.count):
            if b"BODY" in items:
                raw = folder.message(uid)
                self._writer.write(b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (uid, uid, len(raw), raw))
                await self._writer.drain()
            else:
                self._writer.write(
                    b'* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE "%b" RFC822.SIZE %d)\r\n'
                    % (uid, uid, folder.date(uid), folder.size(uid))
                )

    async def _idle(self) -> None:
        self._writer.write(b"+ idling\r\n")
        told, folder = asyncio.Event(), self._folder
        folder.told.append(told)
        done = asyncio.create_task(self._reader.readline())
        try:
            while not done.done():
                woken = asyncio.create_task(told.wait())
                await asyncio.wait({done, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                if told.is_set():
                    told.clear()
                    self._writer.write(b"* %d EXISTS\r\n" % folder.count)
        finally:
            folder.told.remove(told)


def deliver(user: bytes) -> None:
    """One more message in the inbox."""
    inbox = folders(user)[b"INBOX"]
    inbox.count += 1
    for told in inbox.told:
        told.set()


async def main() -> None:
    """Listen until standard input ends; prints the port."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(deliver, line.strip())
        loop.call_soon_threadsafe(over.set)

    server = await asyncio.start_server(lambda *way: Session(*way).run(), "127.0.0.1", 0, backlog=1000)
    threading.Thread(target=listen, daemon=True).start()
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main())
