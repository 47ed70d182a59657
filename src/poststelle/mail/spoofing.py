"""Marks on a sender that pretends: what a careful reader would notice about From and Reply-To, told to everybody else.

Law: marks are stable words, each with a sentence in `office.wording`; the address itself is always shown. Alarms people get used to
are none: what honest mail does every day is a notice (`NOTICES`), not a warning. Linear in the header's length.

This module does not know what the receiving server found out (`mail.authentication`).
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Iterable

import idna

from poststelle.mail import charset
from poststelle.mail.address import Address
from poststelle.mail.message import ParsedMessage

NO_SENDER = "no-sender"
SEVERAL_SENDERS = "several-senders"
NAME_IS_ANOTHER_ADDRESS = "name-is-another-address"
HIDDEN_CHARACTERS = "hidden-characters"
LOOKS_LIKE_ANOTHER = "looks-like-another"
REPLIES_GO_ELSEWHERE = "replies-go-elsewhere"
MARKS = (
    NO_SENDER, SEVERAL_SENDERS, NAME_IS_ANOTHER_ADDRESS, HIDDEN_CHARACTERS, LOOKS_LIKE_ANOTHER, REPLIES_GO_ELSEWHERE,
)  # fmt: skip
NOTICES = frozenset({NO_SENDER, REPLIES_GO_ELSEWHERE})
"""Worth knowing, but no reason for alarm."""

_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*+)\?=")
# Direction marks and overrides, zero-width and other characters that show as nothing.
_HIDDEN = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0]"
)
_LIKE_LATIN = frozenset("асеһіјӏорԛѕԝхуѵьԁɡոցհսաօοανυκιρτχγωϲϳ" + "АВСЕНІЈКМОРЅТХУΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
_SEPARATORS = frozenset("-0123456789")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")
_LIST_FIELDS = ("list-id", "list-post", "list-unsubscribe")
_LONGEST = 10_000


def marks(parsed: ParsedMessage) -> tuple[str, ...]:
    """What is to be noticed about this message's sender, in the order of `MARKS`."""
    found: set[str] = set()
    senders = [one for one in parsed.from_ if one.address]
    fields = [value for name, value in parsed.headers if name.lower() == "from"]
    if not senders:
        found.add(NO_SENDER)
    if len(fields) > 1 or len({one.address.lower() for one in senders}) > 1:
        found.add(SEVERAL_SENDERS)
    if any(_names_another(one) for one in parsed.from_):
        found.add(NAME_IS_ANOTHER_ADDRESS)
    if any(_hides(value) for value in fields[:10]):
        found.add(HIDDEN_CHARACTERS)
    if any(is_look_alike(_domain(one.address)) for one in senders[:10]):
        found.add(LOOKS_LIKE_ANOTHER)
    if _replies_elsewhere(parsed):
        found.add(REPLIES_GO_ELSEWHERE)
    return tuple(mark for mark in MARKS if mark in found)


def shown_domain(domain: str) -> str:
    """A domain as it may be shown: in its own letters, or in its technical form (RFC 5890 A-label) where it imitates another one."""
    readable = _readable(domain)
    return _technical(domain) if is_look_alike(domain) else readable


def is_look_alike(domain: str) -> bool:
    """Whether a domain mixes letters of several scripts in one label, or is spelled in foreign letters that look Latin."""
    return any(_imitates(label) for label in _readable(domain).split("."))


def _imitates(label: str) -> bool:
    letters = [one for one in label if one not in _SEPARATORS]
    if label.isascii() or not letters:
        return False
    scripts = {_script(one) for one in letters}
    if len(scripts & set(_SCRIPTS)) > 1:
        return True
    return "LATIN" not in scripts and all(one in _LIKE_LATIN for one in letters)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _names_another(sender: Address) -> bool:
    """Whether the display name holds an address of another domain than the real one."""
    domain = _domain(sender.address)
    named = _ADDRESS.findall(sender.name[:_LONGEST])
    return any(not _related(_domain(address), domain) for address in named)


def _hides(value: bytes) -> bool:
    text = value[:_LONGEST].decode("utf-8", "replace")
    return bool(_HIDDEN.search(text)) or any(_HIDDEN.search(word) for word in _decoded_words(text))


def _decoded_words(text: str) -> Iterable[str]:
    """Encoded words (RFC 2047) as they are before anything is cleaned away."""
    for match in _WORD.finditer(text):
        data = match[3].encode("ascii", "ignore")
        try:
            raw = binascii.a2b_qp(data, header=True) if match[2] in "qQ" else binascii.a2b_base64(data + b"==")
        except binascii.Error:
            continue
        yield charset.decode(raw, match[1].partition("*")[0].lower())


def _replies_elsewhere(parsed: ParsedMessage) -> bool:
    if any(parsed.headers.raw(name) for name in _LIST_FIELDS):
        return False
    domains = [_domain(one.address) for one in parsed.from_ if one.address]
    answers = [_domain(one.address) for one in parsed.reply_to if one.address]
    return bool(domains and answers) and not any(_related(one, other) for one in answers for other in domains)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower().rstrip(".")


def _related(one: str, other: str) -> bool:
    """Whether one domain lies below the other, or both have the last two labels in common."""
    return one == other or one.split(".")[-2:] == other.split(".")[-2:]


def _readable(domain: str) -> str:
    labels = []
    for label in domain.lower().split(".")[:127]:
        try:
            labels.append(label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label)
        except (UnicodeError, ValueError):
            labels.append(label)
    return ".".join(labels)


def _technical(domain: str) -> str:
    labels = []
    for label in domain.lower().split(".")[:127]:
        try:
            labels.append(label if label.isascii() else idna.alabel(label).decode("ascii"))
        except (idna.IDNAError, UnicodeError):
            labels.append("xn--" + label.encode("punycode", "replace").decode("ascii", "replace"))
    return ".".join(labels)
