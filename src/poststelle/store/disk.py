"""What this machine lacks when something cannot be written down: room, a disk that takes it, a database nobody else holds.

Law: mail is only fetched while `RESERVE` bytes stay free, so that there is always room for the rows that say why nothing comes, and for
what people write. A code is a word of the office's wording (`no-room`); a person reads it on pages, in answers and in the log.
"""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile

from django.conf import settings as django_settings
from django.db import DatabaseError

RESERVE = 32 << 20
_BY_NUMBER = {
    errno.ENOSPC: "no-room", errno.EDQUOT: "no-room", errno.EROFS: "disk-read-only", errno.EIO: "disk-failing",
}  # fmt: skip
_BY_NAME = {
    "SQLITE_FULL": "no-room", "SQLITE_READONLY": "disk-read-only", "SQLITE_IOERR": "disk-failing", "SQLITE_BUSY": "database-busy",
    "SQLITE_LOCKED": "database-busy",
}  # fmt: skip


def trouble_of(error: BaseException | None) -> str:
    """The code of what is wrong with this machine, where it is known and passes when somebody mends it; else nothing."""
    if isinstance(error, OSError):
        return _BY_NUMBER.get(error.errno or 0, "")
    told_by = error.__cause__ if isinstance(error, DatabaseError) else error
    name = getattr(told_by, "sqlite_errorname", "")
    return next((code for start, code in _BY_NAME.items() if name.startswith(start)), "")


def trouble() -> str:
    """The same, as it is just now, asked of the disk and not of the database, which could not be told of it."""
    if free() < RESERVE:
        return "no-room"
    try:
        with tempfile.TemporaryFile(dir=django_settings.POSTSTELLE.home) as file:
            file.write(b"Post")
    except OSError as error:
        return trouble_of(error) or "disk-failing"
    return ""


def free() -> int:
    """Bytes that are left where the data lies."""
    return shutil.disk_usage(django_settings.POSTSTELLE.home).free


def leave_room() -> None:
    """Before mail is kept. Raises OSError(ENOSPC) where it would take what is left."""
    if free() < RESERVE:
        raise OSError(errno.ENOSPC, "less room than is left free")


def set_back(log: logging.Logger, who: str, error: Exception) -> None:
    """Log that something could not be noted and is tried again: a line where the machine is the reason, all there is where it is not."""
    if code := trouble_of(error):
        log.error("%s: set back: %s: %s", who, code, error)
    else:
        log.error("%s: set back", who, exc_info=error)
