"""The key file of an installation: outside the database and its backups, readable by its owner only.

It holds the key-encryption keys (RELIABILITY Q30) and, separately, the key that signs sessions. Losing it means losing every
stored password; whoever has it together with the database can read them.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poststelle.errors import Conflict
from poststelle.store.durable import sync_names


@dataclass(frozen=True, slots=True)
class KeyFile:
    """`keys` by key id, 32 bytes each; `current` names the one that seals new secrets."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)
    session_key: str = field(repr=False)


def open_key_file(path: Path) -> KeyFile:
    """The keys in `path`, made on first use (mode 0600, durable before it is named).

    Raises Conflict("key-file-readable-by-others") when somebody else could read it.
    """
    if not path.exists():
        _make(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Conflict("key-file-readable-by-others", path=str(path))
    content = json.loads(path.read_text(encoding="ascii"))
    keys = {name: base64.b64decode(value) for name, value in content["keys"].items()}
    return KeyFile(content["current"], keys, content["session_key"])


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = secrets.token_hex(4)
    content = {
        "current": name,
        "keys": {name: base64.b64encode(secrets.token_bytes(32)).decode()},
        "session_key": secrets.token_urlsafe(48),
    }
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        # Two processes may get here at once: link() lets exactly one of them win.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    sync_names(path.parent)
