"""The structure of a message: where its parts lie in the bytes, and what they say about themselves (RFC 2045, 2046, 2183).

Law: `scan` takes any bytes, never raises and reads them once: header lines, and lines that begin with two hyphens. Bodies are
not decoded here; a part knows the offsets of its encoded body. What exceeds a cap (RELIABILITY Q11) is kept as one opaque
part and told as a defect.

This module does not know addresses, which part is the text to be read, or how bodies are decoded (`mail.message`).
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from poststelle.mail import headers
from poststelle.mail.headers import Headers

MAX_HEADER = 1 << 20
MAX_DEPTH = 100
MAX_PARTS = 10_000
_USUAL_HEADER = 1 << 12
_REMEMBERED, _SHORT = 500, 120
_MAX_LINE = 10_000

OPAQUE = "application/octet-stream"

_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+")
_BLANK_LINE = {b"\n": re.compile(rb"\n\r*+\n"), b"\r": re.compile(rb"\r\r")}
_HEADER_END = {b"\n": re.compile(rb"\n(?:(\r*+\n)|--)"), b"\r": re.compile(rb"\r(?:(\r)|--)")}
_NO_HEADER = {b"\n": re.compile(rb"\r*+\n"), b"\r": re.compile(rb"\r")}
_LEADING = re.compile(rb"(?:\xef\xbb\xbf)?(?:[\r\n]*+(?=[!-9;-~]++:))?(?:>?From [^\r\n]*+(?:\r?\n|\r))?")
_IDENTITY = {"7bit", "8bit", "binary", ""}


@dataclass(frozen=True, slots=True)
class Part:
    """A node of the part tree.

    `path` counts from 1 per level ("1.2"; the root is "" when it has children by multipart, else "1"). `content_type` is
    lower-case "type/subtype"; `name` the decoded file name, not made safe for a file system; `disposition` "", "inline",
    "attachment" or a foreign word; `raw[start:end]` is the encoded body. `is_inline`: an image the HTML text shows by `cid:`.
    """

    path: str
    content_type: str
    charset: str
    name: str
    disposition: str
    content_id: str
    encoding: str
    start: int
    end: int
    headers: Headers
    children: tuple[Part, ...] = ()
    is_inline: bool = False


class _Said(NamedTuple):
    """What a header block says about its part; "" where it says nothing. The first three are those of `headers.split`."""

    headers: Headers
    length: int
    defects: tuple[str, ...]
    content_type: str
    charset: str
    boundary: bytes
    name: str
    disposition: str
    content_id: str
    encoding: str


def _read(block: bytes) -> _Said:
    fields, length, defects = headers.split(block)
    content_type = charset = boundary = name = disposition = ""
    overflow = too_many = False
    if value := fields.raw("content-type"):
        kind, parameters, overflow = headers.parameters(value)
        match = _TYPE.match(kind)
        content_type = match[0] if match else "text/plain"
        charset = parameters.get("charset", "").strip(" '\"").partition(" ")[0].lower()
        boundary = parameters.get("boundary", "")
        name = parameters.get("name", "")
    if value := fields.raw("content-disposition"):
        disposition, parameters, too_many = headers.parameters(value)
        name = parameters.get("filename") or name
    if overflow or too_many:
        defects.append("too-many-parameters")
    return _Said(
        fields, length, tuple(defects), content_type, charset, boundary.encode("utf-8", "replace").rstrip(), name,
        disposition, fields.raw("content-id").strip(" <>"), fields.raw("content-transfer-encoding").lower().strip(" \"';"),
    )  # fmt: skip


_read_again = lru_cache(_REMEMBERED)(_read)
"""The same for short blocks, which are alike in most messages: ``Content-Type: text/plain; charset=utf-8`` and little else."""

_NOTHING = _read(b"")


class Node:
    """A part while it is being read: what its header says, and what becomes of it."""

    __slots__ = ("children", "closed", "content_type", "end", "is_inline", "path", "said", "start")

    def __init__(self, path: str, said: _Said, start: int, default_type: str) -> None:
        self.path, self.said, self.start, self.end = path, said, start, start
        self.children: list[Node] = []
        self.closed = self.is_inline = False
        self.content_type = said.content_type or default_type

    def freeze(self) -> Part:
        """The finished part with its subtree (at most `MAX_DEPTH` levels)."""
        said = self.said
        return Part(
            self.path, self.content_type, said.charset, said.name, said.disposition, said.content_id, said.encoding,
            self.start, self.end, said.headers, tuple([child.freeze() for child in self.children]), self.is_inline,
        )  # fmt: skip


def scan(raw: bytes | mmap.mmap) -> tuple[Node, dict[str, None]]:
    """The part tree of a message and its defects (stable words, in order of appearance, once each)."""
    scanner = _Scanner(raw)
    return scanner.run(), scanner.defects


class _Scanner:
    """`stack` holds the open parts from the root to the current leaf, `boundaries` the open delimiters and their places in it."""

    def __init__(self, raw: bytes | mmap.mmap) -> None:
        self.raw, self.size = raw, len(raw)
        self.defects: dict[str, None] = {}
        self.stack: list[Node] = []
        self.boundaries: dict[bytes, list[int]] = {}
        self.count = 0
        self.newline = b"\r" if raw.find(b"\n", 0, MAX_HEADER) < 0 else b"\n"
        self.mark = self.newline + b"--"

    def run(self) -> Node:
        leading = _LEADING.match(self.raw)
        position = self._enter("", leading.end() if leading else 0, "text/plain")
        root = self.stack[0]
        while self.boundaries:
            delimiter = self._next_delimiter(position)
            if delimiter is None:
                break
            level, closing, line, position = delimiter
            self._close(level, line)
            multipart = self.stack[level]
            if closing:
                multipart.closed = True
                self._forget(multipart, level)
            elif self.count >= MAX_PARTS:
                self._give_up(multipart, position)
            else:
                default = "message/rfc822" if multipart.content_type == "multipart/digest" else "text/plain"
                position = self._enter(f"{multipart.path}.{len(multipart.children) + 1}".lstrip("."), position, default)
        self._close(-1, self.size, at_end=True)
        if not root.children:
            root.path = "1"
        return root

    def _enter(self, path: str, start: int, default_type: str) -> int:
        """Open the part whose header begins at `start`, and the messages nested directly in it; where its body begins."""
        while True:
            said, start = self._header(start)
            node = Node(path, said, start, default_type)
            if self.stack:
                self.stack[-1].children.append(node)
            self.stack.append(node)
            self.count += 1
            major, _, minor = node.content_type.partition("/")
            nests = major == "multipart" or (major == "message" and minor in {"rfc822", "global"})
            if nests and (len(self.stack) > MAX_DEPTH or self.count >= MAX_PARTS):
                self.defects["too-deep" if len(self.stack) > MAX_DEPTH else "too-many-parts"] = None
                node.content_type = OPAQUE
            elif major == "multipart":
                self._expect(node)
            elif nests and said.encoding in _IDENTITY:
                path, default_type = (f"{path}.1" if path else "1.1"), "text/plain"
                node.path = node.path or "1"
                continue
            return start

    def _expect(self, node: Node) -> None:
        boundary = node.said.boundary
        if boundary and len(boundary) < _MAX_LINE:
            self.boundaries.setdefault(boundary, []).append(len(self.stack) - 1)
        else:
            self.defects["no-boundary"] = None
            node.content_type = "text/plain"

    def _header(self, start: int) -> tuple[_Said, int]:
        """What the header beginning at `start` says, and where the body begins."""
        raw, limit = self.raw, min(start + MAX_HEADER, self.size)
        if empty := _NO_HEADER[self.newline].match(raw, start):
            return _NOTHING, empty.end()
        end = _HEADER_END[self.newline].search(raw, start, min(start + _USUAL_HEADER, limit))
        if end and end[1] and raw[start : start + 2] != b"--":
            return self._read(start, end.start(), end.end())
        # The delimiter first: of thousands of parts without a body none may be searched to the end of the message.
        delimiter = self._next_delimiter(start, limit) if self.boundaries else None
        body = delimiter[2] if delimiter else limit
        if blank := _BLANK_LINE[self.newline].search(raw, start, body):
            return self._read(start, blank.start(), blank.end())
        if not delimiter:
            self.defects["header-too-big" if limit < self.size else "unterminated-header"] = None
        return self._read(start, body, body)

    def _read(self, start: int, end: int, body: int) -> tuple[_Said, int]:
        block = self.raw[start:end]
        said = _read_again(block) if len(block) <= _SHORT else _read(block)
        self.defects.update(dict.fromkeys(said.defects))
        return said, body if said.length == len(block) else start + said.length

    def _next_delimiter(self, position: int, limit: int | None = None) -> tuple[int, bool, int, int] | None:
        """The next line that is an open delimiter: its level, whether it closes, where it begins and the line after it begins."""
        raw, size = self.raw, self.size
        end = size if limit is None else limit
        line = position if raw[position : position + 2] == b"--" else self._hyphens(position, end)
        while line >= 0:
            stop = raw.find(self.newline, line, line + _MAX_LINE)
            if stop >= 0 or size - line < _MAX_LINE:
                stop = size if stop < 0 else stop
                token = raw[line + 2 : stop].rstrip(b" \t\r")
                levels = self.boundaries.get(token)
                closing = levels is None and token.endswith(b"--")
                if closing:
                    levels = self.boundaries.get(token[:-2].rstrip(b" \t"))
                if levels:
                    return levels[-1], closing, line, min(stop + 1, size)
            line = self._hyphens(line, end)
        return None

    def _hyphens(self, position: int, end: int) -> int:
        """Where the next line that may be a delimiter begins, or -1: two hyphens, and what follows them if only one may."""
        only = next(iter(self.boundaries)) if len(self.boundaries) == 1 else b""
        end += len(only)
        # One byte is found soonest, and base64 has no hyphens: an attachment is passed over at once.
        hyphen = self.raw.find(b"-", position, end)
        # What is longer is found sooner: text is passed over several bytes at a time.
        at = self.raw.find(self.mark + only, max(position, hyphen - 1), end) if hyphen >= 0 else -1
        return at + 1 if at >= 0 else -1

    def _close(self, level: int, line: int, *, at_end: bool = False) -> None:
        """End every part below `level` before the line that begins at `line`; its line end belongs to the delimiter."""
        end = line
        if not at_end and end and self.raw[end - 1 : end] in {b"\n", b"\r"}:
            end -= 2 if self.raw[max(end - 2, 0) : end] == b"\r\n" else 1
        for depth in range(len(self.stack) - 1, level, -1):
            node = self.stack.pop()
            node.end = max(node.start, end)
            if node.said.boundary and not node.closed and node.content_type.startswith("multipart/"):
                self.defects["no-closing-boundary"] = None
                self._forget(node, depth)
            if not node.children and node.content_type.startswith("multipart/"):
                node.content_type = "text/plain"

    def _forget(self, node: Node, level: int) -> None:
        levels = self.boundaries.get(node.said.boundary)
        if levels and level in levels:
            levels.remove(level)
            if not levels:
                del self.boundaries[node.said.boundary]

    def _give_up(self, multipart: Node, position: int) -> None:
        self.defects["too-many-parts"] = None
        rest = Node(f"{multipart.path}.{len(multipart.children) + 1}".lstrip("."), _NOTHING, position, OPAQUE)
        multipart.children.append(rest)
        multipart.closed = True
        self.stack.append(rest)
        self.boundaries.clear()
