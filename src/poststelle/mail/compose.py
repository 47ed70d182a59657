"""Messages we write: a `Draft` becomes the exact bytes that leave (RFC 5322, 2045-2047, 2183, 2231).

Law: what leaves is what was meant, or it is refused. No header value carries a line end, no line is longer than 998 octets,
every octet is ASCII, every line ends in CRLF, and Bcc is in the envelope only. `compose` is called once per message: the
bytes are kept and sent again as they are.

This module does not know accounts, signatures or how a message is sent.
"""

from __future__ import annotations

import binascii
import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from poststelle.errors import Invalid
from poststelle.mail.address import Address, is_addr_spec

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TYPE = re.compile(r"[a-z0-9][\w!#$&^.+-]{0,60}/[a-z0-9][\w!#$&^.+-]{0,80}", re.A)
_ID = re.compile(r"[!-;=?-~]{1,900}")
_LONG_LINE = re.compile(rb"[^\n]{998}")
_METHOD = re.compile(rb"^METHOD:([A-Za-z]{1,20})\r?$", re.M | re.I)
_LONG_TEXT_LINE = re.compile(r"[^\n]{200}")
_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to send. A `content_type` that is none is sent as application/octet-stream."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as somebody means it. Identifiers without angle brackets; `message_id` and `date` None: made by `compose`.

    `html` is sent as it is, beside `text`; whoever sets it has sanitised what was quoted. `agent`: who sends in the name of
    `sender` (header Sender, RFC 5322 section 3.6.2).
    """

    sender: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    subject: str = ""
    text: str = ""
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    reply_to: tuple[Address, ...] = ()
    message_id: str | None = None
    date: datetime | None = None
    agent: Address | None = None
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class Composed:
    """The message on the wire: `raw` with CRLF, its Message-ID without brackets, and everybody it is for, each once."""

    raw: bytes
    message_id: str
    envelope_recipients: tuple[str, ...]


def compose(draft: Draft) -> Composed:
    """The bytes of a draft. Raises Invalid naming each wrong field (``to.0``, ``subject``, ``attachments.1.name`` …) with
    ``missing``, ``not-an-address``, ``control-character``, ``not-an-id`` or, for what needs SMTPUTF8, ``not-available``."""
    _check(draft)
    message_id = draft.message_id or make_message_id(draft.sender.address)
    date = draft.date or datetime.now(UTC)
    lines = [
        f"Date: {format_datetime(date if date.tzinfo else date.replace(tzinfo=UTC))}",
        _address_line("From", (draft.sender,)),
    ]
    if draft.agent is not None:
        lines.append(_address_line("Sender", (draft.agent,)))
    for name, addresses in (("Reply-To", draft.reply_to), ("To", draft.to), ("Cc", draft.cc)):
        if addresses:
            lines.append(_address_line(name, addresses))
    if not draft.to and not draft.cc:
        lines.append("To: undisclosed-recipients:;")
    if draft.organisation:
        lines.append(_text_line("Organization", draft.organisation))
    lines += _text_line("Subject", draft.subject), f"Message-ID: <{message_id}>"
    if draft.in_reply_to:
        lines.append(f"In-Reply-To: <{draft.in_reply_to}>")
    if draft.references:
        lines.append(_folded("References", [f"<{name}>" for name in draft.references]))
    lines.append("MIME-Version: 1.0")
    raw = "\r\n".join(lines).encode("ascii") + b"\r\n" + _body(draft)
    recipients: dict[str, str] = {}
    for one in (*draft.to, *draft.cc, *draft.bcc):
        address = _wire(one.address)
        recipients.setdefault(address.lower(), address)
    return Composed(raw, message_id, tuple(recipients.values()))


def is_message_id(text: str) -> bool:
    """Whether a header of ours may carry it as Message-ID (without brackets)."""
    return _ID.fullmatch(text) is not None


def make_message_id(address: str) -> str:
    """A new Message-ID in the domain of this address, without brackets."""
    return f"{secrets.token_hex(16)}@{_wire(address).rpartition('@')[2].strip('[]').replace(':', '.')}"


def _check(draft: Draft) -> None:
    wrong: dict[str, str] = {}
    _check_address(wrong, "sender", draft.sender)
    for field in ("to", "cc", "bcc", "reply_to"):
        for number, address in enumerate(getattr(draft, field)):
            _check_address(wrong, f"{field}.{number}", address)
    if not (draft.to or draft.cc or draft.bcc):
        wrong["to"] = "missing"
    if draft.agent is not None:
        _check_address(wrong, "agent", draft.agent)
    for field in ("subject", "organisation"):
        if _CONTROL.search(getattr(draft, field)):
            wrong[field] = "control-character"
    for number, attachment in enumerate(draft.attachments):
        if _CONTROL.search(attachment.name):
            wrong[f"attachments.{number}.name"] = "control-character"
    identifiers = {f"references.{number}": name for number, name in enumerate(draft.references)}
    identifiers |= {"in_reply_to": draft.in_reply_to, "message_id": draft.message_id or ""}
    for field, name in identifiers.items():
        if name and not is_message_id(name):
            wrong[field] = "control-character" if _CONTROL.search(name) else "not-an-id"
    if wrong:
        raise Invalid(wrong)


def _check_address(wrong: dict[str, str], field: str, address: Address) -> None:
    if _CONTROL.search(address.address) or _CONTROL.search(address.name):
        wrong[field] = "control-character"
    elif not is_addr_spec(address.address):
        wrong[field] = "not-an-address"
    elif not address.address.rpartition("@")[0].isascii():
        wrong[field] = "not-available"


def _wire(address: str) -> str:
    """The address with its domain in A-labels (RFC 5891), as header and envelope take it without SMTPUTF8."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    labels = (unicodedata.normalize("NFC", label).lower() for label in domain.split("."))
    return f"{local}@" + ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in labels
    )


