"""An IMAP mailbox as a `Source`.

Law: folders are addressed by the bytes the server listed (as Latin-1 text), messages by UIDVALIDITY and UID; both are checked
against the selected folder before each use (Q2, Q3). Bodies are fetched by BODY.PEEK[], so nothing is marked as read.
This module does not know what is done with what it reports.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

from poststelle.adapters.connection import EgressPolicy
from poststelle.adapters.imap import command, wire
from poststelle.adapters.imap.changes import BATCH_BYTES, Mark, Round, metadata, remote_id, search, split_id
from poststelle.adapters.imap.roles import path_of, roles_of
from poststelle.adapters.imap.session import Selection, Session, open_session
from poststelle.errors import CursorLost, FolderMissing, MessageTrouble, NeedsAttention, ProtocolViolation, Trouble
from poststelle.mail.ports import (
    Append,
    Batch,
    ChangeFlags,
    Cursor,
    Errand,
    Outcome,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    Role,
    Unfetchable,
)
from poststelle.mail.settings import Endpoint, Login

T = TypeVar("T")

IDLE_SECONDS = 25 * 60.0
POLL_SECONDS = 60.0
_LAST_WORD_SECONDS = 5.0
_PER_FETCH = 400
_FRESH_SECONDS = 30.0
"""How long a folder list may stand for the folders' state."""

State = tuple[int, int, int, int]
"""UIDVALIDITY, UIDNEXT, messages, HIGHESTMODSEQ of a folder, as the server last said."""


