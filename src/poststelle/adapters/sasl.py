"""SASL mechanisms: which one to take, and the bytes they send (RFC 4422, RFC 4616, draft LOGIN).

Law: pure. A secret is revealed only inside the bytes returned, which go to the wire and nowhere else.
This module does not know any mail protocol or whether the line is encrypted; its callers check that first.
"""

from __future__ import annotations

import base64
from collections.abc import Collection

from poststelle.errors import NeedsAttention
from poststelle.mail.settings import Login, Mechanism


def choose(wanted: Mechanism, offered: Collection[str]) -> Mechanism | None:
    """The mechanism to use, of those the server offers (upper-case names); None if none fits."""
    order = (Mechanism.PLAIN, Mechanism.LOGIN) if wanted is Mechanism.AUTO else (wanted,)
    return next((mechanism for mechanism in order if mechanism.value.upper() in offered), None)


def password_of(login: Login) -> str:
    """The password. Raises NeedsAttention("password-missing")."""
    if not login.password:
        raise NeedsAttention("password-missing", username=login.username)
    return login.password.reveal()


def plain(login: Login) -> bytes:
    """The one message of PLAIN (RFC 4616), not yet base64."""
    return b"\0".join((b"", login.username.encode(), password_of(login).encode()))


def steps(mechanism: Mechanism, login: Login) -> tuple[bytes, ...]:
    """What the client sends, one answer per challenge, not yet base64. PLAIN's can go as initial response."""
    if mechanism is Mechanism.LOGIN:
        return login.username.encode(), password_of(login).encode()
    return (plain(login),)


def spellings(login: Login) -> tuple[str, ...]:
    """Every form in which the password goes over the wire, for redaction; longest first."""
    secret = password_of(login)
    forms = (secret, *(base64.b64encode(text).decode() for text in (plain(login), secret.encode())))
    return tuple(sorted(forms, key=len, reverse=True))
