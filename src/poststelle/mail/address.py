"""Mail addresses: whether a text is one, and what an address header says (RFC 5322 section 3.4).

Law: one pass, never backwards. Whatever a header holds, it is read in linear time and without an exception; encoded words
are decoded only after the structure is known, so a decoded comma or bracket is never taken for structure.

This module does not know messages, header encoding (`mail.compose`) or accounts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from poststelle.mail import headers

MAX_ADDRESSES = 10_000
_REMEMBERED, _SHORT = 1_000, 100

_ATOM = r"[\w!#$%&'*+/=?^`{|}~\-\u0080-\U0010ffff]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|\"(?:[^\x00-\x20\x7f\"\\<>]|\\[^\x00-\x20\x7f<>])*\"")
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9.]{{7,15}}\]|\[IPv6:[0-9A-Fa-f:.]{{2,45}}\]")


def is_addr_spec(text: str) -> bool:
    """Whether the text is one address as an envelope takes it (RFC 5321 section 4.1.2, RFC 6531).

    At most 254 octets, nothing invisible, no blanks or angle brackets even in a quoted local part: RFC 5321 has them, mail servers
    and our own envelopes do not. Dotless and reserved domains are fine.
    """
    if len(text) > 254 or not text.isprintable() or (not text.isascii() and len(text.encode()) > 254):
        return False
    local, at, domain = text.rpartition("@")
    return bool(at) and bool(_LOCAL.fullmatch(local)) and bool(_DOMAIN.fullmatch(domain))


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox as a header names it. `address` is "" where only a name stands; it is not checked (see `is_addr_spec`)."""

    name: str
    address: str


def format_address(name: str, address: str) -> str:
    """Name and address as people read them: ``Jürgen Groß <jg@example.org>``. For display only, not for a header."""
    if not name:
        return address
    return f"{name} <{address}>" if address else name


def typed_address(name: str, address: str) -> str:
    """Name and address as one types them among others: quoted where a mark in the name would be taken for the address's end."""
    plain = name.replace("\\", "").replace('"', "")
    return format_address(f'"{plain}"' if any(mark in plain for mark in ",;:<>()@[]") else plain, address)


_PLAIN = r"[\w!#$%&'*+/=?^`{|}~.\-]++@[\w.\-]++"
_SIMPLE = re.compile(rf"(?:\"([^\"\\=]*+)\" *+|([^\"\\=()<>\[\]:;@,]*+))<({_PLAIN})>", re.A)
_BARE = re.compile(_PLAIN, re.A)
_TOKEN = re.compile(
    r"(?P<word>=\?[^?\s]{1,80}\?[bBqQ]\?[^?\s]*+\?=|\[[^\[\]\s<>,;]{1,255}\]|[^\s\"()<>,;:\\]++)"
    r"|(?P<blank>\s++)|(?P<quoted>\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\")|(?P<special>.)",
    re.S,
)
_COMMENT_MARK = re.compile(r"[()]|\\.", re.S)


def parse_addresses(value: str) -> tuple[Address, ...]:
    """The mailboxes of an unfolded address field, in order, at most `MAX_ADDRESSES`; members of groups included.

    An empty group (``undisclosed-recipients:;``) and text without any address become an Address with a name only.
    """
    return _read_again(value) if len(value) <= _SHORT else _read(value)


def _read(value: str) -> tuple[Address, ...]:
    value = value.strip()
    if match := _SIMPLE.fullmatch(value):
        return (Address(headers.clean(match[1] or match[2] or ""), match[3]),)
    if _BARE.fullmatch(value):
        return (Address("", value),)
    reader = _Reader()
    reader.read(value)
    return tuple(reader.found)


_read_again = lru_cache(_REMEMBERED)(_read)
"""The same for short fields: most mail is from and to those who wrote yesterday."""


