"""What we say to an IMAP server: commands from typed arguments to bytes (RFC 9051; RELIABILITY Q6).

Law: pure; byte counts come from bytes; CR, LF and NUL never stand in a line of ours, whatever the arguments are.
This module does not know answers or connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Literal:
    """An argument that goes as a literal: any bytes."""

    data: bytes = field(repr=False)


_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")


def atom(text: str) -> bytes:
    """An atom. Raises ValueError for text that cannot be one."""
    made = text.encode("ascii")
    if not _ATOM.fullmatch(made):
        raise ValueError("not an atom")
    return made


def string(value: bytes) -> bytes | Literal:
    """A string: quoted where that is safe, else a literal. Raises ValueError for NUL, which no string may hold."""
    if _QUOTABLE.fullmatch(value):
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    if b"\0" in value:
        raise ValueError("NUL in a string")
    return Literal(value)


def flag_list(flags: Iterable[str]) -> bytes:
    """Flags in brackets, sorted. Raises ValueError for text that is no flag."""
    return b"(" + b" ".join(b"\\" + atom(f[1:]) if f.startswith("\\") else atom(f) for f in sorted(flags)) + b")"


def serialise(tag: bytes, arguments: Sequence[bytes | Literal], capable: frozenset[str]) -> list[list[bytes]]:
    """The command as it is sent, literals uncopied: after each group but the last, wait for the server's ``+``."""
    groups: list[list[bytes]] = [[tag]]
    for argument in arguments:
        if isinstance(argument, bytes):
            if re.search(rb"[\r\n\0]", argument):
                raise ValueError("line end in an argument")
            groups[-1] += (b" ", argument)
            continue
        size = len(argument.data)
        if "LITERAL+" in capable or ("LITERAL-" in capable and size <= 4096):
            groups[-1] += (b" {%d+}\r\n" % size, argument.data)
        else:
            groups[-1].append(b" {%d}\r\n" % size)
            groups.append([argument.data])
    groups[-1].append(b"\r\n")
    return groups


def uid_set(uids: Iterable[int]) -> bytes:
    """A sequence set, as short as ranges make it; the numbers must ascend."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in runs)
