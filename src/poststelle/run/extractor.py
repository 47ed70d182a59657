"""An extractor process: a message in, the words of its files out, one file after the other. Ends when its pipe does.

It opens what strangers attached, partly with a C++ library, so it is confined before the first byte comes: 512 MiB of memory,
no new descriptor of any kind (no file, no socket: RELIABILITY Q68), nothing written, and last in line for the processor. Its
parent ends it when a file takes too long; without a parent it ends by itself. In comes how many files to pass over (4) and the
length (8) with the message; out come frames, a length (4) and JSON [words or null], null for a file that cannot be read; an
empty frame ends the message.
"""

from __future__ import annotations

import codecs
import io
import json
import mimetypes
import os
import resource
import signal
import sys
import zipfile
from itertools import islice
from typing import BinaryIO

import pypdfium2

from poststelle.mail import charset, extract
from poststelle.mail.extract import Unreadable
from poststelle.run.extractors import HEAD, LENGTH

MEMORY_LIMIT = 512 << 20
NICENESS = 15
LAST_RESORT_SECONDS = 60


def prepare() -> None:
    """Open now what would be opened later."""
    mimetypes.init()
    for codec in charset.CODECS:
        codecs.lookup(codec)
    extract.text_of("a.html", "text/html", b"<p>ready</p>")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("content.xml", "<p>ready</p>")
    extract.text_of("a.odt", "", packed.getvalue())
    list(extract.files(b"Content-Type: image/png; name=a.png\n\n"))
    document = pypdfium2.PdfDocument.new()
    document.new_page(10, 10).get_textpage().get_text_bounded()
    document.close()


def confine(memory: int = MEMORY_LIMIT) -> None:
    """Give up, for good, what reading needs none of; `memory` in bytes is what is left."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the input ends."""
    while len(head := source.read(HEAD.size)) == HEAD.size:
        skip, length = HEAD.unpack(head)
        raw = source.read(length)
        # Nothing handles the signal: it ends this process wherever it is, in C too.
        signal.alarm(LAST_RESORT_SECONDS)
        for file in islice(extract.files(raw), skip, None):
            try:
                words: str | None = extract.text_of(file.name, file.content_type, file.data)
            except (Unreadable, MemoryError):
                words = None
            body = json.dumps([words]).encode("ascii")
            sink.write(LENGTH.pack(len(body)) + body)
            sink.flush()
            signal.alarm(LAST_RESORT_SECONDS)
        signal.alarm(0)
        sink.write(LENGTH.pack(0))
        sink.flush()


def main() -> None:
    """`python -m poststelle.run.extractor`."""
    prepare()
    os.nice(NICENESS)
    confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
