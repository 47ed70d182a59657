"""Files of a mail as they may be handed out: a name any system takes, a type that cannot run (RELIABILITY Q65).

Law: what a file claims to be decides nothing. This module does not know HTTP, nor what is shown in place.
"""

from __future__ import annotations

import re
import unicodedata

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
KNOWN_TYPES = IMAGE_TYPES | {"application/pdf", "application/zip", "text/plain", "message/rfc822"}

DANGERS = ("program", "macros", "page", "container", "disguised")
"""What a file's name says it could do: run, run inside an office program, show a page of its own, hide other files, deceive."""

_ENDINGS = {
    "program": "exe com scr pif bat cmd msi msp msix appx jar js jse vbs vbe vb wsf wsh wsc hta ps1 psm1 psd1 cpl dll sys lnk url scf inf"
    " reg sh run app command dmg pkg deb rpm apk appimage gadget application ade adp mde mdb accde chm hlp one onepkg xll ppam xlam"
    " slk iqy library-ms search-ms settingcontent-ms py pyw rb pl php ws wsb",
    "macros": "docm dotm xlsm xltm xlsb pptm potm ppsm sldm",
    "page": "html htm xhtml shtml mht mhtml svg svgz xml xsl xslt swf",
    "container": "iso img vhd vhdx udf cab ace arj lzh wim",
}
_DANGERS = {ending: danger for danger, endings in _ENDINGS.items() for ending in endings.split()}
_DECOYS = frozenset(
    {"pdf", "jpg", "jpeg", "png", "gif", "txt", "doc", "docx", "xls", "xlsx", "odt", "ods", "zip", "mp3", "mp4", "csv"}
)
_PAGE_TYPES = frozenset({"text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/xml"})
_DECEIVING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]|\\s{5,}")

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.I | re.S)


_USUAL_ENDINGS = {
    "application/pdf": ".pdf", "image/gif": ".gif", "image/jpeg": ".jpg", "image/png": ".png", "message/delivery-status": ".txt",
    "message/rfc822": ".eml", "text/calendar": ".ics", "text/html": ".html", "text/plain": ".txt", "text/rfc822-headers": ".txt",
}  # fmt: skip


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


def named(name: str, content_type: str) -> str:
    """The name as sent; for a file without one a name that tells what it is."""
    return name or f"file{_USUAL_ENDINGS.get(content_type, '')}"


def dangers(name: str, content_type: str) -> tuple[str, ...]:
    """What to beware of (`DANGERS`) in a file of this name (as sent) and claimed type."""
    *stem, ending = safe_name(name).lower().split(".")
    found = {_DANGERS[ending]} if stem and ending in _DANGERS else set()
    if content_type in _PAGE_TYPES:
        found.add("page")
    runs = found & {"program", "page"}
    if _DECEIVING.search(name) or (runs and len(stem) > 1 and stem[-1].strip() in _DECOYS):
        found.add("disguised")
    return tuple(danger for danger in DANGERS if danger in found)


def _cut(text: str, octets: int) -> str:
    return text.encode()[:octets].decode("utf-8", "ignore")
