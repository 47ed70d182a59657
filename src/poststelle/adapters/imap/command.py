"""What we say to an IMAP server: commands from typed arguments to bytes (RFC 9051; RELIABILITY Q6).

Law: pure; byte counts come from bytes; CR, LF and NUL never stand in a line of ours, whatever the arguments are.
This module does not know answers or connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Literal:
    """An argument that goes as a literal: any bytes. `utf8`: as the message of an APPEND that needs RFC 6855 section 4."""

    data: bytes = field(repr=False)
    utf8: bool = False


_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_LONGEST_SET = 7000
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
        opening, closing = (b" UTF8 (~{", b")") if argument.utf8 else (b" {", b"")
        if "LITERAL+" in capable or ("LITERAL-" in capable and size <= 4096):
            groups[-1] += (opening + b"%d+}\r\n" % size, argument.data)
        else:
            groups[-1].append(opening + b"%d}\r\n" % size)
            groups.append([argument.data])
        groups[-1].append(closing)
    groups[-1].append(b"\r\n")
    return groups


def uid_sets(uids: Iterable[int], *, most: int = 1 << 32) -> Iterator[tuple[bytes, Sequence[int]]]:
    """The ascending numbers as sequence sets that fit into a line of 8 KiB (RFC 2683 section 3.2.1.5), with what each names.

    `most`: how many numbers a set may name.
    """
    runs: list[list[int]] = []
    named: list[int] = []
    size = 0
    for uid in uids:
        if runs and uid == runs[-1][1] + 1 and len(named) < most:
            runs[-1][1] = uid
        else:
            if size > _LONGEST_SET or len(named) >= most:
                yield _spelled(runs), named
                runs, named, size = [], [], 0
            runs.append([uid, uid])
            size += 2 * len(str(uid)) + 2
        named.append(uid)
    if runs:
        yield _spelled(runs), named


def uid_set(uids: Iterable[int]) -> bytes:
    """A sequence set, as short as ranges make it; the numbers must ascend and be few."""
    return b",".join(part for part, _ in uid_sets(uids))


def _spelled(runs: Sequence[Sequence[int]]) -> bytes:
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in runs)
