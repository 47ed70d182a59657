"""The one-time link that opens the set-up page.

`serve` makes a token when nothing has been set up, prints the link and keeps only the token's SHA-256 in the data folder
(``setup-token``, 0600). Whoever can read the terminal or the data folder may set up; nobody else. The file goes with set-up.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from django.conf import settings as django_settings

from poststelle.errors import Conflict, NotFound
from poststelle.mail.records import UserRecord
from poststelle.mail.secret import Secret
from poststelle.office import people
from poststelle.office.actor import SYSTEM


def new_setup_token() -> str:
    """A fresh token; an earlier one is void. Raises Conflict("already-set-up")."""
    if people.office_name() is not None:
        raise Conflict("already-set-up")
    token = secrets.token_urlsafe(24)
    handle = os.open(_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor, so that nobody sees it at 0644
        file.write(_digest(token))
    return token


def check(token: str) -> bool:
    """Whether this is the token that opens set-up now."""
    try:
        expected = _file().read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return people.office_name() is None and hmac.compare_digest(expected, _digest(token))


def set_up(token: str, *, office: str, language: str, email: str, name: str, password: Secret) -> UserRecord:
    """Set up through the link; it is used up then. Raises NotFound("setup-link-unknown"), and what `people.set_up` raises."""
    if not check(token):
        raise NotFound("setup-link-unknown")
    user = people.set_up(SYSTEM, office=office, language=language, email=email, name=name, password=password)
    _file().unlink(missing_ok=True)
    return user


def _file() -> Path:
    home: Path = django_settings.POSTSTELLE.home
    return home / "setup-token"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
