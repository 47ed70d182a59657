"""What mail systems say about a message sent earlier: it bounced, was delayed, was delivered (RFC 3464), was read (RFC 8098).

Law: pure and tolerant; a message that is no report gives None. What a report claims is hearsay: anybody can write one.
This module does not know what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from poststelle.mail import headers
from poststelle.mail.address import parse_addresses
from poststelle.mail.headers import Headers
from poststelle.mail.message import ParsedMessage, Raw, part_bytes
from poststelle.mail.mime import Part

MAX_RECIPIENTS = 1_000
_LARGEST = 1 << 20
_ACTIONS = frozenset({"failed", "delayed", "delivered", "relayed", "expanded"})
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_BLANK = re.compile(rb"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of one recipient. `action` is one of RFC 3464's five words, `status` like "5.1.1" or ""; the rest as told."""

    recipient: str
    original_recipient: str
    action: str
    status: str
    diagnostic: str
    remote_mta: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A delivery status notification about the message with `original_id` ("" where it does not say)."""

    recipients: tuple[RecipientReport, ...]
    original_id: str
    reporting_mta: str


@dataclass(frozen=True, slots=True)
class DispositionReport:
    """A read receipt: `disposition` like "displayed" or "deleted"; `automatic` when no person answered."""

    recipient: str
    disposition: str
    automatic: bool
    original_id: str


def delivery(raw: Raw, parsed: ParsedMessage) -> DeliveryReport | None:
    """The delivery report this message is, or None."""
    parts = list(_top(parsed.root))
    status = next(
        (part for part in parts if part.content_type in {"message/delivery-status", "message/global-delivery-status"}),
        None,
    )
    if status is None:
        failed = parse_addresses(parsed.headers.raw("x-failed-recipients"))
        told = [RecipientReport(one.address, "", "failed", "", "", "") for one in failed if one.address]
        return DeliveryReport(tuple(told[:MAX_RECIPIENTS]), _original_id(raw, parts), "") if told else None
    about, *groups = _groups(raw, status)
    found = [one for group in ([about, *groups] if _names_recipient(about) else groups) if (one := _recipient(group))]
    reporting = _value(about.get("reporting-mta"))
    return DeliveryReport(tuple(found[:MAX_RECIPIENTS]), _original_id(raw, parts), reporting)


def disposition(raw: Raw, parsed: ParsedMessage) -> DispositionReport | None:
    """The read receipt this message is, or None."""
    parts = list(_top(parsed.root))
    told = next(
        (
            part
            for part in parts
            if part.content_type in {"message/disposition-notification", "message/global-disposition-notification"}
        ),
        None,
    )
    if told is None:
        return None
    fields = next(_groups(raw, told))
    mode, _, kind = fields.get("disposition").lower().rpartition(";")
    original = headers.message_ids(fields.raw("original-message-id"))
    return DispositionReport(
        recipient=_value(fields.get("final-recipient")) or _value(fields.get("original-recipient")),
        disposition=kind.partition("/")[0].strip(),
        automatic="automatic-action" in mode,
        original_id=original[0] if original else _original_id(raw, parts),
    )


def _top(root: Part) -> Iterator[Part]:
    """The parts of the report itself: what lies in a nested message is somebody else's."""
    yield root
    if root.content_type.startswith("multipart/"):
        for child in root.children[:100]:
            yield from _top(child) if child.content_type.startswith("multipart/") else (child,)


def _groups(raw: Raw, part: Part) -> Iterator[Headers]:
    data = part_bytes(raw, part)[:_LARGEST].replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip()
    for block in _BLANK.split(data, MAX_RECIPIENTS + 1):
        fields, _, _ = headers.split(block.strip(b"\r\n") + b"\n")
        yield fields


def _names_recipient(fields: Headers) -> bool:
    return bool(fields.raw("final-recipient") or fields.raw("original-recipient"))


def _recipient(fields: Headers) -> RecipientReport | None:
    if not _names_recipient(fields):
        return None
    diagnostic = fields.get("diagnostic-code")
    kind, semicolon, words = diagnostic.partition(";")
    status = _STATUS.search(fields.get("status")) or _STATUS.search(diagnostic)
    action = fields.get("action").partition(" ")[0].partition(";")[0].lower()
    original = _value(fields.get("original-recipient"))
    return RecipientReport(
        recipient=_value(fields.get("final-recipient")) or original,
        original_recipient=original,
        action=action if action in _ACTIONS else _action(status[1] if status else ""),
        status=status[1] if status else "",
        diagnostic=(words if semicolon and " " not in kind.strip() else diagnostic).strip(),
        remote_mta=_value(fields.get("remote-mta")),
    )


def _action(status: str) -> str:
    return {"2": "delivered", "4": "delayed"}.get(status[:1], "failed")


def _value(text: str) -> str:
    """What follows the address type ("rfc822; a@b.test"), bare."""
    _, semicolon, value = text.partition(";")
    return (value if semicolon else text).strip().strip("<>")


def _original_id(raw: Raw, parts: list[Part]) -> str:
    for part in parts[1:]:
        if part.content_type in {"message/rfc822", "message/global"} and part.children:
            value = part.children[0].headers.raw("message-id")
        elif part.content_type in {"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}:
            fields, _, _ = headers.split(part_bytes(raw, part)[:_LARGEST].lstrip(b"\r\n"))
            value = fields.raw("message-id")
        else:
            continue
        if identifiers := headers.message_ids(value):
            return identifiers[0]
    return ""
