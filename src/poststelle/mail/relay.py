"""The installation's own way out, as the configuration file names it: one URL (setting `relay`).

``smtp://host`` (no encryption), ``smtp+starttls://host``, ``smtps://host`` (TLS from the first byte), each with an optional port
and, percent-encoded, user name and password; ``local`` is ``smtp://127.0.0.1:25``. This module does not know who uses it.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from poststelle.mail.secret import Secret
from poststelle.mail.settings import DEFAULT_PORTS, Encryption, Endpoint, Login

LOCAL = "smtp://127.0.0.1:25"
_ENCRYPTION = {"smtp": Encryption.NONE, "smtp+starttls": Encryption.STARTTLS, "smtps": Encryption.TLS}


def read_relay(text: str) -> tuple[Endpoint, Login | None]:
    """Where the relay is and how to log in there. Raises ValueError, without repeating the text (it may hold a password)."""
    parts = urlsplit(LOCAL if text == "local" else text)
    encryption = _ENCRYPTION.get(parts.scheme)
    if encryption is None or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("a relay looks like smtp+starttls://relay.example.org:587")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("a port is a number from 1 to 65535") from None
    endpoint = Endpoint("smtp", parts.hostname, port or DEFAULT_PORTS["smtp", encryption], encryption)
    if parts.username is None:
        return endpoint, None
    return endpoint, Login(unquote(parts.username), Secret(unquote(parts.password or "")))
