"""A message opened: all a page tells of it, as plain values, so that they can come from the process that read the bytes.

Law: never raises on any bytes; what comes out is bounded by what went in, pictures shown in the text by `MOST_EMBEDDED`. This
module does not know who may read, nor which addresses remote pictures get here: their places are marked for whoever knows.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from poststelle.mail import calendar, report, spoofing
from poststelle.mail import html as html_mail
from poststelle.mail.address import Address
from poststelle.mail.authentication import Verdict, verdict
from poststelle.mail.calendar import Event
from poststelle.mail.enclosures import Enclosure, enclosures
from poststelle.mail.files import IMAGE_TYPES
from poststelle.mail.folding import Labels, prepared
from poststelle.mail.headers import decode_words, unfold
from poststelle.mail.message import body_text, parse, part_bytes, part_text
from poststelle.mail.mime import Part
from poststelle.mail.protection import protection
from poststelle.mail.report import DeliveryReport, DispositionReport

MOST_EMBEDDED = 20 << 20
MOST_REMOTE = 500
_LARGEST_PICTURE = 5 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A file with a message, without its bytes: `number` counts from 0, `size` is decoded; see `mail.enclosures.Enclosure`."""

    number: int
    name: str
    content_type: str
    size: int
    is_inline: bool = False
    is_envelope: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """What a message says. The fields named as in `mail.message.ParsedMessage` mean the same; `headers` is every field in its
    order, decoded. `text` is the text to be read, made from the HTML where there is no plain one; `marks` are those of
    `mail.spoofing`; `authentication` is what the asker's own servers found out, None where they do not say; `protection` is
    `mail.protection`'s word.
    """

    subject: str = ""
    from_: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    date: datetime | None = None
    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    text: str = ""
    has_html: bool = False
    files: tuple[File, ...] = ()
    marks: tuple[str, ...] = ()
    authentication: Verdict | None = None
    invitations: tuple[Event, ...] = ()
    delivery: DeliveryReport | None = None
    disposition: DispositionReport | None = None
    protection: str = ""


UNREADABLE = Opened(defects=("unreadable",))
"""In place of a message that could not be read: too much for its reader, or too long."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The HTML form, sanitised. Where a remote picture was let in, `html` has the mark and its place in `pictures`."""

    html: str
    blocked_remote: int
    subject: str
    pictures: tuple[str, ...] = ()


def opened(raw: bytes, servers: Sequence[str] = ()) -> Opened:
    """The message opened. `servers`: the names whose findings on the sender count (`mail.authentication.own_servers`)."""
    parsed = parse(raw)
    text = body_text(raw, parsed)
    return Opened(
        **{name: getattr(parsed, name) for name in _SAME},
        headers=tuple((name, decode_words(unfold(value))) for name, value in parsed.headers),
        text=text,
        has_html=parsed.html_part is not None,
        files=tuple(_described(number, file) for number, file in enumerate(enclosures(raw, parsed))),
        marks=spoofing.marks(parsed),
        authentication=verdict(parsed.headers, servers),
        invitations=calendar.invitations(raw, parsed),
        delivery=report.delivery(raw, parsed),
        disposition=report.disposition(raw, parsed),
        protection=protection(parsed.root, text),
    )


_SAME = (
    "subject", "from_", "sender", "to", "cc", "bcc", "reply_to", "date", "message_id", "in_reply_to", "references", "defects",
)  # fmt: skip


def shown(raw: bytes, labels: Labels, *, mark: str = "") -> Shown | None:
    """The HTML form as a fragment for the sandboxed frame; None where there is none.

    Quoted letters are folded, deceiving links marked, images of the message embedded. With a `mark` (that nobody who wrote the
    message can know) remote pictures are let in: each as the mark and the number of its address in `pictures`.
    """
    parsed = parse(raw)
    if parsed.html_part is None:
        return None
    pictures: list[str] = []

    def through(url: str) -> str:
        if url not in places:
            if len(pictures) == MOST_REMOTE:
                return ""
            places[url] = len(pictures)
            pictures.append(url)
        return f"{mark}{places[url]}."

    places: dict[str, int] = {}
    text = prepared(part_text(raw, parsed.html_part), labels)
    clean = html_mail.sanitise(text, images=_images(raw, parsed.root), remote=bool(mark), through=through)
    return Shown(clean.html, clean.blocked_remote, parsed.subject, tuple(pictures))


def file_of(raw: bytes, number: int) -> Enclosure | None:
    """The file of this number, None where there is none."""
    files = enclosures(raw, parse(raw))
    return files[number] if 0 <= number < len(files) else None


def files_of(raw: bytes) -> list[tuple[str, str, bytes]]:
    """Name, type and bytes of the files people mean when they say all: neither what the text shows nor a winmail.dat whose contents
    are there too."""
    files = enclosures(raw, parse(raw))
    return [(file.name, file.content_type, file.data) for file in files if not (file.is_inline or file.is_envelope)]


def files_as_sent(raw: bytes) -> list[tuple[str, str, bytes]]:
    """Name, type and bytes of every file as it was sent, to be passed on."""
    parsed = parse(raw)
    return [(part.name, part.content_type, part_bytes(raw, part)) for part in parsed.attachments]


def _described(number: int, file: Enclosure) -> File:
    return File(number, file.name, file.content_type, file.size, file.is_inline, file.is_envelope)


def _images(raw: bytes, root: Part) -> Mapping[str, str]:
    return _Embedded(
        {
            part.content_id: (raw, part)
            for part in _parts(root)
            if part.content_id and part.content_type in IMAGE_TYPES and part.end - part.start < _LARGEST_PICTURE
        }
    )


class _Embedded(Mapping[str, str]):
    """Content-ID to data URL, made when asked for; no more once they have become `MOST_EMBEDDED` together, however often one is shown."""

    def __init__(self, parts: Mapping[str, tuple[bytes, Part]]) -> None:
        self._parts, self._left = parts, MOST_EMBEDDED

    def __getitem__(self, content_id: str) -> str:
        raw, part = self._parts[content_id]
        self._left -= part.end - part.start
        if self._left < 0:
            raise KeyError(content_id)
        data = base64.b64encode(part_bytes(raw, part)).decode("ascii")
        return f"data:{part.content_type};base64,{data}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def _parts(part: Part) -> Iterator[Part]:
    yield part
    for child in part.children:
        yield from _parts(child)
