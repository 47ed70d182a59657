"""A reader process: bytes of messages in, their digests out. Imports only `mail`; ends when its pipe does.

It parses what strangers sent, so it runs apart, with limits on memory (RLIMIT_AS), and is killed by its parent when it takes too
long. Protocol on both pipes, integers big-endian: a count (4), then that many times length (8) and bytes in; one length (8) and
a JSON list out. JSON, because what comes back from here is not trusted either.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
from datetime import datetime
from typing import Any, BinaryIO

from poststelle.mail.digest import Digest, digest

MEMORY_LIMIT = 1 << 30
COUNT, LENGTH = struct.Struct(">I"), struct.Struct(">Q")


def to_json(one: Digest) -> list[Any]:
    """A digest as plain values."""
    sent_at = one.sent_at.isoformat() if one.sent_at else None
    return [
        one.subject, one.sender, one.recipients, sent_at, one.message_id, one.references, one.preview,
        one.has_attachments, one.defects, one.text, one.files,
    ]  # fmt: skip


def from_json(values: list[Any]) -> Digest:
    """The digest again. Raises ValueError or TypeError when the values are not one."""
    subject, sender, recipients, sent_at, message_id, references, preview, has_attachments, defects, text, files = (
        values
    )
    return Digest(
        str(subject), _pair(sender), [_pair(person) for person in recipients],
        datetime.fromisoformat(sent_at) if sent_at else None, str(message_id), [str(one) for one in references],
        str(preview), bool(has_attachments), [str(one) for one in defects], str(text), [str(one) for one in files],
    )  # fmt: skip


def _pair(person: list[Any]) -> tuple[str, str]:
    name, address = person
    return str(name), str(address)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the input ends."""
    while len(head := source.read(COUNT.size)) == COUNT.size:
        answers = []
        for _ in range(COUNT.unpack(head)[0]):
            (length,) = LENGTH.unpack(source.read(LENGTH.size))
            answers.append(to_json(digest(source.read(length))))
        # Lone surrogates survive only as escapes, so ASCII it is.
        body = json.dumps(answers).encode("ascii")
        sink.write(LENGTH.pack(len(body)) + body)
        sink.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    serve(sys.stdin.buffer, sys.stdout.buffer)
