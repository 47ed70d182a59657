"""An extractor that dies of some files, falls asleep over others, and tries what it must not; `test_extractors` runs it."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from poststelle.mail import extract
from poststelle.run import extractor

_text_of = extract.text_of


def text_of(name: str, content_type: str, data: bytes) -> str:
    if b"poison" in data:
        os.abort()
    if b"sleep" in data:
        time.sleep(3600)
    if b"memory" in data:
        return str(len(bytearray(2 << 30)))
    if b"escape" in data:
        return " ".join(
            filter(None, (_tried(socket.socket), _tried(Path("/etc/hostname").read_bytes), _tried(os.pipe)))
        )
    return _text_of(name, content_type, data)


def _tried(way_out: object) -> str:
    try:
        way_out()  # type: ignore[operator]
    except OSError:
        return ""
    return f"open:{way_out}"


if __name__ == "__main__":
    extract.text_of = text_of
    extractor.main()