class _Reader:
    """Walks the tokens of a field once. `runs` are the words before an angle bracket, `angle` what stands inside one."""

    def __init__(self) -> None:
        self.found: list[Address] = []
        self.group: str | None = None
        self.members = 0
        self._begin()

    def _begin(self) -> None:
        self.runs: list[list[str]] = []
        self.glued = False
        self.comments: list[str] = []
        self.angle: list[str] | None = None
        self.inside = False
        self.closed_at = 0

    def read(self, value: str) -> None:
        position, size = 0, len(value)
        comments_close = quotes_close = True
        while position < size and len(self.found) < MAX_ADDRESSES:
            if value[position] == "(" and comments_close:
                end = _comment_end(value, position)
                if end:
                    self.comments.append(value[position + 1 : end - 1])
                    position = end
                    continue
                comments_close = False
            match = _TOKEN.match(value, position) if quotes_close or value[position] != '"' else None
            if match is None:
                position += 1
                continue
            position = match.end()
            text = match[0]
            if match.lastgroup == "special":
                quotes_close = quotes_close and text != '"'
                self._special(text)
            else:
                self._text(text, match.lastgroup == "blank")
        self._end_mailbox()
        self._end_group()

    def _text(self, text: str, blank: bool) -> None:  # noqa: FBT001
        if self.inside and self.angle is not None:
            if not blank:
                self.angle.append(text)
        elif blank:
            self.glued = False
        elif self.glued:
            self.runs[-1].append(text)
        else:
            self.runs.append([text])
            self.glued = True

    def _special(self, mark: str) -> None:
        if mark == "<":
            self._open()
        elif mark == ">":
            self.inside = self.glued = False
            self.closed_at = len(self.runs)
        elif mark == ",":
            if not (self.inside and self.angle and self.angle[0].startswith("@")):
                self._end_mailbox()
        elif mark == ";":
            self._end_mailbox()
            self._end_group()
        elif mark == ":":
            self._colon()

    def _open(self) -> None:
        if self.inside and self.angle:
            self.runs.append(self.angle)
        elif self.angle is not None:
            following = self.runs[self.closed_at :]
            del self.runs[self.closed_at :]
            self._end_mailbox()
            self.runs = following
        self.angle, self.inside, self.glued = [], True, False

    def _colon(self) -> None:
        if self.inside:
            self.angle = []  # a source route or "mailto" ends here; the mailbox follows
        elif self.angle is None:
            self._end_group()
            self.group = self._name(self.runs)
            self.members = len(self.found)
            self._begin()

    def _end_group(self) -> None:
        if self.group and len(self.found) == self.members:
            self.found.append(Address(self.group, ""))
        self.group = None

    def _end_mailbox(self) -> None:
        runs = self.runs
        if self.angle is not None:
            address = "".join(self.angle)
        else:
            address = ""
            for number, run in enumerate(runs):
                joined = "".join(run)
                if (
                    not joined.startswith("@")
                    and not joined.endswith("@")
                    and any("@" in text for text in run if text[0] != '"')
                ):
                    address = joined
                    runs = runs[:number] + runs[number + 1 :]
                    break
            else:
                if any("@" in text for run in runs for text in run if text[0] != '"'):
                    address, runs = "".join(text for run in runs for text in run), []
        name = self._name(runs) or headers.decode_words(headers.clean(" ".join(self.comments)))
        address = headers.clean(address).replace(" ", "") if '"' not in address else headers.clean(address)
        if name or address:
            self.found.append(Address(name, address))
        self._begin()

    @staticmethod
    def _name(runs: list[list[str]]) -> str:
        return headers.decode_words(headers.clean(" ".join("".join(map(_unquoted, run)) for run in runs)))


def _unquoted(text: str) -> str:
    if text[0] != '"' or len(text) < 2:
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.S) if "\\" in text else text[1:-1]


def _comment_end(value: str, start: int) -> int:
    """Where the comment opening at `start` ends (nested, RFC 5322 section 3.2.2), or 0 if it never does."""
    depth = 0
    for match in _COMMENT_MARK.finditer(value, start):
        if match[0] == "(":
            depth += 1
        elif match[0] == ")":
            depth -= 1
            if depth == 0:
                return match.end()
    return 0
