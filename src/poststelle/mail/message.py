"""A message as people and programs read it: `parse` turns the bytes into a `ParsedMessage`; the part functions decode bodies.

Law: any bytes give a message, nothing is raised, and the time is linear in the size (RFC 5322, RFC 2045-2049). The bytes
themselves stay the truth: everything here can be computed again. `parse` decodes headers only; bodies are decoded when asked for.

This module does not know how HTML is made safe, nor which files of a message are dangerous.
"""

from __future__ import annotations

import binascii
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from poststelle.mail import charset, headers, html, mime, tnef
from poststelle.mail.address import Address, parse_addresses
from poststelle.mail.headers import Headers
from poststelle.mail.mime import Node, Part

Raw = bytes | bytearray | memoryview | mmap.mmap

_PLAIN = {"text/plain", "text/enriched", "text/richtext"}
_MAX_HTML = 4_000_000
_LARGEST_ENVELOPE = 64 << 20
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.I)
_CID = re.compile(rb"cid:([^\"'\s>)\\]{1,998})", re.I)
_PADDING = b"=\r\n\t "
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", re.M)


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """What a message says. Texts are one line, decoded, fit to be shown; `date` is UTC, None where it is missing or nonsense.

    Identifiers come without angle brackets. `text_part` and `html_part` are the two forms of the text to be read;
    `texts` all plain parts of it. Every other leaf is in `attachments` in order of appearance: files, nested messages (whose
    own parts hang below them and are not repeated), and images shown within the HTML, which say `is_inline`.
    """

    subject: str
    from_: tuple[Address, ...]
    sender: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    date: datetime | None
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    root: Part
    text_part: Part | None
    html_part: Part | None
    texts: tuple[Part, ...]
    attachments: tuple[Part, ...]
    defects: tuple[str, ...]
    headers: Headers


def parse(raw: Raw) -> ParsedMessage:
    """Read a message. Never raises, whatever the bytes are."""
    data = bytes(raw) if isinstance(raw, bytearray | memoryview) else raw
    node, defects = mime.scan(data)
    _mark_inline_images(data, node)
    return _message(node.freeze(), tuple(defects))


def nested(raw: Raw, parsed: ParsedMessage) -> Iterator[tuple[Raw, ParsedMessage]]:
    """The messages within this one, each with the bytes its offsets are of; not those within them."""
    for part in parsed.attachments:
        if part.content_type in {"message/rfc822", "message/global"}:
            if part.children:
                yield raw, _message(part.children[0], ())
            else:
                data = part_bytes(raw, part)
                yield data, parse(data)


def _message(root: Part, defects: tuple[str, ...]) -> ParsedMessage:
    body = _Body()
    body.read(root)
    fields = root.headers
    return ParsedMessage(
        subject=fields.get("subject"),
        from_=_addresses(fields, "from"),
        sender=_addresses(fields, "sender"),
        to=_addresses(fields, "to"),
        cc=_addresses(fields, "cc"),
        bcc=_addresses(fields, "bcc"),
        reply_to=_addresses(fields, "reply-to"),
        date=headers.date(fields.raw("date")),
        message_id=_message_id(fields.raw("message-id")),
        in_reply_to=headers.message_ids(fields.raw("in-reply-to")),
        references=headers.message_ids(fields.raw("references")),
        root=root,
        text_part=body.texts[0] if body.texts else None,
        html_part=body.html,
        texts=tuple(body.texts),
        attachments=tuple(body.attachments),
        defects=defects,
        headers=fields,
    )


def _addresses(fields: Headers, name: str) -> tuple[Address, ...]:
    value = fields.raw(name)
    return parse_addresses(value) if value else ()


def _message_id(value: str) -> str:
    if identifiers := headers.message_ids(value):
        return identifiers[0]
    return value.strip("<> ").partition(" ")[0][: headers.MAX_ID_LENGTH]


def _mark_inline_images(raw: bytes | mmap.mmap, root: Node) -> None:
    nodes = list(_nodes(root))
    images = [node for node in nodes if node.said.content_id and node.content_type.startswith("image/")]
    if not images:
        return
    shown: set[str] = set()
    for node in nodes:
        if node.content_type == "text/html" and node.said.disposition != "attachment":
            text = _decoded(raw, node.said.encoding, node.start, min(node.end, node.start + _MAX_HTML))
            shown.update(unquote(match[1].decode("utf-8", "replace")) for match in _CID.finditer(text))
    for image in images:
        image.is_inline = image.said.content_id in shown


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _nodes(child)


