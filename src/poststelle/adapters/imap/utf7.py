"""Modified UTF-7 (RFC 3501 section 5.1.3): folder names as people read them.

Law: for display and for making new names only; a folder is always addressed by the bytes the server listed.
"""

from __future__ import annotations

import base64
import binascii
import re

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_UNSAFE = re.compile(r"&|[^\x20-\x7e]+")


def decode(name: bytes) -> str:
    """The readable name. What is no modified UTF-7 is read as UTF-8, and failing that as Latin-1; never raises."""
    if not name.isascii():
        try:
            return name.decode()
        except UnicodeDecodeError:
            return name.decode("latin-1")
    return _SHIFTED.sub(_decode_run, name).decode("utf-8")


def _decode_run(match: re.Match[bytes]) -> bytes:
    code = match[1].replace(b",", b"/")
    if not code:
        return b"&"
    try:
        return base64.b64decode(code + b"=" * (-len(code) % 4)).decode("utf-16-be").encode()
    except (binascii.Error, UnicodeError):
        return match[0]


def encode(name: str) -> bytes:
    """The name as IMAP4rev1 wants it. Raises UnicodeEncodeError for half a surrogate pair."""

    def run(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        code = base64.b64encode(match[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return f"&{code.decode()}-"

    return _UNSAFE.sub(run, name).encode("ascii")
