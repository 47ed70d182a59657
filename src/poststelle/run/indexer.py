"""An index process: documents in, and they are in the search index. Imports only `mail.words` and the index file; ends when its pipe does.

Apart from the engine, because taking a mailbox's text to words would hold the engine's interpreter lock for longer than everything else it
does. In comes a length (8, big-endian) and a pickle of what `index_file.File.put` takes, from the engine and nobody else; out comes a
length (8) and JSON: null, or [whether the file is damaged, what went wrong]. Killed at any moment, it leaves the file as it was after
its last answer.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import sqlite3
import struct
import sys
from pathlib import Path
from typing import BinaryIO

from poststelle.store.index_file import File, is_damaged

LENGTH = struct.Struct(">Q")
NICENESS = 10
"""Pages, and the mail that comes in, go first."""


def serve(source: BinaryIO, sink: BinaryIO, path: Path) -> None:
    """Answer until the input ends."""
    file: File | None = None
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(head)
        asked = source.read(length)
        if len(asked) < length:
            break
        trouble: tuple[bool, str] | None = None
        try:
            file = file or File(path)
            file.put(*pickle.loads(asked))  # noqa: S301 - its parent's own words
        except sqlite3.Error as error:
            trouble = is_damaged(error), str(error)
        body = json.dumps(trouble).encode()
        sink.write(LENGTH.pack(len(body)) + body)
        sink.flush()
    if file is not None:
        file.close()


def main() -> None:
    """`python -m poststelle.run.indexer FILE`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer, Path(sys.argv[1]))
    except BrokenPipeError:
        # Whoever asked was killed.
        os._exit(0)


if __name__ == "__main__":
    main()
