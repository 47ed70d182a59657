"""Generated mailboxes for measuring: N messages in 21 folders, written straight into a Maildir.

Law: the same name gives the same bytes. Sizes follow a log-normal distribution: median 12 KB and mean about 75 KB for
`u2k`, `u5k`, `u20k`; small bodies with a mean of about 9 KB for `u100k`. Threads, German and English, HTML alternatives,
several encodings, attachments, 1.5 % malformed. Files end lines with LF, as Dovecot stores them; it serves CRLF.
"""

from __future__ import annotations

import argparse
import base64
import math
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

FOLDERS = ("INBOX", "Sent", "Archive", "Drafts", "Trash", "Junk", *(f"Mandate {year}" for year in range(2012, 2027)))
SHARES = (30, 12, 12, 1, 3, 2, *([40 / 15] * 15))
FIRST_DAY = 1_600_000_000
_POOL_BYTES = 12 * 1024 * 1024
_SYLLABLES = "ver be ent ge auf ab an ein recht ung heit keit lich haft bar sam frist klag brief post amt rat mein dein"
_SYLLABLES += " send lauf satz wort haus stein berg tal mann frau schrift gut haben soll wert preis kost last bau plan"
_SYLLABLES += " con tract pay ment let ter court case file time date note sign able ing ed pre re un out over line"
_SYLLABLES += " über für schä müll größ öff häus mög rück"


@dataclass(frozen=True, slots=True)
class Size:
    """How many messages, and the distribution of their sizes: median and sigma of the logarithm, and a limit."""

    messages: int
    median: int
    sigma: float
    limit: int = 8 * 1024 * 1024


SIZES = {
    "u2k": Size(2_000, 12_000, 1.95),
    "u5k": Size(5_000, 12_000, 1.95),
    "u20k": Size(20_000, 12_000, 1.95),
    "u100k": Size(100_000, 5_000, 1.08),
}


@dataclass(frozen=True, slots=True)
class Made:
    """One generated message: its folder, its bytes with LF, when it came, and whether it has been read."""

    folder: str
    raw: bytes
    received: int
    seen: bool


def generate(size: Size, seed: int) -> Iterator[Made]:
    """The messages of a mailbox, oldest first within a folder."""
    dice = random.Random(seed)
    words = _Words(dice)
    pool = base64.encodebytes(dice.randbytes(_POOL_BYTES * 3 // 4))
    threads: dict[str, list[tuple[str, str]]] = {folder: [] for folder in FOLDERS}
    step = 180_000_000 // size.messages
    for number, folder in enumerate(dice.choices(FOLDERS, SHARES, k=size.messages)):
        received = FIRST_DAY + number * step
        wanted = int(min(size.limit, max(1_200, dice.lognormvariate(math.log(size.median), size.sigma))))
        raw = _message(dice, words, pool, threads[folder], number, received, wanted)
        yield Made(folder, raw, received, dice.random() < 0.9)


class _Words:
    """A vocabulary with the frequencies of a language: few words often, many seldom."""

    def __init__(self, dice: random.Random, count: int = 30_000) -> None:
        syllables = _SYLLABLES.split()
        self._words = ["".join(dice.choices(syllables, k=dice.choice((1, 2, 2, 3, 3, 4)))) for _ in range(count)]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(count)))
        self._dice = dice

    def some(self, count: int) -> list[str]:
        return self._dice.choices(self._words, cum_weights=self._weights, k=count)

    def text(self, count: int) -> str:
        words = self.some(count)
        return "\n".join(f"{' '.join(words[at : at + 11])} {self._rare()}" for at in range(0, count, 11))

    def _rare(self) -> str:
        """What occurs once: file numbers, amounts, addresses of pages."""
        number = self._dice.randrange(10**7)
        return self._dice.choice((f"AZ-{number}", f"{number / 100:.2f} EUR", f"https://bench.example/{number:x}", ""))