def _address_line(name: str, addresses: Sequence[Address]) -> str:
    items: list[str] = []
    for number, address in enumerate(addresses):
        comma = "," if number < len(addresses) - 1 else ""
        phrase = _phrase(address.name)
        items += [*phrase, f"<{_wire(address.address)}>{comma}"] if phrase else [f"{_wire(address.address)}{comma}"]
    return _folded(name, items)


def _phrase(name: str) -> list[str]:
    name = " ".join(name.split())
    if not name:
        return []
    if not name.isascii() or len(name) > 200 or "=?" in name:
        return _encoded_words(name)
    return [name] if _ATOMS.fullmatch(name) else ['"' + re.sub(r'(["\\])', r"\\\1", name) + '"']


def _text_line(name: str, text: str) -> str:
    text = text.replace("\t", " ")
    plain = text.isascii() and "=?" not in text and text == text.strip() and not re.search(r"\S{70}|  ", text)
    return _folded(name, text.split(" ") if plain else _encoded_words(text))


def _encoded_words(text: str) -> list[str]:
    """RFC 2047 words of at most 75 characters, none splitting a character."""
    words: list[str] = []
    chunk = b""
    for char in text:
        encoded = char.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > 45:
            words.append(chunk.decode())
            chunk = b""
        chunk += encoded
    words.append(chunk.decode())
    return [f"=?utf-8?B?{binascii.b2a_base64(word.encode(), newline=False).decode('ascii')}?=" for word in words]


def _folded(name: str, items: Sequence[str]) -> str:
    """The field with line ends where it would pass 76 characters; items are never broken."""
    lines, line = [], f"{name}:"
    for item in items:
        if len(line) + 1 + len(item) > _WIDTH and line.strip() and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {item}"
    return "\r\n".join([*lines, line]).rstrip()


def _body(draft: Draft) -> bytes:
    body = _text_part("plain", draft.text)
    if draft.html is not None:
        body = _multipart("alternative", [body, _text_part("html", draft.html)])
    if draft.attachments:
        body = _multipart("mixed", [body, *map(_file_part, draft.attachments)])
    return body


def _multipart(kind: str, parts: list[bytes]) -> bytes:
    boundary = f"=_{secrets.token_hex(16)}"
    mark = f"--{boundary}".encode("ascii")
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode("ascii")
    return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _text_part(kind: str, text: str) -> bytes:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    data = text.encode("utf-8", "replace")
    if not data.endswith(b"\n"):
        data += b"\n"
    plain = (
        data.isascii()
        and not _LONG_TEXT_LINE.search(text)
        and not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|[ \t]\n|^From ", data, re.M)
    )
    if plain:
        encoding, body = "7bit", data
    elif len(data) > 6 * len(text) // 5:
        encoding, body = "base64", _base64(data.replace(b"\n", b"\r\n"))
    else:
        encoding, body = "quoted-printable", _quoted_printable(data)
    charset = "us-ascii" if data.isascii() else "utf-8"
    head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + body.replace(b"\n", b"\r\n")


def _quoted_printable(data: bytes) -> bytes:
    # Mail stores put ">" before a line that begins with "From ", which would break signatures.
    return re.sub(rb"^From ", b"=46rom ", binascii.b2a_qp(data, istext=True), flags=re.M)


def _base64(data: bytes) -> bytes:
    return b"".join(binascii.b2a_base64(data[at : at + 57]) for at in range(0, len(data), 57))


def _file_part(attachment: Attachment) -> bytes:
    kind = attachment.content_type.strip().lower()
    kind = kind if _TYPE.fullmatch(kind) else "application/octet-stream"
    encoding, body = "base64", b""
    if kind.startswith(("message/", "multipart/")):
        # These may not be base64 (RFC 2046 section 5.2.1): as they are if that is possible, else as a plain file.
        if _travels_as_it_is(attachment.data):
            encoding, body = "7bit", attachment.data
        else:
            kind = "application/octet-stream"
    if encoding == "base64":
        body = _base64(attachment.data).replace(b"\n", b"\r\n")
    if kind == "text/calendar" and (method := _METHOD.search(attachment.data)):
        # Calendars act on it only if its type says what it is for (RFC 6047 section 2.4).
        kind += f"; method={method[1].decode('ascii').upper()}; charset=utf-8"
    head = [f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}", _disposition(attachment.name)]
    return "\r\n".join(head).encode("ascii") + b"\r\n\r\n" + body


def _travels_as_it_is(data: bytes) -> bool:
    return (
        data.isascii()
        and b"\0" not in data
        and data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
        and not _LONG_LINE.search(data)
    )


def _disposition(name: str) -> str:
    """Content-Disposition with the file name, percent-encoded in pieces where it is long or not ASCII (RFC 2231)."""
    if not name:
        return "Content-Disposition: attachment"
    if name.isascii() and len(name) <= 50:
        escaped = re.sub(r'(["\\])', r"\\\1", name.replace("\t", " "))
        return f'Content-Disposition: attachment; filename="{escaped}"'
    letters = [quote(char, safe="", errors="replace") for char in name]
    if sum(map(len, letters)) <= 55:
        return f"Content-Disposition: attachment;\r\n filename*=utf-8''{''.join(letters)}"
    pieces = [""]
    for letter in letters:
        if len(pieces[-1]) + len(letter) > 50:
            pieces.append("")
        pieces[-1] += letter
    pieces[0] = f"utf-8''{pieces[0]}"
    lines = [f" filename*{number}*={piece}" for number, piece in enumerate(pieces)]
    return "Content-Disposition: attachment;\r\n" + ";\r\n".join(lines)
