"""Cells that die of some messages, fall asleep over others, and try what they must not; `test_cells` runs them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from poststelle.mail import opened
from poststelle.mail.folding import Labels
from poststelle.run import cell
from poststelle.run.cells import Warden

warden = Warden("tests.run.doomed_cell")
ask = warden.ask

_opened, _shown = opened.opened, opened.shown


def doomed(raw: bytes, servers: Sequence[str] = ()) -> opened.Opened:
    if b"poison" in raw:
        os.abort()
    if b"sleep" in raw:
        time.sleep(3600)
    if b"memory" in raw:
        bytearray(4 << 30)
    if b"escape" in raw:
        ways = (socket.socket, Path("/etc/hostname").read_bytes, os.pipe, lambda: os.open("/tmp", os.O_RDONLY))
        return opened.Opened(text=" ".join(filter(None, map(_tried, ways))))
    return _opened(raw, servers)


def fragile(raw: bytes, labels: Labels, *, mark: str = "") -> opened.Shown | None:
    if b"brittle" in raw:
        os.abort()
    return _shown(raw, labels, mark=mark)


def _tried(way_out: object) -> str:
    try:
        way_out()  # type: ignore[operator]
    except OSError:
        return ""
    return f"open:{way_out}"


if __name__ == "__main__":
    opened.opened, opened.shown = doomed, fragile
    cell.SECONDS = 2
    cell.main()
