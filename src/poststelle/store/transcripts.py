"""What was said with an account's servers, where somebody asked for it: one bounded file per account in the data folder.

Law: readable by the system user alone (0600), at most `LARGEST` bytes and the file before it; removed a week after the last
line. Lines come redacted (`mail.transcript`). As with events, `keep` only remembers; `flush` writes.
"""

from __future__ import annotations

import os
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings as django_settings
from django.utils import timezone

from poststelle.store import models

FOLDER = "transcripts"
LARGEST = 4 << 20
KEPT_SECONDS = 7 * 86_400.0
_WAITING = 50_000

_waiting: deque[tuple[str, str]] = deque()


def keep(account: str, line: str) -> None:
    """Remember a line of an account's transcript. From any thread; never waits and never fails."""
    if len(_waiting) < _WAITING:
        _waiting.append((account, f"{timezone.now().isoformat(timespec='milliseconds')} {line}\n"))


def waiting() -> bool:
    """Lines have been kept and not written."""
    return bool(_waiting)


def flush() -> None:
    """Write what was kept. Blocking. Raises OSError; what was not written then is lost."""
    lines: dict[str, list[str]] = {}
    for _ in range(len(_waiting)):
        account, line = _waiting.popleft()
        lines.setdefault(account, []).append(line)
    for account, told in lines.items():
        _append(_file(account), "".join(told).encode())


def until(account: str) -> datetime | None:
    """Till when the account's connections are to be written down; None when they are not."""
    at = models.Account.objects.filter(pk=account).values_list("transcript_until", flat=True).first()
    return at if at is not None and at > timezone.now() else None


def read(account: str) -> bytes:
    """Everything that is kept, oldest line first; empty when nothing is."""
    file = _file(account)
    return b"".join(one.read_bytes() for one in (_before(file), file) if one.is_file())


def remove(account: str) -> None:
    """Forget what is kept of an account."""
    for one in (_file(account), _before(_file(account))):
        one.unlink(missing_ok=True)


def expire() -> None:
    """Remove what nobody has written to for a week."""
    folder = _folder()
    for one in [*folder.iterdir()] if folder.is_dir() else ():
        if one.stat().st_mtime < time.time() - KEPT_SECONDS:
            one.unlink(missing_ok=True)


def _append(file: Path, data: bytes) -> None:
    file.parent.mkdir(mode=0o700, exist_ok=True)
    if file.is_file() and file.stat().st_size + len(data) > LARGEST:
        file.replace(_before(file))
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(data[-LARGEST:])


def _folder() -> Path:
    home: Path = django_settings.POSTSTELLE.home
    return home / FOLDER


def _file(account: str) -> Path:
    return _folder() / f"{UUID(account)}.log"


def _before(file: Path) -> Path:
    return file.with_suffix(".log.1")
