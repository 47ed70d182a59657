"""The folder list: one LIST with everything the server can tell along with it, and what poorer servers need instead.

Law: every folder the server names is listed once, whatever extensions it has (RFC 5258, 5819, 6154, 8440; RFC 3501 LSUB without
them). What is asked only once in a session: the namespaces (RFC 2342), and our rights in other people's folders (RFC 4314).
This module does not know what folders hold.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from poststelle.adapters.imap import wire
from poststelle.adapters.imap.command import Literal, string
from poststelle.adapters.imap.naming import Naming, folder_id
from poststelle.adapters.imap.roles import roles_of
from poststelle.adapters.imap.session import Session
from poststelle.errors import ProtocolViolation
from poststelle.mail.ports import RemoteFolder, RemoteFolderId, Role

T = TypeVar("T")

State = tuple[int, int, int, int]
"""UIDVALIDITY, UIDNEXT, messages, HIGHESTMODSEQ of a folder, as the server last said."""

_UNUSABLE = frozenset({"\\noselect", "\\nonexistent"})
_MOST_RIGHTS_ASKED = 500
_AT_ONCE = 1000
"""Folders looked at before others get their turn."""


def state_of(status: wire.FolderStatus) -> State:
    """What a STATUS says; 0 for what it does not."""
    items = status.items
    told = (items.get(item, 0) for item in ("UIDVALIDITY", "UIDNEXT", "MESSAGES", "HIGHESTMODSEQ"))
    uid_validity, uid_next, messages, modseq = told
    return uid_validity, uid_next, messages, modseq


@dataclass(slots=True)
class _Told:
    """What came for one listing, by the server's names."""

    listed: dict[bytes, wire.Listed] = field(default_factory=dict)
    status: dict[bytes, wire.FolderStatus] = field(default_factory=dict)
    rights: dict[bytes, str] = field(default_factory=dict)
    subscribed: Collection[bytes] | None = None


class FolderList:
    """The folders of one session. `states`: what the last listing said of them, for folders that are not in hand."""

    def __init__(self, session: Session, *, inbox_is_root: bool = False) -> None:
        self._session = session
        self._inbox_is_root = inbox_is_root
        self._naming: Naming | None = None
        self._rights: dict[bytes, str] = {}
        self.states: dict[RemoteFolderId, State] = {}

    async def naming(self) -> Naming:
        """How folders are called here; asked once."""
        if self._naming is None:
            spaces = wire.Spaces()
            if "NAMESPACE" in self._session.capable:
                answer = await self._session.attempt(b"NAMESPACE")
                told = (response for response in answer.untagged if isinstance(response, wire.Spaces))
                spaces = next(told, spaces)
            self._naming = Naming(spaces, self._session.utf8, self._inbox_is_root)
        return self._naming

    async def delimiter(self) -> bytes:
        """What separates the pieces of our own folders' names; empty in a flat tree."""
        naming = await self.naming()
        if naming.spaces.personal:
            return naming.spaces.personal[0].delimiter
        answer = await self._session.command(b"LIST", b'"" ""')
        return next((told.delimiter for told in answer.untagged if isinstance(told, wire.Listed)), b"")

    async def folders(self) -> Sequence[RemoteFolder]:
        """Every folder, and `states` renewed."""
        naming = await self.naming()
        told = await self._ask(naming)
        await self._ask_rights(naming, told)
        utf8 = self._session.utf8
        paths, owners = {}, {}
        async for name, listed in _in_turns(told.listed):
            paths[name], owners[name] = naming.path(listed), naming.owner(name)
        roles = roles_of([(paths[name], listed) for name, listed in told.listed.items() if not owners[name]])
        self.states = {}
        async for name, status in _in_turns(told.status):
            if status.items.get("HIGHESTMODSEQ") and not self._is_in_hand(name):
                self.states[folder_id(name, utf8=utf8)] = state_of(status)
        identities = _identities(told.status)
        found = []
        async for name, listed in _in_turns(told.listed):
            folder = RemoteFolder(
                folder_id(name, utf8=utf8), paths[name], roles.get(name, Role.NONE), not listed.attributes & _UNUSABLE,
                identities.get(name, ""), _is_subscribed(listed, told.subscribed),
                told.rights.get(name, self._rights.get(name)), owners[name],
            )  # fmt: skip
            found.append(folder)
        return found

    def _is_in_hand(self, name: bytes) -> bool:
        """Of the selected folder a server may tell what the session saw last, not what is."""
        return self._session.selected is not None and self._session.selected.name == name

    # -- asking ------------------------------------------------------------------------------------------------------

    async def _ask(self, naming: Naming) -> _Told:
        session, told, names = self._session, _Told(), Counter[type]()

        def keep(response: wire.Response) -> None:
            if isinstance(response, wire.FolderStatus):
                told.status[response.name] = response
            elif isinstance(response, wire.Rights):
                told.rights[response.name] = response.letters
            elif isinstance(response, wire.Listed) and _is_usable(response.name):
                told.listed.setdefault(response.name, response)
            else:
                return
            names[type(response)] += len(response.name)
            most = max(len(told.listed), len(told.status), len(told.rights))
            if most > session.limits.folders or max(names.values()) > session.limits.names:
                raise ProtocolViolation("too-many-folders", limit=session.limits.folders)

        options = self._options()
        patterns = _patterns(naming)
        lead = b""
        first, patterns_left = _together(patterns)
        selected = b"STATUS" in options and session.selected is not None
        if selected and isinstance(first, bytes) and "UNSELECT" in session.capable:
            lead, session.selected = b"UNSELECT", None
        if options:
            asked = (b"LIST", b'""', first, b"RETURN (" + options + b")")
            answer = await session.attempt(*asked, each=keep, lead=lead)
            if answer.condition.status == "OK":
                patterns = patterns_left
            else:
                session.distrust("LIST-EXTENDED", "LIST-STATUS", "LIST-MYRIGHTS")
                options = b""
        for pattern in patterns:
            answer = await session.attempt(b"LIST", b'""', pattern, each=keep)
            if answer.condition.status != "OK" and pattern == patterns[0] and not told.listed:
                raise session.refusal(answer.condition, b"LIST")
        if session.noticed:
            session.noticed.clear()
        session.reshaped = False
        if b"SUBSCRIBED" not in options:
            told.subscribed = await self._ask_subscriptions(told.listed)
        return told

    def _options(self) -> bytes:
        capable = self._session.capable
        if not capable & {"LIST-EXTENDED", "IMAP4REV2"}:
            return b""
        wanted = [b"SUBSCRIBED"]
        if "SPECIAL-USE" in capable:
            wanted.append(b"SPECIAL-USE")
        if "LIST-MYRIGHTS" in capable:
            wanted.append(b"MYRIGHTS")
        if "LIST-STATUS" in capable:
            items = b"MESSAGES UIDNEXT UIDVALIDITY"
            items += b" HIGHESTMODSEQ" if capable & {"CONDSTORE", "QRESYNC"} else b""
            items += b" MAILBOXID" if "OBJECTID" in capable else b""
            wanted.append(b"STATUS (" + items + b")")
        return b" ".join(wanted)

    async def _ask_subscriptions(self, listed: Collection[bytes]) -> Collection[bytes]:
        """The subscribed names, from a server that cannot tell them with the list; all where it refuses."""
        found: set[bytes] = set()

        def keep(response: wire.Response) -> None:
            if isinstance(response, wire.Listed) and response.name in listed:
                found.add(response.name)

        answer = await self._session.attempt(b"LSUB", b'"" "*"', each=keep)
        return found if answer.condition.status == "OK" else listed

    async def _ask_rights(self, naming: Naming, told: _Told) -> None:
        """Our rights in folders of others, each once in a session, where the list does not carry them."""
        if "ACL" not in self._session.capable or told.rights:
            return
        for name, listed in told.listed.items():
            if len(self._rights) >= _MOST_RIGHTS_ASKED:
                return
            if name not in self._rights and naming.owner(name) and not listed.attributes & _UNUSABLE:
                answer = await self._session.attempt(b"MYRIGHTS", string(name))
                letters = (response.letters for response in answer.untagged if isinstance(response, wire.Rights))
                self._rights[name] = next(letters, "")


