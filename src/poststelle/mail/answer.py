"""Answers and forwards: from a message somebody reads to the `Draft` they begin with.

Law: the quoted text is the message's own, nothing is added but quote marks and the line the caller gives (its wording is the
caller's: this module speaks no language). Nobody's own address is written to in a reply to all.

This module does not know accounts, signatures or HTML drafts.
"""

from __future__ import annotations

from datetime import datetime

from poststelle.mail import thread
from poststelle.mail.address import Address, is_addr_spec
from poststelle.mail.compose import Draft, is_message_id
from poststelle.mail.opened import Opened


def reply(
    parsed: Opened,
    *,
    sender: Address,
    own: frozenset[str],
    everyone: bool,
    attribution: str,
    date: datetime | None = None,
) -> Draft:
    """A draft that answers: to Reply-To, else From; with `everyone` also to the other recipients, without `own` addresses.

    Answering one's own message goes to those it went to. `attribution` is the line above the quoted text.
    """
    mine = {address.lower() for address in own}
    origin = _reachable(parsed.reply_to or parsed.from_ or parsed.sender)
    if origin and all(address.address.lower() in mine for address in origin):
        to, cc = _reachable(parsed.to), parsed.cc
    else:
        to, cc = origin, (*parsed.to, *parsed.cc)
    known = mine | {address.address.lower() for address in to}
    in_reply_to, references = lineage(parsed)
    quoted = "\n".join(_quoted_line(line) for line in parsed.text.rstrip().split("\n"))
    return Draft(
        sender=sender,
        to=to,
        cc=_reachable(cc, without=known) if everyone else (),
        subject=f"Re: {_without_mark(parsed.subject, reply=True)}".rstrip(),
        text=f"\n\n{attribution}\n{quoted}\n",
        in_reply_to=in_reply_to,
        references=references,
        date=date,
    )


def forward(parsed: Opened, *, sender: Address, heading: str, date: datetime | None = None) -> Draft:
    """A draft that passes the message on, with its text below `heading`; recipients are still open, and its files are to be added."""
    return Draft(
        sender=sender,
        subject=f"Fwd: {_without_mark(parsed.subject, reply=False)}".rstrip(),
        text=f"\n\n{heading}\n\n{parsed.text}",
        references=lineage(parsed)[1],
        date=date,
    )


def lineage(parsed: Opened) -> tuple[str, tuple[str, ...]]:
    """In-Reply-To and References of what answers the message; identifiers that no header of ours may carry are left out."""
    chain = thread.references_chain(parsed.message_id, parsed.in_reply_to, parsed.references)
    known = tuple(name for name in chain if is_message_id(name))
    return (parsed.message_id if parsed.message_id in known else ""), known


def _reachable(
    addresses: tuple[Address, ...], *, without: set[str] | frozenset[str] = frozenset()
) -> tuple[Address, ...]:
    found: dict[str, Address] = {}
    for address in addresses:
        key = address.address.lower()
        if key not in without and is_addr_spec(address.address):
            found.setdefault(key, address)
    return tuple(found.values())


def _quoted_line(line: str) -> str:
    return f">{line}" if line.startswith(">") else f"> {line}".rstrip()


_REPLIES = ("re:", "aw:", "antw:")
_FORWARDS = ("fwd:", "fw:", "wg:")


def _without_mark(subject: str, *, reply: bool) -> str:
    """The subject without the mark that is about to be put before it, however often it stands there."""
    marks = _REPLIES if reply else _FORWARDS
    while subject.lower().startswith(marks):
        subject = subject.partition(":")[2].lstrip()
    return subject
