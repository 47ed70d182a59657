"""A reader process: bytes of messages in, their digests out. Imports only `mail`; ends when its pipe does.

It parses what strangers sent, so it runs apart, with limits on memory (RLIMIT_AS), and is killed by its parent when it takes too
long. The bytes lie one after the other in memory shared with the parent, which a pipe would copy four times. In comes how many
(4), how large that memory is now (8) and each length (8), big-endian; out comes a length (8) and a JSON list. JSON, because what
comes back from here is not trusted either.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import resource
import struct
import sys
from datetime import datetime
from typing import Any, BinaryIO

from poststelle.mail.digest import Digest, digest

MEMORY_LIMIT = 1 << 30
NICENESS = 5
"""Whoever opens a message meanwhile goes first."""

HEAD, LENGTH = struct.Struct(">IQ"), struct.Struct(">Q")


def to_json(one: Digest) -> list[Any]:
    """A digest as plain values."""
    sent_at = one.sent_at.isoformat() if one.sent_at else None
    return [
        one.subject, one.sender, one.recipients, sent_at, one.message_id, one.references, one.preview,
        one.has_attachments, one.defects, one.text, one.files, one.more, one.others,
    ]  # fmt: skip


def from_json(values: list[Any]) -> Digest:
    """The digest again. Raises ValueError or TypeError when the values are not one."""
    (
        subject, sender, recipients, sent_at, message_id, references, preview, has_attachments, defects, text, files,
        more, others,
    ) = values  # fmt: skip
    return Digest(
        str(subject), _pair(sender), [_pair(person) for person in recipients],
        datetime.fromisoformat(sent_at) if sent_at else None, str(message_id), [str(one) for one in references],
        str(preview), bool(has_attachments), [str(one) for one in defects], str(text), [str(one) for one in files],
        str(more), str(others),
    )  # fmt: skip


def _pair(person: list[Any]) -> tuple[str, str]:
    name, address = person
    return str(name), str(address)


def serve(source: BinaryIO, sink: BinaryIO, shared: int) -> None:
    """Answer until the input ends. `shared`: the descriptor of the memory the messages lie in."""
    window = None
    while len(head := source.read(HEAD.size)) == HEAD.size:
        count, capacity = HEAD.unpack(head)
        if window is None or len(window) != capacity:
            window = mmap.mmap(shared, capacity, prot=mmap.PROT_READ)
        answers, start = [], 0
        for _ in range(count):
            (length,) = LENGTH.unpack(source.read(LENGTH.size))
            answers.append(to_json(digest(window[start : start + length])))
            start += length
        # Lone surrogates survive only as escapes, so ASCII it is.
        body = json.dumps(answers).encode("ascii")
        sink.write(LENGTH.pack(len(body)) + body)
        sink.flush()


def main() -> None:
    """`python -m poststelle.run.reader DESCRIPTOR`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    os.nice(NICENESS)
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
    except BrokenPipeError:
        # Whoever asked was killed. What is still in the buffer is for nobody, and must not complain on the way out.
        os._exit(0)


if __name__ == "__main__":
    main()