def _message(
    dice: random.Random,
    words: _Words,
    pool: bytes,
    thread: list[tuple[str, str]],
    number: int,
    received: int,
    wanted: int,
) -> bytes:
    message_id = f"<{number}.{dice.getrandbits(40):x}@bench.example>"
    head = []
    if thread and dice.random() < 0.4:
        answered, subject = dice.choice(thread[-40:])
        head += [f"In-Reply-To: {answered}", f"References: {answered}"]
        subject = subject if subject.startswith("Re: ") else f"Re: {subject}"
    else:
        subject = " ".join(words.some(dice.randrange(2, 8))).capitalize()
    thread.append((message_id, subject))
    sender, receiver = dice.randrange(400), dice.randrange(400)
    broken = dice.random() < 0.015
    shown = subject if subject.isascii() or broken else f"=?utf-8?b?{base64.b64encode(subject.encode()).decode()}?="
    head += [
        f"From: Person {sender} <person{sender}@bench.example>",
        f"To: Person {receiver} <person{receiver}@bench.example>",
        f"Subject: {shown}",
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime(received))}",
        f"Message-ID: {message_id}",
        "MIME-Version: 1.0",
    ]
    body = _body(dice, words, pool, max(400, wanted - 600), broken=broken)
    return "\n".join(head).encode() + b"\n" + body


def _body(dice: random.Random, words: _Words, pool: bytes, wanted: int, *, broken: bool) -> bytes:
    """Content headers and content of about `wanted` bytes: text up to 3 KB, an HTML twin, then attachments."""
    text = words.text(min(max(40, wanted // 8), dice.randrange(120, 420)))
    if wanted < 5_000 and dice.random() < 0.6:
        return _text_part(dice, text, "plain")
    boundary = f"=_{dice.getrandbits(60):x}"
    parts = [_text_part(dice, text, "plain")]
    if dice.random() < 0.7:
        page = text.replace("\n", "</p>\n<p>")
        parts.append(_text_part(dice, f"<html><body><p>{page}</p></body></html>", "html"))
    left = wanted - sum(map(len, parts))
    while left > 1_000:
        taken = min(left, dice.randrange(20_000, 2_000_000))
        parts.append(_attachment(dice, pool, taken))
        left -= taken
    kind = "mixed" if len(parts) > 2 else "alternative"
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n'.encode()
    line = f"--{boundary}\n".encode()
    closing = b"" if broken else f"--{boundary}--\n".encode()
    return head + b"".join(line + part + b"\n" for part in parts) + closing


def _text_part(dice: random.Random, text: str, kind: str) -> bytes:
    way = dice.choice(("8bit", "8bit", "base64", "latin"))
    if way == "base64":
        coded = base64.encodebytes(text.encode())
    else:
        coded = text.encode("latin-1" if way == "latin" else "utf-8") + b"\n"
    charset = "iso-8859-1" if way == "latin" else "utf-8"
    encoding = "base64" if way == "base64" else "8bit"
    return f"Content-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + coded


def _attachment(dice: random.Random, pool: bytes, size: int) -> bytes:
    """Base64 lines cut from the pool at a line's beginning (77 bytes a line, as `base64.encodebytes` writes them)."""
    lines = max(1, size // 77)
    start = dice.randrange(0, len(pool) // 77 - lines) * 77
    kind, ending = dice.choice((("application/pdf", "pdf"), ("image/jpeg", "jpg"), ("application/zip", "zip")))
    name = f"Anlage {dice.randrange(1000)}.{ending}"
    head = f'Content-Type: {kind}; name="{name}"\nContent-Disposition: attachment; filename="{name}"\n'
    return head.encode() + b"Content-Transfer-Encoding: base64\n\n" + pool[start : start + lines * 77]


def fill(maildir: Path, size: Size, seed: int = 1) -> int:
    """Write a mailbox into an empty Maildir++ (INBOX is `maildir` itself); returns its bytes on the wire."""
    for folder in FOLDERS:
        for part in ("cur", "new", "tmp"):
            (_directory(maildir, folder) / part).mkdir(parents=True, exist_ok=True)
    total = 0
    for number, made in enumerate(generate(size, seed)):
        wire = len(made.raw) + made.raw.count(b"\n")
        flags = "S" if made.seen else ""
        name = f"{made.received}.M{number}P1.bench,S={len(made.raw)},W={wire}:2,{flags}"
        file = _directory(maildir, made.folder) / "cur" / name
        file.write_bytes(made.raw)
        # The server tells it as the date the message was received.
        os.utime(file, (made.received, made.received))
        total += wire
    return total


def _directory(maildir: Path, folder: str) -> Path:
    return maildir if folder == "INBOX" else maildir / f".{folder}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a generated mailbox into a Maildir.")
    parser.add_argument("size", choices=sorted(SIZES))
    parser.add_argument("maildir", type=Path)
    chosen = parser.parse_args()
    began = time.monotonic()
    total = fill(chosen.maildir, SIZES[chosen.size])
    print(f"{SIZES[chosen.size].messages} messages, {total / 1e6:.0f} MB in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