class ImapSource:
    """`Source` over one IMAP session. Made by `open_source`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._round: tuple[RemoteFolderId, Round] | None = None
        self._announced: dict[RemoteFolderId, State] = {}
        self._looked: dict[RemoteFolderId, State] = {}
        self._sizes: dict[RemoteId, int] = {}
        self._watching: Selection | None = None
        self._listed_at = 0.0

    # -- folders -----------------------------------------------------------------------------------------------------

    async def folders(self) -> Sequence[RemoteFolder]:
        """See `Source.folders`."""
        listed: dict[bytes, wire.Listed] = {}
        self._announced.clear()
        self._listed_at = asyncio.get_running_loop().time()

        def keep(response: wire.Response) -> None:
            if isinstance(response, wire.FolderStatus):
                self._note_status(response)
            elif isinstance(response, wire.Listed) and _is_usable(response.name):
                listed.setdefault(response.name, response)
                if len(listed) > self._session.limits.folders:
                    raise ProtocolViolation("too-many-folders", limit=self._session.limits.folders)

        options = self._list_options()
        answer = await self._session.attempt(b"LIST", b'"" "*"', *options, each=keep)
        if answer.condition.status != "OK" and options:
            answer = await self._session.attempt(b"LIST", b'"" "*"', each=keep)
        if answer.condition.status != "OK":
            raise self._session.refusal(answer.condition, b"LIST")
        roles = roles_of(list(listed.values()))
        return [
            RemoteFolder(
                _folder_id(folder.name),
                path_of(folder),
                roles.get(folder.name, Role.NONE),
                not folder.attributes & {"\\noselect", "\\nonexistent"},
            )
            for folder in listed.values()
        ]

    def _list_options(self) -> tuple[bytes, ...]:
        capable = self._session.capable
        wanted = []
        if "SPECIAL-USE" in capable and "LIST-EXTENDED" in capable:
            wanted.append(b"SPECIAL-USE")
        if "LIST-STATUS" in capable and "CONDSTORE" in capable:
            wanted.append(b"STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)")
        return (b"RETURN (" + b" ".join(wanted) + b")",) if wanted else ()

    def _note_status(self, status: wire.FolderStatus) -> None:
        items, selected = status.items, self._session.selected
        # Of the selected folder a server may tell what the session saw last, not what is.
        if items.get("HIGHESTMODSEQ") and (selected is None or selected.name != status.name):
            self._announced[_folder_id(status.name)] = (
                items.get("UIDVALIDITY", 0),
                items.get("UIDNEXT", 0),
                items.get("MESSAGES", 0),
                items["HIGHESTMODSEQ"],
            )

    async def _select(self, folder: RemoteFolderId, *, writable: bool = False, anew: bool = False) -> Selection:
        selected, name = self._session.selected, folder.encode("latin-1")
        if not anew and selected is not None and selected.name == name and (selected.writable or not writable):
            return selected
        return await self._session.select(name, writable=writable)

    # -- what changed ------------------------------------------------------------------------------------------------

    async def changes(self, folder: RemoteFolderId, since: Cursor | None) -> Batch:
        """See `Source.changes`."""
        announced = self._announced.pop(folder, None)
        if asyncio.get_running_loop().time() - self._listed_at > _FRESH_SECONDS:
            announced = None
        mark = Mark.of(since) if since is not None else None
        if self._round is None or self._round[0] != folder or self._round[1].cursor != since:
            self._round = None
            if mark is not None and announced is not None and mark.is_current(*announced):
                self._looked[folder] = announced
                return Batch(mark.cursor)
            selection = await self._select(folder, anew=True)
            self._looked[folder] = selection.state
            if mark is not None and mark.is_current(*selection.state):
                return Batch(mark.cursor)
            self._round = (folder, await Round.begin(self._session, selection, mark))
        current = self._round[1]
        if (await self._select(folder)).uid_validity != current.uid_validity:
            self._round = None
            raise CursorLost("uidvalidity-changed")
        batch = await current.batch()
        self._sizes = {arrival.id: arrival.size for arrival in batch.arrivals}
        if not batch.more:
            self._round = None
        return batch

    # -- bodies ------------------------------------------------------------------------------------------------------

    async def fetch(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> AsyncIterator[RawMessage | Unfetchable]:
        """See `Source.fetch`. Ids of another UIDVALIDITY than the folder's are gone."""
        selection = await self._select(folder)
        uids = []
        for message in ids:
            uid_validity, uid = split_id(message)
            if uid_validity == selection.uid_validity:
                uids.append(uid)
            else:
                yield Unfetchable(message, "gone", gone=True)
        sizes = await self._sizes_of(selection.uid_validity, uids)
        for uid, size in sizes.items():
            if size > self._session.limits.literal:
                yield Unfetchable(remote_id(selection.uid_validity, uid), "too-large")
        for group in _groups(sizes, self._session.limits.literal):
            for found in await self._fetch_group(selection.uid_validity, group):
                yield found

    async def _sizes_of(self, uid_validity: int, uids: Sequence[int]) -> dict[int, int]:
        """Announced size by UID, for every UID asked for; ascending."""
        sizes = {uid: self._sizes.get(remote_id(uid_validity, uid), -1) for uid in sorted(uids)}
        unknown = [uid for uid, size in sizes.items() if size < 0]
        for start in range(0, len(unknown), _PER_FETCH):
            told = await metadata(self._session, unknown[start : start + _PER_FETCH], b"(UID RFC822.SIZE)")
            sizes.update((uid, fetched.size or 0) for uid, fetched in told.items())
        return sizes

    async def _fetch_group(self, uid_validity: int, uids: Sequence[int]) -> list[RawMessage | Unfetchable]:
        told = await metadata(self._session, uids, b"(UID BODY.PEEK[])")
        bodies = {uid: fetched.body for uid, fetched in told.items() if fetched.body is not None}
        # NIL is what a server may answer for a message that was just expunged, too.
        there = await self._present([uid for uid in uids if uid not in bodies])
        found: list[RawMessage | Unfetchable] = []
        for uid in uids:
            message = remote_id(uid_validity, uid)
            if uid in bodies:
                found.append(RawMessage(message, bodies[uid]))
            elif uid not in there:
                found.append(Unfetchable(message, "gone", gone=True))
            else:
                found.append(Unfetchable(message, "no-body" if uid in told else "not-delivered"))
        return found

    # -- errands -----------------------------------------------------------------------------------------------------

    async def perform(self, errand: Errand) -> Outcome:
        """See `Source.perform`. Raises MessageTrouble("refused-by-server") for what the server will not do, and
        MessageTrouble("errand-unsendable") for flags or ids that IMAP has no spelling for."""
        try:
            if isinstance(errand, ChangeFlags):
                return await self._change_flags(errand)
            return await self._append(errand)
        except ValueError as error:
            raise MessageTrouble("errand-unsendable") from error

    async def _change_flags(self, errand: ChangeFlags) -> Outcome:
        uid_validity, uid = split_id(errand.id)
        try:
            selection = await self._select(errand.folder, writable=True)
        except FolderMissing:
            return Outcome.GONE
        if selection.uid_validity != uid_validity:
            return Outcome.GONE
        answered = False
        for sign, flags in ((b"+FLAGS", errand.add), (b"-FLAGS", errand.remove)):
            if flags:
                answer = await self._session.attempt(b"UID STORE", b"%d" % uid, sign, command.flag_list(flags))
                if answer.condition.status != "OK" and await self._present([uid]):
                    raise self._session.refusal(answer.condition, b"UID STORE")
                answered = any(isinstance(told, wire.Fetched) and told.uid == uid for told in answer.untagged)
        return Outcome.DONE if answered or await self._present([uid]) else Outcome.GONE

    async def _present(self, uids: Sequence[int]) -> frozenset[int]:
        """Which of these the selected folder holds now; NOOP first, because a server may answer from an old view."""
        if not uids:
            return frozenset()
        await self._session.command(b"NOOP")
        return frozenset(await search(self._session, b"UID " + command.uid_set(uids)))

    async def _append(self, errand: Append) -> Outcome:
        await self._select(errand.folder, anew=True)
        wanted = command.string(errand.message_id.encode())
        if errand.message_id and await search(self._session, b"HEADER Message-ID", wanted):
            return Outcome.DONE
        await self._session.command(
            b"APPEND",
            command.string(errand.folder.encode("latin-1")),
            command.flag_list(errand.flags),
            command.Literal(errand.raw),
        )
        return Outcome.DONE

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def wait(self, watched: RemoteFolderId, timeout: float) -> frozenset[RemoteFolderId] | None:
        """See `Source.wait`. Reports the watched folder only: IDLE says nothing of the others."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        selected = self._session.selected
        if selected is None or selected is not self._watching or selected.name != watched.encode("latin-1"):
            self._watching = await _to_its_end(self._select(watched, writable=True, anew=True))
            known = self._looked.get(watched) or self._announced.get(watched)
            self._looked[watched] = self._watching.state
            if known != self._watching.state:
                return frozenset({watched})
        while not self._session.stirred and (left := deadline - loop.time()) > 0:
            if "IDLE" in self._session.capable:
                await self._session.idle(min(left, IDLE_SECONDS))
            else:
                await asyncio.sleep(min(left, POLL_SECONDS))
                await _to_its_end(self._session.command(b"NOOP"))
        stirred, self._session.stirred = self._session.stirred, False
        return frozenset({watched}) if stirred else frozenset()

    async def close(self) -> None:
        """See `Source.close`."""
        await self._session.close()


async def _to_its_end(command: Coroutine[Any, Any, T]) -> T:
    """Await a command that is not cut off when we are cancelled: a session in the middle of an answer is of no use."""
    running = asyncio.ensure_future(command)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with contextlib.suppress(Trouble, TimeoutError):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await running
        raise


def _folder_id(name: bytes) -> RemoteFolderId:
    return RemoteFolderId(name.decode("latin-1"))


def _is_usable(name: bytes) -> bool:
    """Names no database or command could carry are left out."""
    return 0 < len(name) < wire.LONGEST_NAME and b"\0" not in name


def _groups(sizes: dict[int, int], largest: int) -> list[list[int]]:
    """UIDs that are fetched together: a few MB, or one bigger message alone."""
    groups: list[list[int]] = [[]]
    total = 0
    for uid, size in sizes.items():
        if size > largest:
            continue
        if groups[-1] and (total + max(size, 0) > BATCH_BYTES or len(groups[-1]) >= _PER_FETCH):
            groups.append([])
            total = 0
        groups[-1].append(uid)
        total += max(size, 0)
    return [group for group in groups if group]


async def open_source(
    endpoint: Endpoint,
    login: Login,
    *,
    egress: EgressPolicy,
    tls: ssl.SSLContext,
    limits: wire.Limits | None = None,
) -> ImapSource:
    """Connect and log in. Raises `Trouble`; a way in that is no IMAP is a mistake of the caller (NeedsAttention)."""
    if endpoint.protocol != "imap":
        raise NeedsAttention(
            "wrong-protocol", host=endpoint.host, port=endpoint.port, expected="imap", got=endpoint.protocol
        )
    return ImapSource(await open_session(endpoint, login, egress=egress, tls=tls, limits=limits))