async def _in_turns(told: Mapping[bytes, T]) -> AsyncIterator[tuple[bytes, T]]:
    """All of it; others get their turn in between."""
    for number, item in enumerate(told.items()):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        yield item


def _patterns(naming: Naming) -> list[bytes | Literal]:
    """What to list: everything, and the other namespaces, which a server may leave out of everything (RFC 2342 section 3)."""
    prefixes = (space.prefix for space in (*naming.spaces.others, *naming.spaces.shared) if space.prefix)
    return [b'"*"', *(string(prefix + b"*") for prefix in dict.fromkeys(prefixes))]


def _together(patterns: list[bytes | Literal]) -> tuple[bytes | Literal, list[bytes | Literal]]:
    """All patterns as one, which LIST-EXTENDED allows, and what is left over; a literal cannot stand in such a list."""
    plain = [pattern for pattern in patterns if isinstance(pattern, bytes)]
    if len(patterns) == 1 or len(plain) < len(patterns):
        return patterns[0], patterns[1:]
    return b"(" + b" ".join(plain) + b")", []


def _identities(status: dict[bytes, wire.FolderStatus]) -> dict[bytes, str]:
    """What stays when a folder is renamed; a UIDVALIDITY that two folders share identifies neither."""
    shared = Counter(told.items.get("UIDVALIDITY", 0) for told in status.values())
    found = {}
    for name, told in status.items():
        uid_validity = told.items.get("UIDVALIDITY", 0)
        if told.mailbox_id:
            found[name] = f"mailboxid:{told.mailbox_id}"
        elif uid_validity and shared[uid_validity] == 1:
            found[name] = f"uidvalidity:{uid_validity}"
    return found


def _is_subscribed(listed: wire.Listed, subscribed: Collection[bytes] | None) -> bool:
    if subscribed is None:
        return "\\subscribed" in listed.attributes
    return listed.name in subscribed or listed.name.upper() == b"INBOX"


def _is_usable(name: bytes) -> bool:
    """Names no database or command could carry are left out."""
    return 0 < len(name) < wire.LONGEST_NAME and b"\0" not in name