class _Body:
    """Sorts the leaves: text to be read, its HTML form, attachments."""

    def __init__(self) -> None:
        self.texts: list[Part] = []
        self.html: Part | None = None
        self.attachments: list[Part] = []

    def read(self, part: Part) -> None:
        kind = part.content_type
        if not part.children or kind.startswith("message/"):
            self._leaf(part)
            return
        before = len(self.texts)
        for child in part.children:
            # Several plain forms of one alternative say the same: one is read, the others stay within reach.
            if kind == "multipart/alternative" and child.content_type in _PLAIN and len(self.texts) > before:
                self.attachments.append(child)
            else:
                self.read(child)

    def _leaf(self, part: Part) -> None:
        kind = part.content_type
        readable = part.disposition != "attachment" and not (part.name and (self.texts or self.html))
        if kind == "text/html" and readable and self.html is None:
            self.html = part
        elif kind in _PLAIN and readable and (self.html is None or not self.texts):
            self.texts.append(part)
        else:
            self.attachments.append(part)


def part_bytes(raw: Raw, part: Part) -> bytes:
    """The decoded body of a part. Broken encodings give what can be read of them, unknown ones the bytes as they stand."""
    return _decoded(raw, part.encoding, part.start, part.end)


def _decoded(raw: Raw, encoding: str, start: int, end: int) -> bytes:
    data = bytes(raw[start:end])
    if encoding == "base64":
        return _base64(data)
    if encoding == "quoted-printable":
        # Soft line breaks are known to end in LF; where CR alone ends lines there is none.
        return binascii.a2b_qp(data if b"\n" in data else data.replace(b"\r", b"\n"))
    if encoding in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return _uuencoded(data)
    return data


def _base64(data: bytes) -> bytes:
    """Tolerant: foreign characters are skipped, missing padding is added, padding in the middle begins the next run."""
    padding = data.find(b"=")
    if padding < 0 or not data[padding:].strip(_PADDING):
        try:
            return binascii.a2b_base64(data)
        except binascii.Error:
            return _base64_run(data)
    first, *more = re.split(rb"=+", data.rstrip(_PADDING))
    runs = [_base64_run(first)]
    for run in more:
        letters = run.translate(None, b"\r\n\t ")
        # What follows the padding is either more of the same or a footer some mailing list has glued on.
        if letters.translate(None, _NOT_BASE64) != letters:
            break
        runs.append(_base64_run(letters))
    return b"".join(runs)


def _base64_run(data: bytes) -> bytes:
    letters = data.translate(None, _NOT_BASE64)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _uuencoded(data: bytes) -> bytes:
    begin = _UU_BEGIN.search(data)
    lines: list[bytes] = []
    for line in data[begin.end() if begin else 0 :].splitlines():
        if line.strip() in {b"end", b"`", b""}:
            continue
        try:
            lines.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Trailing blanks lost or added on the way: the length letter says how much counts.
            needed = ((line[0] - 32) & 63) * 8 // 6 + 1
            try:
                lines.append(binascii.a2b_uu(line[: needed + 1].ljust(needed + 1)))
            except binascii.Error:
                return data
    return b"".join(lines)


def part_text(raw: Raw, part: Part, limit: int | None = None) -> str:
    """The body of a text part as Unicode with LF line ends and without NUL; at most about `limit` bytes of it are decoded."""
    end = part.end if limit is None else min(part.end, part.start + 2 * limit)
    data = _decoded(raw, part.encoding, part.start, end)
    label = part.charset
    if part.content_type == "text/html" and charset.codec_of(label) in {None, "ascii"}:
        meta = _META_CHARSET.search(data, 0, 2048)
        label = meta[1].decode("ascii", "replace") if meta else label
        # Bytes in which this was found are no UTF-16, whatever they say.
        label = "utf-8" if label.lower().startswith("utf-16") else label
    text = charset.decode(data, label)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def body_text(raw: Raw, parsed: ParsedMessage, limit: int = 200_000) -> str:
    """The text to be read, for preview and index: the plain parts, else the HTML's words, else those in a winmail.dat. At most `limit` characters."""
    text = "\n".join(part_text(raw, part, limit) for part in parsed.texts[:100])
    if not text.strip() and parsed.html_part is not None:
        text = html.text_of(part_text(raw, parsed.html_part, 5 * limit))
    if not text.strip():
        text = next((within for part in parsed.attachments if (within := _enveloped_text(raw, part))), text)
    return text[:limit]


def is_envelope(part: Part) -> bool:
    """Whether the part is a winmail.dat that may be opened."""
    named = part.content_type in tnef.TYPES or part.name.lower() == "winmail.dat"
    return named and part.end - part.start <= _LARGEST_ENVELOPE


def _enveloped_text(raw: Raw, part: Part) -> str:
    return tnef.unpack(part_bytes(raw, part)).text if is_envelope(part) else ""


def preview(text: str, length: int = 200) -> str:
    """The beginning of a text on one line, quoted lines left out where there are others; an ellipsis tells it was cut."""
    text = text[: 20 * length]
    own = text
    if ">" in text:
        own = "\n".join([line for line in text.split("\n") if line[:1] != ">"])
    words = _beginning(own, length) or _beginning(text, length)
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"


def _beginning(text: str, length: int) -> str:
    """The text cleaned; of a long one, as long as it is wanted, some more than that."""
    words = headers.clean(text[: 2 * length].replace("\n", " "))
    return words if len(words) > length or len(text) <= 2 * length else headers.clean(text.replace("\n", " "))
