"""The mark beside the database: by it a data folder that was restored or copied is told from the one that mail last left from.

Law: the mark is a file in the data folder and no part of a backup. It says which file it is, so that a copy of it is known for one,
and which journal entry was the newest when the latest message began to leave, so that a database that does not know this entry is
known for an older one (RELIABILITY G19, Q24). What cannot be read is no mark. This module does not know what follows from it.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path

from django.conf import settings as django_settings

from poststelle.store.rows import one_row

FILE = "instance.json"
_GET_GENERATION = 0x80087601
"""FS_IOC_GETVERSION of Linux."""

_ROOM = 256
"""Bytes of the file, always, so that writing it again needs no room on a full disk."""


def fits() -> bool:
    """Whether this is the folder and the database that mail last left from."""
    try:
        with _path().open("rb") as file:
            told = json.loads(file.read(_ROOM))
            which = _which(file.fileno())
    except (OSError, ValueError):
        return False
    if not isinstance(told, dict) or told.get("file") != which:
        return False
    entry = told.get("entry")
    if entry == 0:
        return True
    row = one_row("SELECT digest FROM store_journal WHERE id = %s", [entry]) if isinstance(entry, int) else None
    return row is not None and row[0] == told.get("digest")


def renew() -> None:
    """This is the folder and the database mail leaves from; one that does not know the newest journal entry is an older one.

    Not made durable by itself: after a power cut it may be an older mark, which the database knows as well.
    """
    newest = one_row("SELECT id, digest FROM store_journal ORDER BY id DESC LIMIT 1", [])
    handle = os.open(_path(), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        entry, digest = newest or (0, "")
        told = {"file": _which(handle), "entry": entry, "digest": digest}
        os.pwrite(handle, json.dumps(told).encode().ljust(_ROOM), 0)
    finally:
        os.close(handle)


def _which(handle: int) -> list[int]:
    """Number and generation of the file: a copy has another number, or where a number is given out again, another generation."""
    try:
        generation = int.from_bytes(fcntl.ioctl(handle, _GET_GENERATION, bytes(8)), sys.byteorder)
    except OSError:  # not every file system keeps one
        generation = 0
    return [os.fstat(handle).st_ino, generation]


def _path() -> Path:
    home: Path = django_settings.POSTSTELLE.home
    return home / FILE
