"""Files of a mail as they may be handed out: a name any system takes, a type that cannot run (RELIABILITY Q65).

Law: what a file claims to be decides nothing. This module does not know HTTP, nor what is shown in place.
"""

from __future__ import annotations

import re
import unicodedata

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
KNOWN_TYPES = IMAGE_TYPES | {"application/pdf", "application/zip", "text/plain", "message/rfc822"}

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.I | re.S)


def safe_type(content_type: str) -> str:
    """The type itself where it is known to be harmless, else ``application/octet-stream``."""
    return content_type if content_type in KNOWN_TYPES else "application/octet-stream"


def safe_name(name: str) -> str:
    """A file name any system takes: one component, nothing invisible, no device name, at most 255 octets; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")
    kept = re.sub(r'[<>:"|?*]', "_", visible).strip(" .")
    if not kept or _RESERVED.fullmatch(kept):
        kept = f"file_{kept}".rstrip("_")
    stem, dot, ending = kept.rpartition(".")
    if dot and len(ending.encode()) <= 20:
        return f"{_cut(stem, 254 - len(ending.encode()))}.{ending}"
    return _cut(kept, 255)


def _cut(text: str, octets: int) -> str:
    return text.encode()[:octets].decode("utf-8", "ignore")
