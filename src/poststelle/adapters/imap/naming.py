"""What folders are called: by the server, in our ids, and for people.

Law: a folder is addressed by the bytes the server listed. Its id is that name in modified UTF-7, whichever spelling the
session speaks, so that it stays the same when a server learns UTF-8 (RFC 6855). Paths are for people, and for making names.
This module does not know sessions or what folders hold.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from poststelle.adapters.imap import utf7
from poststelle.adapters.imap.wire import LONGEST_NAME, Listed, Space, Spaces
from poststelle.errors import MessageTrouble
from poststelle.mail.ports import RemoteFolderId

_INBOX = "INBOX"
_DEEPEST = 30
"""What lies deeper is shown as one name: a path costs memory by its pieces, and people make none so long."""


def folder_id(name: bytes, *, utf8: bool) -> RemoteFolderId:
    """The id of a folder the server calls so."""
    if utf8:
        try:
            return RemoteFolderId(sys.intern(utf7.encode(name.decode()).decode()))
        except UnicodeDecodeError:
            pass
    # Thousands of mailboxes call their folders alike.
    return RemoteFolderId(sys.intern(name.decode("latin-1")))


def server_name(folder: RemoteFolderId, *, utf8: bool) -> bytes:
    """What the server calls a folder; the inverse of `folder_id`."""
    if utf8 and folder.isascii():
        return utf7.decode(folder.encode()).encode()
    return folder.encode("latin-1")


def _shown(name: str) -> str:
    if name.isprintable():
        return sys.intern(name)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


@dataclass(frozen=True, slots=True)
class Naming:
    """The shape of one log-in's folder tree.

    `spaces` as the server told them (RFC 2342). `inbox_is_root`: our own folders lie below the inbox, and paths do not show it.
    """

    spaces: Spaces = field(default_factory=Spaces)
    utf8: bool = False
    inbox_is_root: bool = False

    def path(self, listed: Listed) -> tuple[str, ...]:
        """A folder's name for people, outermost first, never empty; what cannot be shown is replaced."""
        pieces = self._pieces(listed.name, listed.delimiter)
        if self.inbox_is_root and len(pieces) > 1 and self._root and pieces[0].upper() == _INBOX:
            pieces = pieces[1:]
        return tuple(map(_shown, pieces))

    def _pieces(self, name: bytes, delimiter: bytes) -> Sequence[str]:
        pieces = name.split(delimiter, _DEEPEST) if delimiter else [name]
        return [self._read(piece) for piece in pieces if piece] or [self._read(name) or "?"]

    def _read(self, piece: bytes) -> str:
        return piece.decode("utf-8", "replace") if self.utf8 else utf7.decode(piece)

    @property
    def _home(self) -> Space:
        """Where our own folders lie."""
        return self.spaces.personal[0] if self.spaces.personal else Space(b"", b"")

    @property
    def _root(self) -> bool:
        """Our own folders lie below the inbox."""
        return self._home.prefix.upper() == _INBOX.encode() + self._home.delimiter

    def owner(self, name: bytes) -> str:
        """Whose folder it is: "" for our own, else the other user, or the name of the shared tree."""
        for space in self.spaces.others:
            if space.prefix and name.startswith(space.prefix):
                return self._pieces(name[len(space.prefix) :], space.delimiter)[0]
            if space.prefix and name == space.prefix.rstrip(space.delimiter):
                return self._pieces(name, space.delimiter)[-1]
        for space in self.spaces.shared:
            if space.prefix and (name + space.delimiter).startswith(space.prefix):
                return self._pieces(space.prefix, space.delimiter)[-1]
        return ""

    def name(self, path: Sequence[str], delimiter: bytes) -> bytes:
        """What a folder at this path is to be called; below the personal prefix unless the path leads elsewhere.

        Raises MessageTrouble("folder-name-impossible").
        """
        pieces = [self._written(piece) for piece in path]
        if not pieces or any(not piece or (delimiter and delimiter in piece) for piece in pieces):
            raise MessageTrouble("folder-name-impossible", path=list(path))
        if len(pieces) > 1 and not delimiter:
            raise MessageTrouble("folder-name-impossible", path=list(path))
        name = delimiter.join(pieces)
        is_inbox = name.upper() == _INBOX.encode()
        if not is_inbox and not self._is_below_a_prefix(name):
            name = self._home.prefix + name
        if len(name) >= LONGEST_NAME:
            raise MessageTrouble("folder-name-impossible", path=list(path))
        return name

    def _is_below_a_prefix(self, name: bytes) -> bool:
        ours = () if self.inbox_is_root else self.spaces.personal
        known = (*ours, *self.spaces.others, *self.spaces.shared)
        return any(name.upper().startswith(space.prefix.upper()) for space in known)

    def _written(self, piece: str) -> bytes:
        if any(ord(c) < 32 or ord(c) == 127 for c in piece):
            raise MessageTrouble("folder-name-impossible", path=[piece])
        try:
            return piece.encode() if self.utf8 else utf7.encode(piece)
        except UnicodeEncodeError as error:
            raise MessageTrouble("folder-name-impossible", path=[piece]) from error
