"""A cell: a process that looks at one thing a stranger sent, answers one question about it, and ends (RELIABILITY Q11).

Cells are forked from a warden, which has loaded and tried everything reading takes and has never seen a stranger's byte; so a cell
is there in milliseconds, knows no other message, and takes nothing with it when it dies. Before its first byte it is confined:
memory, processor time, no new descriptor of any kind (no file, no socket), nothing written, an alarm nothing handles. Warden and
askers share a control socket, over which a socket for each question comes; the warden ends when nobody holds its other end.

In comes a line of JSON, the question's name and what it wants, and then the bytes it is about; out come the lengths (8, 8) of a JSON
value and of bytes, then both, or nothing at all.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from poststelle.mail import extract, opened
from poststelle.mail.folding import Labels
from poststelle.run import drawing
from poststelle.run.cells import LENGTHS, SECONDS
from poststelle.run.extractor import confine, prepare

MEMORY_LIMIT = 1 << 30
CPU_SECONDS = 15
_PIECE = 1 << 20
_zones: list[ZoneInfo] = []

Answer = tuple[Any, bytes]


def _message(raw: bytes, *, servers: list[str]) -> Answer:
    return dataclasses.asdict(opened.opened(raw, servers)), b""


def _html(raw: bytes, *, quoted: str, leads_to: str, mark: str) -> Answer:
    shown = opened.shown(raw, Labels(quoted, leads_to), mark=mark)
    if shown is None:
        return None, b""
    told = dataclasses.asdict(shown)
    return told, told.pop("html").encode("utf-8", "replace")


def _file(raw: bytes, *, number: int) -> Answer:
    file = opened.file_of(raw, number)
    return (None, b"") if file is None else ([file.name, file.content_type], file.data)


def _files(raw: bytes, *, as_sent: bool) -> Answer:
    files = opened.files_as_sent(raw) if as_sent else opened.files_of(raw)
    told = [[name, content_type, len(data)] for name, content_type, data in files]
    return told, b"".join(data for _, _, data in files)


def _words(data: bytes, *, name: str, content_type: str) -> Answer:
    return None, extract.text_of(name, content_type, data).encode("utf-8", "replace")


def _picture(data: bytes, *, longest: int) -> Answer:
    return None, drawing.picture(data, longest)


def _page(data: bytes, *, number: int) -> Answer:
    drawn, count = drawing.page(data, number)
    return count, drawn


QUESTIONS: Mapping[str, Callable[..., Answer]] = {
    "message": _message, "html": _html, "file": _file, "files": _files, "words": _words, "picture": _picture, "page": _page,
}  # fmt: skip


def answer(asked: socket.socket) -> None:
    """Read a question until its end, and answer it. Whatever is wrong with what was asked about, it ends without an answer."""
    confine(MEMORY_LIMIT)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    # Nothing handles the signal: it ends this process wherever it is, in C too.
    signal.alarm(SECONDS)
    received = bytearray()
    while piece := asked.recv(_PIECE):
        received += piece
    end = received.index(b"\n")
    name, wish = json.loads(received[:end])
    data = bytes(memoryview(received)[end + 1 :])
    del received
    told, found = QUESTIONS[name](data, **wish)
    body = json.dumps(told, default=_plain, ensure_ascii=False).encode("utf-8", "replace")
    asked.sendall(LENGTHS.pack(len(body), len(found)) + body)
    asked.sendall(found)


def _plain(value: object) -> object:
    """Moments keep what they are: a day is none. Undone by `cells.restored`."""
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    raise TypeError(type(value))


def guard(control: socket.socket) -> None:
    """The warden: a cell for every socket that comes, until the other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        told, descriptors, *_ = socket.recv_fds(control, 1, 1)
        if not told:
            return
        for descriptor in descriptors:
            with suppress(OSError):  # no process to be had just now: the asker finds the socket closed
                if os.fork() == 0:
                    _in_cell(control, descriptor)
            os.close(descriptor)


def _in_cell(control: socket.socket, descriptor: int) -> None:
    try:
        control.close()
        answer(socket.socket(fileno=descriptor))
        os._exit(0)
    finally:
        os._exit(1)


def main() -> None:
    """`python -m poststelle.run.cell DESCRIPTOR`."""
    prepare()
    drawing.prepare()
    opened.shown(b"Content-Type: text/html\n\n<p class=quote><a href=https://a.test>b.test</a>", Labels("", ""))
    opened.opened(
        b"From: a@b.test\nDate: Mon, 02 Mar 2026 08:00:00 +0100\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n"
    )
    # Kept as long as the warden lives: a cell can open no file to look a zone up.
    _zones.extend(ZoneInfo(name) for name in available_timezones())
    gc.freeze()
    guard(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
